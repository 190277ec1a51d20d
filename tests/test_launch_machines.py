"""Launchers on several machines, here at addresses of this one, with small programs in place of training."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from matting.errors import UserError
from matting.training import machines
from matting.training.machines import ALONE, Place, meet, place_of
from tests.test_launch import LOADER, PROLOGUE, ROOT, SAVES, finish
from tests.waiting import wait_for, wait_until

LAUNCH = """
import sys
import threading
from matting.training import machines
from ms_impl.launch import launch
machines.BEAT, machines.SILENCE, machines.MEETING = 0.2, 2, {meeting}
sys.exit(launch(sys.argv[2:], {count}, sys.argv[1], 5, machines.place_of({environment})))
"""
HOST = "127.0.0.1"
TALKS = LOADER + SAVES


@pytest.fixture
def environments():
    """A function: a number of machines -> the variables that each is given."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
    return lambda size: [{"NODES": str(size), "NODE_RANK": str(rank), "MASTER_ADDR": HOST, "MASTER_PORT": str(port)}
                         for rank in range(size)]


@pytest.fixture
def started(tmp_path, environments):
    """A function: start each machine's launcher of a program's text, logs in tmp_path/RANK -> launchers."""
    running = []

    def start(program, size=2, count=2, meeting=20, only=range(9), scheduler=60):
        for rank, environment in enumerate(environments(size)):
            if rank in only:
                command = [sys.executable, "-c", LAUNCH.format(count=count, meeting=meeting, environment=environment),
                           str(tmp_path / str(rank)), sys.executable, "-u", "-c",
                           PROLOGUE.format(scheduler=scheduler) + program]
                running.append(subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                                stderr=subprocess.PIPE))
        return running

    yield start
    for launcher in running:
        launcher.send_signal(signal.SIGCONT)
        launcher.kill()
        launcher.communicate()


def name(rank):
    return f"machine {rank} ({socket.gethostname()})"


def logs(folder):
    """Every rank's log, of two machines of two."""
    return [folder / str(rank // 2) / f"worker_{rank}.log" for rank in range(4)]


def test_each_rank_of_each_machine_is_told_its_place(started, tmp_path):
    running = started("import json; print(json.dumps(dict(os.environ)))", scheduler=0.5)
    for launcher in running:
        assert finish(launcher)[::2] == (0, "")
    told = [json.loads(log.read_text()) for log in logs(tmp_path)]
    for rank, environment in enumerate(told):
        assert environment["MS_ROLE"] == "MS_WORKER" and environment["MS_WORKER_NUM"] == environment["RANK_SIZE"] == "4"
        assert {environment[key] for key in ("RANK_ID", "MS_NODE_ID")} == {str(rank)}
        assert environment["DEVICE_ID"] == str(rank % 2) and environment["LOCAL_WORLD_SIZE"] == "2"
        assert environment["MS_SCHED_HOST"] == HOST
        assert environment["MS_SCHED_PORT"] == told[0]["MS_SCHED_PORT"]
    assert [path.exists() for path in (tmp_path / "0/scheduler.log", tmp_path / "1/scheduler.log")] == [True, False]


def await_all(folder):
    for log in logs(folder):
        wait_for(log, "INFO training")


@pytest.mark.parametrize("failing", [pytest.param(0, marks=pytest.mark.full), 3])
def test_the_failure_of_a_rank_ends_all_machines_and_is_named_on_each(failing, started, tmp_path):
    running = started(TALKS.replace("time.sleep(60)", f"time.sleep(60 if rank != {failing} else 1); sys.exit(7)"))
    await_all(tmp_path)
    began = time.monotonic()
    ends = [finish(launcher) for launcher in running]
    assert time.monotonic() - began < 6
    own, other = (ends[failing // 2], ends[1 - failing // 2])
    assert (own[0], other[0]) == (7, 1)
    assert f"worker_{failing} ended with status 7, so all others are ended" in own[2]
    assert other[2] == f"{name(failing // 2)}: worker_{failing} ended with status 7, so all others are ended\n"


@pytest.mark.parametrize(("lost", "number"), [
    (1, signal.SIGSTOP), *(pytest.param(*row, marks=pytest.mark.full)
                           for row in ((0, signal.SIGSTOP), (0, signal.SIGKILL), (1, signal.SIGKILL)))])
def test_a_machine_that_is_lost_ends_the_rest_with_its_name(lost, number, started, tmp_path):
    """Killed, and silent as behind a cable that is cut; what can still save does."""
    running = started(TALKS)
    await_all(tmp_path)
    began = time.monotonic()
    running[lost].send_signal(number)
    status, _, errors = finish(running[1 - lost])
    assert time.monotonic() - began < 6
    assert (status, errors) == (1, f"{name(lost)} is lost, so all others are ended\n")
    for log in logs(tmp_path)[2 - 2 * lost:4 - 2 * lost]:
        assert "saved" in log.read_text()


def test_all_of_three_machines_hear_of_a_loss_from_the_first(started, tmp_path):
    running = started(SAVES, size=3, count=1)
    for rank in range(3):
        wait_for(tmp_path / str(rank) / f"worker_{rank}.log", "INFO training")
    running[2].kill()
    for launcher in running[:2]:
        status, _, errors = finish(launcher)
        assert (status, errors) == (1, f"{name(2)} is lost, so all others are ended\n")


@pytest.mark.full
def test_a_machine_that_saves_slowly_is_not_lost(started, tmp_path):
    running = started(SAVES.replace("    print", "    time.sleep(3 * rank)\n    print"), count=1)
    for rank in range(2):
        wait_for(tmp_path / str(rank) / f"worker_{rank}.log", "INFO training")
    for launcher in running:
        launcher.terminate()
    assert [finish(launcher)[::2] for launcher in running] == [(143, ""), (143, "")]


@pytest.mark.full
def test_machines_that_end_well_one_after_the_other_lose_none(started):
    running = started("time.sleep(2 * (1 - rank))", count=1, scheduler=4)
    assert [finish(launcher)[::2] for launcher in running] == [(0, ""), (0, "")]


@pytest.mark.parametrize(("only", "said"), [
    ([0], "machine 1 did not come to {place}, in 1 seconds; start the same command there with NODE_RANK=1"),
    ([1], "machine 0 cannot be reached at {place}, in 1 seconds (Connection refused); start the same command there "
          "with NODE_RANK=0")])
def test_a_machine_that_is_not_there_is_one_line_and_an_end(only, said, environments, capsys):
    place = place_of(environments(2)[only[0]])
    with pytest.raises(UserError) as error:
        meet(place, 1, 1)
    assert str(error.value) == said.format(place=f"{HOST}, port {place.port}")
    assert capsys.readouterr().out.startswith(f"machine {only[0]} of 2: waits at most 1 seconds for ")


def meet_all(places, devices):
    """What meet() returns or raises on each machine."""
    found = [None] * len(places)

    def come(number):
        try:
            found[number] = meet(places[number], devices[number], 5)
        except UserError as error:
            found[number] = str(error)

    threads = [threading.Thread(target=come, args=(number,), daemon=True) for number in range(len(places))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return found


DIFFERENT = {
    "NODES": (lambda place: [place._replace(size=4)], 1, "machine 1 (HOST) was started with NODES 4, machine 0 with 2; "
              "give every machine the same"),
    "DEVICE_NUM": (lambda place: [place], 8, "machine 1 (HOST) was started with DEVICE_NUM 8, machine 0 with 1; "
                   "give every machine the same"),
    "NODE_RANK": (lambda place: [place, place], 1, "machine 1 (HOST): another machine has the same NODE_RANK; give "
                  "each its own")}


@pytest.mark.parametrize("different", DIFFERENT)
def test_machines_that_were_started_otherwise_are_one_line_for_all(different, environments):
    others, devices, said = DIFFERENT[different]
    first, second = (place_of(environment) for environment in environments(2))
    size = 1 + len(others(second))
    places = [place if place.size == 4 else place._replace(size=size) for place in (first, *others(second))]
    assert meet_all(places, [1, devices, devices]) == [said.replace("HOST", socket.gethostname())] * size


def test_a_stranger_is_not_heard_and_nobody_listens_once_all_have_come(environments, monkeypatch):
    monkeypatch.setattr(machines, "GREETING", 0.5)
    places = list(map(place_of, environments(2)))
    met = []
    leader = threading.Thread(target=lambda: met.append(meet(places[0], 1, 20)), daemon=True)
    leader.start()
    address = (HOST, places[0].port)
    for said in (b"GET / HTTP/1.0\n", b"[]\n", b"{}\n", b"", b'{"size": 2, "rank": "x", "devices": 1, "host": ""}\n'):
        wait_until(lambda: _connects(address), 5, "nobody listens")
        with socket.create_connection(address) as stranger:
            stranger.sendall(said)
            assert stranger.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", places[0].port))
    follower = meet(places[1], 1, 5)
    leader.join(5)
    assert (follower.scheduler_port, follower.name(0)) == (met[0].scheduler_port, name(0))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    for ends in (follower, *met):
        ends.close()


def test_a_machine_that_was_started_anew_is_no_second_one(environments):
    first, second, third = map(place_of, environments(3))
    met = []
    leader = threading.Thread(target=lambda: met.append(meet(first, 1, 20)), daemon=True)
    leader.start()
    wait_until(lambda: _connects((HOST, first.port)), 5, "nobody listens")
    with socket.create_connection((HOST, first.port)) as stopped:
        stopped.sendall(json.dumps({"size": 3, "rank": 1, "devices": 1, "host": "x"}).encode() + b"\n")
        time.sleep(0.2)
    others = [threading.Thread(target=lambda place=place: met.append(meet(place, 1, 5)), daemon=True)
              for place in (second, third)]
    for thread in others:
        thread.start()
    for thread in (leader, *others):
        thread.join(10)
    assert [ends.name(1) for ends in met] == [name(1)] * 3
    for ends in met:
        ends.close()


@pytest.mark.parametrize("said", [b"", b"220 mail\n", b"[]\n", b"{}\n"])
def test_what_answers_otherwise_than_a_launcher_is_one_line(said, environments):
    place = place_of(environments(2)[1])
    with socket.create_server((HOST, place.port)) as other:
        def answer():
            connection, _ = other.accept()
            connection.sendall(said)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(UserError, match=f"what listens at {HOST}, port {place.port}, does not answer as machine 0"):
            meet(place, 1, 5)


def _connects(address):
    with contextlib.suppress(OSError), socket.create_connection(address):
        return True
    return False


GIVEN = {"NODES": "2", "NODE_RANK": "1", "MASTER_ADDR": HOST, "MASTER_PORT": "29500"}


def test_without_nodes_there_is_one_machine():
    assert place_of({}) == place_of({**GIVEN, "NODES": "1"}) == place_of({**GIVEN, "NODES": ""}) == ALONE
    assert place_of(GIVEN) == Place(2, 1, HOST, 29500)
    assert place_of({**GIVEN, "MASTER_ADDR": "localhost"}).host == HOST


@pytest.mark.parametrize(("change", "said"), [
    ({"NODES": "two"}, "NODES two: must be a whole number, 1 or more"),
    ({"NODES": "0"}, "NODES 0: must be a whole number, 1 or more"),
    ({"NODE_RANK": "2"}, "NODE_RANK 2: must be a whole number, 0 to 1"),
    ({"NODE_RANK": ""}, "NODE_RANK: is not set; training on several machines needs a number from 0 to 1"),
    ({"MASTER_PORT": "70000"}, "MASTER_PORT 70000: must be a whole number, 1 to 65535"),
    ({"MASTER_ADDR": ""}, "MASTER_ADDR: is not set; give the first machine's address or name to every machine"),
    ({"MASTER_ADDR": "not an address"}, "MASTER_ADDR not an address: Name or service not known")])
def test_a_place_that_is_none_is_one_line(change, said):
    with pytest.raises(UserError) as error:
        place_of({**GIVEN, **change})
    assert str(error.value) == said


def test_an_address_of_another_machine_is_refused_by_the_first():
    with pytest.raises(UserError, match=r"MASTER_ADDR 192.0.2.1, MASTER_PORT 29500: machine 0 cannot listen there "):
        meet(place_of({**GIVEN, "NODE_RANK": "0", "MASTER_ADDR": "192.0.2.1"}), 1, 1)


def test_the_launcher_takes_its_place_from_the_environment(tmp_path):
    result = subprocess.run([sys.executable, "-m", "ms_impl.launch", "1", str(tmp_path)], cwd=ROOT, text=True,
                            capture_output=True, env={**os.environ, **GIVEN, "NODE_RANK": "5"})
    assert (result.returncode, result.stderr) == (1, "error: NODE_RANK 5: must be a whole number, 0 to 1\n")
