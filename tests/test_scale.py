"""Training on several processes: what one process would learn, and bit for bit the same after any end."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from matting.config import config_parser, load_config
from matting.training.stage import SINGLE_PROCESS
from matting.weights.files import read_weights
from ms_impl.src.utils import set_device
from tests import scaled_training
from tests.scaled_training import BATCH, EPOCHS, SPIKE, STEPS_PER_EPOCH
from tests.small_disk import small_disk
from tests.small_network import NETWORK, network_flags
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "scaled_training.py"
LAUNCH = "import sys; from ms_impl.launch import launch; sys.exit(launch(sys.argv[3:], int(sys.argv[1]), sys.argv[2]))"
LAST_STEP = EPOCHS * STEPS_PER_EPOCH
TOLERANCE = 1e-3  # float noise; gradients summed, not averaged, would give 1
MIXED_TOLERANCE = 0.04  # the same of float16, whose 5e-4 each process rounds its gradients by before they are averaged
TIMEOUT = 300  # seconds for a training
FILLER = "filler"  # what takes all the room there is


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
    never = f"training never came to epoch {epoch}"
    before = (epoch - 1) * STEPS_PER_EPOCH
    wait_until(lambda: launcher.poll() is not None or len(losses(folder)) > before, TIMEOUT, never)
    assert launcher.poll() is None, never


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


class End(NamedTuple):
    """How a training ended."""

    status: int
    output: str
    seconds: float  # until nothing of it ran any more
    step: int  # of its last checkpoint


def kill(rank, folder, launcher):
    next(process for process in psutil.Process(launcher.pid).children()
         if process.environ().get("MS_NODE_ID") == str(rank)).kill()


def fill_disk(folder, launcher):
    with (folder / FILLER).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def terminate(folder, launcher):
    launcher.terminate()


WAYS = {"rank 1 killed": partial(kill, 1), "SIGTERM": terminate, "rank 0 killed": partial(kill, 0),
        "disk full": fill_disk}


def train_until(way, epoch, folder, *more):
    """Train, and end that in one of WAYS in an epoch, counted from 1 -> End."""
    launcher = start(folder, *more)
    wait_for_epoch(folder, launcher, epoch)
    WAYS[way](folder, launcher)
    began = time.monotonic()
    status, output = finish(launcher)
    seconds = time.monotonic() - began
    (folder / FILLER).unlink(missing_ok=True)
    last_epoch, step_in_epoch = max(tuple(map(int, path.stem.removeprefix("small-").split("_")))
                                    for path in folder.glob("small-*.ckpt"))
    return End(status, output, seconds, (last_epoch - 1) * STEPS_PER_EPOCH + step_in_epoch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The logs of a training that nothing interrupted."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture(scope="module")
def ended(whole, mixed, tmp_path_factory):
    """The logs of the same training, ended in several WAYS and each time continued, and {way: End}.

    The first of its processes have trained into `mixed` and `whole` before: starting them is what takes time.
    """
    folder = tmp_path_factory.mktemp("ended")
    return folder, {"rank 1 killed": train_until("rank 1 killed", 2, folder, "--before", str(whole), "--mixed",
                                                 str(mixed)),
                    "SIGTERM": train_until("SIGTERM", 4, folder, "--resume", "True")}


@pytest.fixture(scope="module")
def ended_also(ended, tmp_path_factory):
    """The same of the other ways, on a small disk."""
    folder = tmp_path_factory.mktemp("ended_also")
    with small_disk(folder, "2m") as mounted:
        if not mounted:
            pytest.skip("mounting a small file system needs root")
        yield folder, {way: train_until(way, epoch, folder, "--resume", "True")
                       for way, epoch in (("rank 0 killed", 2), ("disk full", 4))}


def test_two_processes_learn_what_one_does_from_the_batches_of_both(ended, whole, tmp_path):
    config, _ = load_config(config_parser(""), flags(tmp_path, 1))
    set_device(config)
    scaled_training.train(config, SINGLE_PROCESS)
    np.testing.assert_allclose(losses(whole), losses(tmp_path), rtol=1e-5)
    assert largest_difference(learned(whole), learned(tmp_path)) < TOLERANCE
    assert largest_difference(learned(whole), learned(tmp_path, EPOCHS - 1)) > 10 * TOLERANCE


def test_two_processes_skip_a_step_together_where_one_overflows(ended, mixed, tmp_path):
    config, _ = load_config(config_parser(""), flags(tmp_path, 1, "--amp", "True"))
    set_device(config)
    scaled_training.train(config, SINGLE_PROCESS)
    skipped = [0] * SPIKE + [1] * (EPOCHS * STEPS_PER_EPOCH - SPIKE)
    for folder in (mixed, tmp_path):
        assert [record["skipped_steps"] for record in journal(folder)] == skipped
    heard, logged = ended[1]["rank 1 killed"].output.split("so all others are ended")  # by rank 0, by rank 1
    for said in (heard, logged):
        assert said.count("a gradient overflowed: step skipped (1 so far), loss scale halved to 32768") == 1
    np.testing.assert_allclose(losses(mixed), losses(tmp_path), rtol=1e-4)
    assert largest_difference(learned(mixed), learned(tmp_path)) < MIXED_TOLERANCE
    assert largest_difference(learned(mixed), learned(tmp_path, EPOCHS - 1)) > 5 * MIXED_TOLERANCE


@pytest.mark.parametrize(("rank", "training"), [(1, "ended"), pytest.param(0, "ended_also", marks=pytest.mark.full)])
def test_a_killed_process_ends_all(rank, training, request):
    end = request.getfixturevalue(training)[1][f"rank {rank} killed"]
    assert end.status == 128 + signal.SIGKILL and end.seconds < 10
    assert f"worker_{rank} ended with status 137, so all others are ended" in end.output


@pytest.mark.full
def test_a_full_disk_ends_all_processes_and_is_named(ended_also):
    end = ended_also[1]["disk full"]
    assert end.status == 1 and end.seconds < 20, end.output[-3000:]
    assert "worker_0 ended with status 1, so all others are ended" in end.output
    assert re.search("No space left|disk is full|disk with its log is full", end.output), end.output[-3000:]
    assert "Traceback" not in end.output


def test_a_sigterm_from_a_scheduler_saves_the_step_and_ends_all_processes(ended):
    end = ended[1]["SIGTERM"]
    assert end.status == 128 + signal.SIGTERM, end.output[-3000:]
    assert "stopped by SIGTERM; the same command with --resume True continues" in end.output
    assert f"step {end.step}/{LAST_STEP}: " in end.output and f"step {end.step + 1}/{LAST_STEP}: " not in end.output


@pytest.mark.parametrize("training", ["ended", pytest.param("ended_also", marks=pytest.mark.full)])
def test_after_every_end_the_last_checkpoint_continues_to_bit_for_bit_the_same(training, whole, request):
    folder, ends = request.getfixturevalue(training)
    status, output = finish(start(folder, "--resume", "True"))
    assert status == 0, output[-3000:]
    _, *continuations = [end.output for end in ends.values()] + [output]
    for end, continuation in zip(ends.values(), continuations, strict=True):
        assert f"from step {end.step} to {LAST_STEP}, into" in continuation
    assert losses(folder) == losses(whole)
    assert largest_difference(learned(folder), learned(whole)) == 0


SLOW = """
import time
from types import SimpleNamespace
from ms_impl.data_parallel import join
group = join(SimpleNamespace(is_distributed=True))
group.any(False)
time.sleep(35 * group.rank)
print("heard of a signal:", group.any(group.rank == 1), flush=True)
"""


@pytest.mark.full
def test_a_process_may_be_later_than_mindspores_30_seconds(tmp_path):
    status, output = finish(subprocess.Popen(
        [sys.executable, "-c", LAUNCH, "2", str(tmp_path), sys.executable, "-c", SLOW], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    assert status == 0 and "heard of a signal: True" in output, output[-3000:]


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
    wait_until(lambda: "training indexnet is complete" in log.read_text() or "ended with status" in log.read_text(),
               2 * TIMEOUT, f"{log} never told of an end")
    assert "ended with status" not in log.read_text(), log.read_text()[-3000:]
    steps = 2 * 24 // (8 * 2)  # backgrounds x foregrounds, over processes x batch
    assert [step for step, _ in losses(tmp_path)] == list(range(1, steps + 1))
    assert (tmp_path / f"indexnet-1_{steps}.ckpt").exists() and (tmp_path / "best.ckpt").exists()
    assert len(list((tmp_path / "ranks").glob("worker_*.log"))) == 8
