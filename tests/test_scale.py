"""Training on several processes: what one process would learn, and bit for bit the same after a kill."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from matting.config import config_parser, load_config
from matting.weights import read_weights
from tests import scaled_training
from tests.scaled_training import BATCH, EPOCHS, STEPS_PER_EPOCH
from tests.small_network import NETWORK, network_flags

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "scaled_training.py"
LAUNCH = "import sys; from ms_impl.launch import launch; sys.exit(launch(sys.argv[3:], int(sys.argv[1]), sys.argv[2]))"
TOLERANCE = 1e-3  # float noise is 1e-4, where gradients nearly cancel; gradients summed, not averaged, would give 1
TIMEOUT = 300  # seconds for a training


def flags(folder, ranks, *more):
    return ["--logs_dir", str(folder), "--epochs", str(EPOCHS), "--batch_size", str(BATCH // ranks), "--val_every", "0",
            "--learning_rate", "0.001", *network_flags(NETWORK | {"resampling": "max"}), *more]


def start(folder, *more):
    """Start training on two processes -> the launcher."""
    command = [sys.executable, "-c", LAUNCH, "2", str(folder / "ranks"), sys.executable, "-u", str(PROGRAM),
               *flags(folder, 2, "--is_distributed", "True", *more)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(launcher):
    """Wait for a launcher that is to end well."""
    output, _ = launcher.communicate(timeout=TIMEOUT)
    assert launcher.returncode == 0, output[-3000:]


def losses(folder):
    """(step, loss) of each whole line of the journal."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [(record["step"], record["loss"]) for record in map(json.loads, (x for x in lines if x.endswith("\n")))]


def learned(folder, epoch=EPOCHS):
    """Weights and both moments after an epoch."""
    name = f"indexnet-{epoch}_{STEPS_PER_EPOCH}"
    with np.load(folder / f"{name}.resume.npz") as archive:
        moments = {key: archive[key] for key in archive if "moment" in key}
    return moments | read_weights(folder / f"{name}.ckpt")


def largest_difference(found, expected):
    """max |found - expected| / max |expected| of the tensor that differs most."""
    assert found.keys() == expected.keys()
    return np.max([abs(found[name] - value).max() / max(abs(value).max(), 1e-12) for name, value in expected.items()])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The logs of an uninterrupted training on two processes."""
    folder = tmp_path_factory.mktemp("two")
    finish(start(folder))
    return folder


def test_two_processes_learn_what_one_does_from_the_batches_of_both(two, tmp_path):
    scaled_training.train(load_config(config_parser(""), flags(tmp_path, 1))[0])
    np.testing.assert_allclose(losses(two), losses(tmp_path), rtol=1e-5)
    assert largest_difference(learned(two), learned(tmp_path)) < TOLERANCE
    assert largest_difference(learned(two), learned(tmp_path, EPOCHS - 1)) > 100 * TOLERANCE


def rank_process(launcher, rank):
    return next(process for process in psutil.Process(launcher.pid).children()
                if process.environ().get("MS_NODE_ID") == str(rank))


def test_two_processes_of_which_one_was_killed_continue_bit_for_bit(two, tmp_path):
    launcher = start(tmp_path)
    deadline = time.monotonic() + TIMEOUT
    while len(losses(tmp_path)) <= STEPS_PER_EPOCH:
        assert launcher.poll() is None and time.monotonic() < deadline, "training never came to the second epoch"
        time.sleep(0.01)
    started = psutil.Process(launcher.pid).children(recursive=True)
    rank_process(launcher, 1).kill()
    began = time.monotonic()
    output, _ = launcher.communicate(timeout=TIMEOUT)
    assert time.monotonic() - began < 10
    assert launcher.returncode == 128 + signal.SIGKILL
    assert "worker_1 ended with status 137, so all others are ended" in output
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert len(losses(tmp_path)) < EPOCHS * STEPS_PER_EPOCH

    finish(start(tmp_path, "--resume", "True"))
    assert losses(tmp_path) == losses(two)
    assert largest_difference(learned(tmp_path), learned(two)) == 0
