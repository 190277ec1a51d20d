"""Training on several processes: what one process would learn, and bit for bit the same after any end."""
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
from matting.training import ALONE
from matting.weights import read_weights
from ms_impl.utils import set_device
from tests import scaled_training
from tests.scaled_training import BATCH, EPOCHS, SPIKE, STEPS_PER_EPOCH
from tests.small_network import NETWORK, network_flags

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "scaled_training.py"
LAUNCH = "import sys; from ms_impl.launch import launch; sys.exit(launch(sys.argv[3:], int(sys.argv[1]), sys.argv[2]))"
TOLERANCE = 1e-3  # float noise; gradients summed, not averaged, would give 1
MIXED_TOLERANCE = 0.04  # the same of float16, whose 5e-4 each process rounds its gradients by before they are averaged
TIMEOUT = 300  # seconds for a training


def flags(folder, ranks, *more):
    return ["--logs_dir", str(folder), "--epochs", str(EPOCHS), "--batch_size", str(BATCH // ranks), "--val_every", "0",
            "--learning_rate", "0.001", "--device_target", "CPU", *more]


def start(folder, *more):
    """Start training on two processes -> the launcher."""
    command = [sys.executable, "-c", LAUNCH, "2", str(folder / "ranks"), sys.executable, "-u", str(PROGRAM),
               *flags(folder, 2, "--is_distributed", "True", "--sync_batch_norm", "True", *more)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(launcher):
    """-> (status, output); nothing that it started may be left."""
    started = psutil.Process(launcher.pid).children(recursive=True)
    output, _ = launcher.communicate(timeout=TIMEOUT)
    assert not psutil.wait_procs(started, timeout=5)[1]
    return launcher.returncode, output


def journal(folder):
    """The steps' records, of whole lines."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    records = map(json.loads, (line for line in lines if line.endswith("\n")))
    return [record for record in records if "loss" in record]


def losses(folder):
    """(step, loss) of each step."""
    return [(record["step"], record["loss"]) for record in journal(folder)]


def wait_for_epoch(folder, launcher, epoch):
    """Until a run is within that epoch, counted from 1."""
    deadline = time.monotonic() + TIMEOUT
    while len(losses(folder)) <= (epoch - 1) * STEPS_PER_EPOCH:
        assert launcher.poll() is None and time.monotonic() < deadline, f"training never came to epoch {epoch}"
        time.sleep(0.01)


def learned(folder, epoch=EPOCHS):
    """Weights and both moments after an epoch."""
    name = f"small-{epoch}_{STEPS_PER_EPOCH}"
    with np.load(folder / f"{name}.resume.npz") as archive:
        moments = {key: archive[key] for key in archive if "moment" in key}
    return moments | read_weights(folder / f"{name}.ckpt")


def largest_difference(found, expected):
    """max |found - expected| / max |expected| of the tensor that differs most."""
    assert found.keys() == expected.keys()
    return np.max([abs(found[name] - value).max() / max(abs(value).max(), 1e-12) for name, value in expected.items()])


def rank_process(launcher, rank):
    return next(process for process in psutil.Process(launcher.pid).children()
                if process.environ().get("MS_NODE_ID") == str(rank))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture(scope="module")
def killed(whole, mixed, tmp_path_factory):
    """The logs of a training whose rank 1 was killed in its second epoch, its end and how long that took.

    The same processes have trained into `mixed` and `whole` before, uninterrupted: starting them is what takes time.
    """
    folder = tmp_path_factory.mktemp("killed")
    launcher = start(folder, "--before", str(whole), "--mixed", str(mixed))
    wait_for_epoch(folder, launcher, 2)
    rank_process(launcher, 1).kill()
    began = time.monotonic()
    return folder, *finish(launcher), time.monotonic() - began


def test_two_processes_learn_what_one_does_from_the_batches_of_both(killed, whole, tmp_path):
    config, _ = load_config(config_parser(""), flags(tmp_path, 1))
    set_device(config)
    scaled_training.train(config, ALONE)
    np.testing.assert_allclose(losses(whole), losses(tmp_path), rtol=1e-5)
    assert largest_difference(learned(whole), learned(tmp_path)) < TOLERANCE
    assert largest_difference(learned(whole), learned(tmp_path, EPOCHS - 1)) > 10 * TOLERANCE


def test_two_processes_skip_a_step_together_where_one_overflows(killed, mixed, tmp_path):
    config, _ = load_config(config_parser(""), flags(tmp_path, 1, "--amp", "True"))
    set_device(config)
    scaled_training.train(config, ALONE)
    skipped = [0] * SPIKE + [1] * (EPOCHS * STEPS_PER_EPOCH - SPIKE)
    for folder in (mixed, tmp_path):
        assert [record["skipped_steps"] for record in journal(folder)] == skipped
    for rank in (0, 1):
        log = (killed[0] / "ranks" / f"worker_{rank}.log").read_text()
        assert log.count("a gradient overflowed: step skipped (1 so far), loss scale halved to 32768") == 1
    np.testing.assert_allclose(losses(mixed), losses(tmp_path), rtol=1e-4)
    assert largest_difference(learned(mixed), learned(tmp_path)) < MIXED_TOLERANCE
    assert largest_difference(learned(mixed), learned(tmp_path, EPOCHS - 1)) > 5 * MIXED_TOLERANCE


def test_a_killed_process_ends_all_and_the_run_continues_bit_for_bit_through_a_sigterm(killed, whole):
    folder, status, output, seconds = killed
    assert status == 128 + signal.SIGKILL and seconds < 10
    assert "worker_1 ended with status 137, so all others are ended" in output
    assert len(losses(folder)) < EPOCHS * STEPS_PER_EPOCH

    launcher = start(folder, "--resume", "True")
    wait_for_epoch(folder, launcher, 4)
    launcher.terminate()
    status, output = finish(launcher)
    assert status == 128 + signal.SIGTERM, output[-3000:]
    assert "stopped by SIGTERM; the same command with --resume True continues" in output
    last_step, _ = losses(folder)[-1]
    assert last_step < EPOCHS * STEPS_PER_EPOCH
    epoch, step_in_epoch = divmod(last_step - 1, STEPS_PER_EPOCH)
    assert (folder / f"small-{epoch + 1}_{step_in_epoch + 1}.ckpt").exists()

    status, output = finish(start(folder, "--resume", "True"))
    assert status == 0, output[-3000:]
    assert losses(folder) == losses(whole)
    assert largest_difference(learned(folder), learned(whole)) == 0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The built-in data set, small, prepared -> its folder."""
    folder = tmp_path_factory.mktemp("drawn")
    foregrounds = folder / "foregrounds"
    for command in (["data.synthetic", "--out", folder, "--size", "192"],
                    ["data.process_dataset", "--data_dir", foregrounds, "--bg_dir", folder / "backgrounds",
                     "--val_list", foregrounds / "validation.txt", "--num_bgs_train", "2", "--num_bgs_val", "1"]):
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.full
def test_eight_processes_complete_an_epoch_of_the_built_in_set_through_the_documented_script(drawn, tmp_path):
    network = network_flags({**NETWORK, "resampling": "max", "apply_aspp": False})
    result = subprocess.run(
        ["bash", "scripts/run_distribute_train_gpu.sh", "8", tmp_path, "", drawn / "foregrounds", drawn / "backgrounds",
         "--input_size", "64", "--batch_size", "2", "--epochs", "1", "--img_size", "192", "192", *network],
        cwd=ROOT, env={**os.environ, "DEVICE_TARGET": "CPU", "PYTHON": sys.executable, "PATIENCE": str(TIMEOUT)},
        text=True, capture_output=True, timeout=3 * TIMEOUT)
    assert result.returncode == 0, result.stderr
    log = tmp_path / "distribute_train.log"
    deadline = time.monotonic() + 2 * TIMEOUT
    while "training indexnet is complete" not in log.read_text():
        assert time.monotonic() < deadline and "ended with status" not in log.read_text(), log.read_text()[-3000:]
        time.sleep(1)
    steps = 2 * 24 // (8 * 2)  # backgrounds x foregrounds, over processes x batch
    assert [step for step, _ in losses(tmp_path)] == list(range(1, steps + 1))
    assert (tmp_path / f"indexnet-1_{steps}.ckpt").exists() and (tmp_path / "best.ckpt").exists()
    assert len(list((tmp_path / "ranks").glob("worker_*.log"))) == 8
