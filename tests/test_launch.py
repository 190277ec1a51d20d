"""The launcher of several processes, with small programs in place of training: what each is told, and how all end."""
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.small_disk import small_disk
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = """
import sys
from ms_impl.launch import launch
sys.exit(launch(sys.argv[2:], {count}, sys.argv[1], {patience}))
"""
# Rank RANK of COUNT is to be known to each program below; the scheduler waits for the ranks' end as MindSpore's does.
PROLOGUE = """
import os, signal, subprocess, sys, time
rank = int(os.environ["RANK_ID"])
if os.environ["MS_ROLE"] == "MS_SCHED":
    time.sleep({scheduler})
    sys.exit()
"""
SAVES = """
def save(number, frame):
    print("saved", flush=True)
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, save)
print("INFO training", flush=True)
time.sleep(60)
"""
LOADER = "loader = subprocess.Popen(['sleep', '60']); print('loader', loader.pid, flush=True)\n"


def start(folder, program, count=2, patience=5, scheduler=0.5):
    """Launch a program's text as `count` ranks, logs in `folder`, the scheduler ending after so many seconds."""
    command = [sys.executable, "-c", LAUNCH.format(count=count, patience=patience), str(folder),
               sys.executable, "-u", "-c", PROLOGUE.format(scheduler=scheduler) + program]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(launcher):
    """Its (status, output, errors); nothing that it started may be left."""
    children = psutil.Process(launcher.pid).children(recursive=True)
    output, errors = launcher.communicate(timeout=30)
    assert_gone(children)
    return launcher.returncode, output, errors


def assert_gone(processes, seconds=5):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert not alive


def test_each_rank_is_told_its_place_and_where_the_scheduler_is(tmp_path):
    status, _, errors = finish(start(tmp_path, "import json; print(json.dumps(dict(os.environ)))", count=3))
    assert (status, errors) == (0, "")
    told = [json.loads((tmp_path / f"worker_{rank}.log").read_text()) for rank in range(3)]
    for rank, environment in enumerate(told):
        assert environment["MS_ROLE"] == "MS_WORKER" and environment["MS_WORKER_NUM"] == environment["RANK_SIZE"] == "3"
        assert {environment[name] for name in ("RANK_ID", "MS_NODE_ID", "DEVICE_ID")} == {str(rank)}
        assert environment["MS_SCHED_HOST"] == "127.0.0.1"
        assert environment["MS_SCHED_PORT"] == told[0]["MS_SCHED_PORT"]


def test_rank_0_is_heard_and_the_others_only_logged(tmp_path):
    _, output, _ = finish(start(tmp_path, "print('rank', rank, 'speaks')"))
    assert output == "rank 0 speaks\n"
    assert (tmp_path / "worker_1.log").read_text() == "rank 1 speaks\n"


FAILURES = {
    "an error": ("raise ValueError('of this rank')", 1, "ValueError: of this rank"),
    "out of memory": ("print('step 7', flush=True); os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, "step 7"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("failing", [0, 1])
def test_the_failure_of_a_rank_ends_all_at_once_and_is_shown(failing, failure, tmp_path):
    statement, expected, shown = FAILURES[failure]
    launcher = start(tmp_path, f"{LOADER}if rank == {failing}:\n    time.sleep(0.5); {statement}\ntime.sleep(60)",
                     scheduler=60)
    wait_for(tmp_path / "worker_0.log", "loader")
    began = time.monotonic()
    status, output, errors = finish(launcher)
    assert time.monotonic() - began < 5
    assert status == expected
    assert f"worker_{failing} ended with status {expected}, so all others are ended" in errors
    assert (output + errors if failing else (tmp_path / "worker_0.log").read_text()).count(shown) == 1
    loaders = [int((tmp_path / f"worker_{rank}.log").read_text().split()[1]) for rank in (0, 1)]
    assert not [pid for pid in loaders if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_a_full_disk_is_told_though_no_log_can_hold_the_reason(tmp_path):
    with small_disk(tmp_path, "64k") as mounted:
        if not mounted:
            pytest.skip("mounting a small file system needs root")
        status, _, errors = finish(start(tmp_path, "while rank == 0:\n    os.write(1, bytes(4096))\ntime.sleep(60)"))
    assert status == 1
    assert errors == "worker_0 ended with status 1, so all others are ended; the disk with its log is full\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_every_rank_but_not_the_scheduler(number, status, tmp_path):
    launcher = start(tmp_path, SAVES.replace("SIGTERM", number.name), scheduler=60)
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "INFO training")
    began = time.monotonic()
    launcher.send_signal(number)
    assert finish(launcher)[:2] == (status, "INFO training\nsaved\n")
    assert time.monotonic() - began < 5
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "saved")
    assert "saved" not in (tmp_path / "scheduler.log").read_text()


def test_ranks_that_save_slowly_are_waited_for(tmp_path):
    launcher = start(tmp_path, SAVES.replace("    print", "    time.sleep(rank)\n    print"))
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "INFO training")
    launcher.terminate()
    assert finish(launcher)[0] == 143
    wait_for(tmp_path / "worker_1.log", "saved")


def test_a_rank_that_does_not_stop_as_told_is_ended_after_a_while(tmp_path):
    program = "if rank: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SAVES.replace(
        "signal.signal(signal.SIGTERM, save)", "rank or signal.signal(signal.SIGTERM, save)")
    launcher = start(tmp_path, program, patience=1)
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "INFO training")
    launcher.terminate()
    assert finish(launcher)[0] == 143


def test_ranks_stop_and_save_when_the_launcher_itself_is_killed(tmp_path):
    launcher = start(tmp_path, SAVES)
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "INFO training")
    children = psutil.Process(launcher.pid).children()
    launcher.kill()
    launcher.communicate()
    assert_gone(children)
    for rank in (0, 1):
        wait_for(tmp_path / f"worker_{rank}.log", "saved")


def test_a_scheduler_that_outlives_a_good_end_is_ended_and_changes_no_status(tmp_path):
    assert finish(start(tmp_path, "print('done')", patience=1, scheduler=60))[0] == 0


@pytest.mark.parametrize("count", ["0", "two", "-1"])
def test_a_number_of_devices_that_is_none_is_refused(count, tmp_path):
    result = subprocess.run([sys.executable, "-m", "ms_impl.launch", count, str(tmp_path)], cwd=ROOT, text=True,
                            capture_output=True)
    assert result.returncode == 1
    assert result.stderr == f"error: DEVICE_NUM {count}: must be a whole number of devices, 1 or more\n"
