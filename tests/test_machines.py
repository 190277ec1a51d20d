"""Training on two machines, each with folders of its own: what one process learns, whatever becomes of one of them.

All but one of these tests are long: python -m pytest -m full tests/test_machines.py; docs/machines.md tells of them.
"""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from benchmarks.machines import BYTES, sent, sizes
from matting.config import Config, config_parser, load_config
from matting.training.stage import SINGLE_PROCESS
from ms_impl.registry import training_plan
from ms_impl.src.utils import set_device
from tests import scaled_training
from tests.machines import ADDRESSES, HOSTS, two_machines
from tests.small_network import NETWORK, network_flags
from tests.test_scale import (
    LAST_STEP,
    PROGRAM,
    ROOT,
    TIMEOUT,
    TOLERANCE,
    flags,
    largest_difference,
    learned,
    losses,
    wait_for_epoch,
)
from tests.waiting import wait_for

PORT = "29500"
LAUNCH = """
import os, sys
from matting.errors import entry_point
from matting.training import machines
from ms_impl.launch import launch
machines.MEETING = {meeting}
@entry_point
def main(argv):
    sys.exit(launch(sys.argv[3:], int(sys.argv[1]), sys.argv[2], place=machines.place_of(os.environ)))
main()
"""
DISTRIBUTED = ("--is_distributed", "True", "--sync_batch_norm", "True")
LIMIT = 40  # seconds for the rest to end once a machine is lost; docs/machines.md says 30 on machines that are not busy


@pytest.fixture(scope="module")
def machines():
    with two_machines() as made:
        if not made:
            pytest.skip("making network namespaces needs root and iproute2")
        yield made


def run_on(machines, commands, **environment):
    """Start a command on each machine -> processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                   "NODES": "2", "MASTER_ADDR": ADDRESSES[0], "MASTER_PORT": PORT, **environment}
    return [subprocess.Popen(machine.command(*command), cwd=ROOT, env=environment | {"NODE_RANK": str(rank)}, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for rank, (machine, command) in enumerate(zip(machines, commands, strict=True))]


def launch(machines, folder, count, *more, meeting=TIMEOUT):
    """Start training on each machine, into folder/HOST -> launchers."""
    return run_on(machines, [
        [sys.executable, "-c", LAUNCH.format(meeting=meeting), count, folder / "ranks" / host, sys.executable, "-u",
         PROGRAM, *flags(folder / host, 2 * count, *DISTRIBUTED, *more)] for host in HOSTS])


def finish(launchers):
    """-> (status, output) of each; nothing that they started may be left."""
    started = [child for launcher in launchers if psutil.pid_exists(launcher.pid)
               for child in psutil.Process(launcher.pid).children(recursive=True)]
    ends = [(launcher, launcher.communicate(timeout=TIMEOUT)[0]) for launcher in launchers]
    assert not psutil.wait_procs(started, timeout=10)[1]
    return [(launcher.returncode, output) for launcher, output in ends]


def alone(folder):
    """Train in this process, on what all of several train on together."""
    config, _ = load_config(config_parser(""), flags(folder, 1))
    set_device(config)
    scaled_training.train(config, SINGLE_PROCESS)
    return folder


def assert_equals_one_process(folder, tmp_path):
    expected = alone(tmp_path / "alone")
    np.testing.assert_allclose(losses(folder), losses(expected), rtol=1e-5)
    assert largest_difference(learned(folder), learned(expected)) < TOLERANCE


@pytest.mark.full
def test_two_machines_through_msrun_learn_what_one_process_does(machines, tmp_path):
    folders = [tmp_path / host for host in HOSTS]
    ends = finish(run_on(machines, [
        ["msrun", "--worker_num", 2, "--local_worker_num", 1, "--node_rank", rank, "--master_addr", ADDRESSES[0],
         "--master_port", PORT, "--join", "True", "--log_dir", tmp_path / "ranks" / host, "python3", "-u", PROGRAM,
         *flags(folder, 2, *DISTRIBUTED)] for rank, (host, folder) in enumerate(zip(HOSTS, folders, strict=True))]))
    assert [status for status, _ in ends] == [0, 0], ends
    assert not folders[1].exists()
    assert_equals_one_process(folders[0], tmp_path)


@pytest.mark.full
def test_two_machines_of_two_processes_learn_what_one_process_does(machines, tmp_path):
    ends = finish(launch(machines, tmp_path, 2))
    assert [status for status, _ in ends] == [0, 0], ends
    assert not (tmp_path / HOSTS[1]).exists()
    assert_equals_one_process(tmp_path / HOSTS[0], tmp_path)


def cut(machines, launchers):
    machines[1].cut()


def kill_first(machines, launchers):
    machines[0].kill()


def kill_second(machines, launchers):
    machines[1].kill()


def terminate_second(machines, launchers):
    launchers[1].terminate()


KILLED, STOPPED = (-signal.SIGKILL, ""), (128 + signal.SIGTERM, "stopped by SIGTERM; the same command with --resume")
# How a training is ended, and how each machine's launcher then does: status, and what it says.
WAYS = {
    "cable cut": (cut, [(1, "machine 1 (second) is lost, so all others are ended"),
                        (1, "machine 0 (first) is lost, so all others are ended")]),
    "second killed": (kill_second, [(1, "machine 1 (second) is lost, so all others are ended"), KILLED]),
    "first killed": (kill_first, [KILLED, (1, "machine 0 (first) is lost, so all others are ended")]),
    "SIGTERM to the second": (terminate_second, [STOPPED, STOPPED])}


class End(NamedTuple):
    """How a training ended."""

    launchers: list  # (status, output) of each machine's
    seconds: float  # until those that were left had ended


@pytest.fixture(scope="module")
def ended(machines, tmp_path_factory):
    """(folder of a training that nothing interrupted, that of one that was ended in all WAYS and continued, {way: End},
    how the last continuation ended, the addresses at which that listened on each machine).
    """
    folder, whole, found = tmp_path_factory.mktemp("ended"), tmp_path_factory.mktemp("whole"), {}
    more = ("--before", str(whole))
    for epoch, (way, (end, _)) in enumerate(WAYS.items(), 2):
        running = launch(machines, folder, 1, *more)
        wait_for_epoch(folder / HOSTS[0], running[0], epoch)
        end(machines, running)
        began = time.monotonic()
        found[way] = End(finish(running), time.monotonic() - began)
        for machine in machines:
            machine.connect()
        more = ("--resume", "True")
    running = launch(machines, folder, 1, *more)
    listening = [set(), set()]
    while running[0].poll() is None:
        for addresses, machine in zip(listening, machines, strict=True):
            addresses |= machine.listening()
        time.sleep(0.2)
    return whole, folder / HOSTS[0], found, finish(running), listening


@pytest.mark.full
def test_two_machines_of_one_process_learn_what_one_process_does(ended, tmp_path):
    assert_equals_one_process(ended[0], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
def test_a_machine_that_is_lost_ends_the_rest_with_its_name_and_one_that_is_stopped_stops_it(way, ended):
    end = ended[2][way]
    assert end.seconds < LIMIT
    for (status, output), (expected, said) in zip(end.launchers, WAYS[way][1], strict=True):
        assert status == expected and said in output and "Traceback" not in output, output[-3000:]


@pytest.mark.full
def test_after_every_end_the_last_checkpoint_continues_to_bit_for_bit_the_same(ended):
    whole, folder, found, ends, _ = ended
    assert [status for status, _ in ends] == [0, 0], ends
    assert losses(folder) == losses(whole)
    assert largest_difference(learned(folder), learned(whole)) == 0
    _, *continuations = [end.launchers[0][1] for end in found.values()] + [ends[0][1]]
    assert all(f" to {LAST_STEP}, into" in output and "from step 0 " not in output for output in continuations)


@pytest.mark.full
def test_nothing_listens_but_at_the_machines_own_addresses(ended):
    assert ended[4] == [{address} for address in ADDRESSES]


@pytest.mark.full
def test_the_documented_script_trains_on_two_machines_and_names_the_one_whose_data_differ(machines, prepared):
    folders = [shutil.copytree(prepared / "AIM-500", prepared / host / "AIM-500").parent for host in HOSTS]

    def train(logs):
        return finish(run_on(machines, [
            ["bash", "scripts/run_distribute_train_gpu.sh", 1, folder / logs, "", folder / "AIM-500",
             prepared / "train2014", "--batch_size", 2, "--input_size", 64, "--num_workers", 1, "--max_steps", 1,
             "--val_every", 0, *network_flags({**NETWORK, "resampling": "max", "apply_aspp": False})]
            for folder in folders], DEVICE_TARGET="CPU"))

    for status, output in train("logs"):
        assert status == 0 and "training runs in the background" in output, output
    told = folders[1] / "logs" / "machine_1" / "distribute_train.log"
    for log in (folders[0] / "logs" / "distribute_train.log", told):
        wait_for(log, "training indexnet is complete", TIMEOUT)
    assert (folders[0] / "logs" / "indexnet-1_1.ckpt").exists()
    assert list((folders[1] / "logs").iterdir()) == [told.parent]

    data_txt = folders[1] / "AIM-500" / "train" / "data.txt"
    data_txt.write_text("".join(data_txt.read_text().splitlines(keepends=True)[:-1]))
    for status, output in train("others"):
        assert status == 1
        assert "error: process 1 on second has other training data than process 0 on first (digests" in output, output


@pytest.mark.full
def test_at_each_step_a_machine_sends_the_bytes_that_the_benchmark_says(machines, prepared):
    """Twice, since MindSpore on CPU answers all that comes by as many bytes; machine 1, which hands nothing over."""
    steps, before = 3, machines[1].sent()
    running = run_on(machines, [
        [sys.executable, "-m", "ms_impl.launch", 1, prepared / "ranks" / host, "--is_distributed", "True",
         "--device_target", "CPU", "--logs_dir", prepared / host, "--data_dir", prepared / "AIM-500", "--bg_dir",
         prepared / "train2014", "--batch_size", 1, "--input_size", 64, "--num_workers", 1, "--val_every", 0,
         "--max_steps", steps] for host in HOSTS])
    assert [status for status, _ in finish(running)] == [0, 0]
    config = Config(device_target="CPU", encoder_bn="trained")  # as training does without pretrained weights
    stage, = training_plan(config)
    expected = 2 * steps * sent(BYTES * sum(sizes(config, stage)), 2)
    assert expected < machines[1].sent() - before < 1.05 * expected


def test_machines_that_cannot_reach_each_other_end_with_one_line(machines, tmp_path):
    machines[1].cut()
    ends = finish(launch(machines, tmp_path, 1, meeting=1))
    machines[1].connect()
    assert [status for status, _ in ends] == [1, 1]
    place = f"{ADDRESSES[0]}, port {PORT}"
    assert ends[0][1].splitlines()[1:] == [f"error: machine 1 did not come to {place}, in 1 seconds; start the same "
                                           "command there with NODE_RANK=1"]
    assert ends[1][1].splitlines()[1].startswith(f"error: machine 0 cannot be reached at {place}, in 1 seconds (")
    assert len(ends[1][1].splitlines()) == 2
