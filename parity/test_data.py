"""Both loaders give the same batches, whatever the number of processes and devices, and fail in the same clear way."""
import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import ms_impl  # noqa: F401, sets the environment before MindSpore is imported
import torch_ref.dataset
from matting.dataset.columns import COLUMNS
from matting.dataset.feed import TrainingFeed
from matting.errors import UserError
from ms_impl.src import dataset as mindspore_dataset
from tests.tiny_data import prepare_data_set, tiny_config, write_data_set

LOADERS = {"mindspore": mindspore_dataset.TrainingLoader, "torch": torch_ref.dataset.TrainingLoader}


@pytest.fixture
def root(tmp_path):
    write_data_set(tmp_path, np.random.default_rng(5))
    prepare_data_set(tmp_path)
    return tmp_path


def as_bytes(batches):
    return [{name: column.tobytes() for name, column in batch.items()} for batch in batches]


@pytest.mark.parametrize("settings", [
    {"composition": "offline"}, {"composition": "online"}, {"composition": "offline", "unknown_regions": "varied"},
    {"composition": "online", "unknown_regions": "varied", "augmentation": "strong"}],
    ids=lambda settings: "-".join(settings.values()))
def test_both_loaders_give_the_same_bytes(root, settings):
    """... which are those of the feed, in its order."""
    config = tiny_config(root, epochs=2, batch_size=4, **settings)
    feed = TrainingFeed(config)
    samples = [feed[position] for position in range(len(feed))]
    expected = [{name: np.stack([sample[column] for sample in samples[first:first + 4]]).tobytes()
                 for column, name in enumerate(COLUMNS)} for first in range(0, len(samples), 4)]
    assert len(expected) == 8
    for loader in LOADERS.values():
        assert as_bytes(loader(config)) == expected


@pytest.mark.parametrize("name", LOADERS)
def test_batches_do_not_depend_on_processes_and_devices(root, name, monkeypatch):
    reference = list(LOADERS[name](tiny_config(root, batch_size=4, epochs=1, num_workers=1)))
    monkeypatch.setattr("matting.dataset.feed.worker_count", lambda config, sharing: 2)
    again = list(LOADERS[name](tiny_config(root, batch_size=4, epochs=1)))
    assert as_bytes(again) == as_bytes(reference)

    config = tiny_config(root, batch_size=2, epochs=1)
    assert_shards_join([list(LOADERS[name](config, shard, shards=2)) for shard in range(2)], reference)


def assert_shards_join(shards, reference):
    """Each device has every other sample: together, in turn, they have the batches that one device would."""
    for step, (whole, *parts) in enumerate(zip(reference, *shards, strict=True)):
        for column in COLUMNS:
            joined = np.stack([part[column] for part in parts], 1).reshape(whole[column].shape)
            assert np.array_equal(joined, whole[column]), f"step {step}: {column} is not that of one device"


def test_a_sample_given_twice_in_a_shard_is_found(root):
    config = tiny_config(root, batch_size=2, epochs=1)
    reference = list(torch_ref.dataset.TrainingLoader(tiny_config(root, batch_size=4, epochs=1)))
    shards = [list(torch_ref.dataset.TrainingLoader(config, shard, shards=2)) for shard in range(2)]
    assert_shards_join(shards, reference)
    shards[1][2] = {column: values[[0, 0]] for column, values in shards[1][2].items()}
    with pytest.raises(AssertionError, match=r"^step 2: input is not that of one device"):
        assert_shards_join(shards, reference)


@pytest.mark.parametrize("name", LOADERS)
def test_a_later_start_continues_the_sequence(root, name):
    config = tiny_config(root, batch_size=4, epochs=2)
    whole, rest = LOADERS[name](config), LOADERS[name](config, start=5)
    assert (whole.steps_per_epoch, len(whole), len(rest)) == (4, 8, 3)
    assert as_bytes(rest) == as_bytes(whole)[5:]
    assert list(LOADERS[name](config, start=8)) == []


@pytest.mark.parametrize("name", LOADERS)
def test_a_bad_file_stops_either_loader_with_one_line(root, name):
    (root / "AIM-500/train/merged/b_1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"b_1\.png: cannot be read as an image") as error:
        list(LOADERS[name](tiny_config(root, epochs=1)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", LOADERS)
def test_bad_files_are_replaced_alike(root, name):
    (root / "AIM-500/train/merged/b_1.png").write_bytes(b"no image")
    config = tiny_config(root, epochs=1, skip_bad_samples=True)
    feed = TrainingFeed(config)
    expected = np.stack([feed[position][0] for position in range(len(feed))])
    assert np.array_equal(np.concatenate([batch["input"] for batch in LOADERS[name](config)]), expected)


@pytest.mark.parametrize("name", LOADERS)
def test_an_abandoned_loader_leaves_no_process(root, name):
    before = children()
    batches = iter(LOADERS[name](tiny_config(root)))
    next(batches)
    assert children() - before
    batches.close()
    deadline = time.monotonic() + 20
    while children() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children() - before


def children():
    """Process ids of this process's living children."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("position", [0, 21])
def test_a_killed_process_is_reported_and_not_waited_for(root, name, position):
    program = f"""
import os, signal, sys
import ms_impl
import {LOADERS[name].__module__} as loaders
from matting.dataset import feed
from matting.errors import entry_point
from tests.tiny_data import tiny_config

class Killed(feed.TrainingFeed):
    def __getitem__(self, position):
        if position == {position}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(position)

feed.TrainingFeed = Killed

@entry_point
def main(argv=None):
    signal.signal(signal.SIGTERM, lambda *_: None)  # training saves its work first
    for batch in loaders.TrainingLoader(tiny_config(sys.argv[1])):
        print("batch", flush=True)

main()
"""
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, timeout=100)
    assert result.returncode == 1 and ("batch" in result.stdout) == (position > 0)
    assert "error: loading stopped: " in result.stderr.splitlines()[-1]  # a thread of PyTorch's may write beside it
    assert "UserError" not in result.stderr and result.stderr.count("error: ") == 1, result.stderr
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("name", [pytest.param("mindspore", marks=pytest.mark.full), "torch"])
def test_a_sigterm_to_the_whole_process_group_saves_the_step(root, name):
    """As `timeout` sends it, to the loader processes, too: they die in the middle of a step."""
    program = f"""
import sys, time
from functools import partial
import ms_impl
from {LOADERS[name].__module__} import TrainingLoader
from matting.errors import entry_point
from matting.training.trainer import Trainer
from tests.tiny_data import tiny_config
from tests.tiny_training import STAGE, LinearLearner

class Slow(LinearLearner):
    def step(self, batch, rate):
        print("in a step", flush=True)
        for _ in range(10):
            time.sleep(0.1)
        return super().step(batch, rate)

@entry_point
def main(argv=None):
    config = tiny_config(sys.argv[1], logs_dir=sys.argv[1] + "/logs", val_every=0, milestones=(2,))
    loader = partial(TrainingLoader, config, 0, 1)
    Trainer(STAGE, Slow(), loader, loader().steps_per_epoch, None, config).run()

main()
"""
    with subprocess.Popen([sys.executable, "-c", program, str(root)], text=True, start_new_session=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as training:
        said = list(itertools.takewhile(lambda line: line != "in a step\n", training.stdout))
        os.killpg(training.pid, signal.SIGTERM)
        said += training.stdout
    assert training.returncode == 128 + signal.SIGTERM, said
    assert "stopped by SIGTERM; the same command with --resume True continues" in said[-1]
    assert [path.name for path in (root / "logs").glob("*.bin")] == ["tiny-1_1.bin"]
