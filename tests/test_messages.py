"""The lines between processes that train together, here between threads: what is told, and what is noticed."""
import contextlib
import socket
import threading

import pytest

from matting.config import Config
from matting.errors import UserError
from matting.training import messages
from matting.training.agreement import check_same_start
from matting.training.messages import Follower, Leader
from matting.training.stage import ProcessGroup

HOST = "127.0.0.1"


@pytest.fixture
def opened():
    """A function: an end of a line -> the same, closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda end: stack.enter_context(contextlib.closing(end))


@pytest.fixture
def lines(opened):
    """A function: a number -> so many ends, a Leader's and its Followers', by rank."""
    def connect(size):
        leader = opened(Leader(HOST, size))
        followers = [opened(Follower(HOST, leader.port, rank)) for rank in range(size - 1, 0, -1)]
        return [leader.join(), *reversed(followers)]

    return connect


def in_each(ends, work):
    """What work(rank, end) returns or raises for each end, all at once."""
    found = [None] * len(ends)

    def run(rank, end):
        try:
            found[rank] = work(rank, end)
        except UserError as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(ends)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return found


def test_messages_are_gathered_by_rank_and_shared_whole(lines):
    ends = lines(3)
    assert in_each(ends, lambda rank, end: end.gather(b"of %d" % rank)) == [[b"of 0", b"of 1", b"of 2"], None, None]
    long = bytes(range(256)) * 20000  # five chunks
    assert in_each(ends, lambda rank, end: end.share(long if rank == 0 else b"")) == [long] * 3
    assert in_each(ends, lambda rank, end: end.share(b"")) == [b""] * 3


def test_followers_wait_for_as_long_as_it_takes(lines, monkeypatch):
    monkeypatch.setattr(messages, "JOINING", 0.2)
    leader, follower = lines(2)
    waiting = threading.Thread(target=follower.share, daemon=True)
    waiting.start()
    waiting.join(0.6)
    assert waiting.is_alive()
    leader.share(b"now")
    waiting.join(5)
    assert not waiting.is_alive()


def test_the_leader_listens_on_the_one_address_and_no_longer_than_it_must(opened):
    leader = opened(Leader("127.0.0.2", 2))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, leader.port), 1)
    for said in (b"GET /", b""):  # of strangers, who are not heard
        with socket.create_connection(("127.0.0.2", leader.port), 1) as stranger:
            stranger.sendall(said)
    opened(Follower("127.0.0.2", leader.port, 1))
    leader.join()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", leader.port), 1)


def test_a_process_that_does_not_come_or_ends_is_named(opened, lines, monkeypatch):
    monkeypatch.setattr(messages, "JOINING", 0.2)
    monkeypatch.setattr(messages, "GRACE", 0)
    absent = opened(Leader(HOST, 3))
    opened(Follower(HOST, absent.port, 1))
    with pytest.raises(UserError, match="process 2 did not connect"):
        absent.join()
    with pytest.raises(UserError, match=f"process 0 cannot be reached at {HOST}, port {absent.port}: "):
        Follower(HOST, absent.port, 1)
    leader, follower = lines(2)
    follower.close()
    with pytest.raises(UserError, match="process 1 of the training has ended"):
        leader.gather(b"")
    leader, follower = lines(2)
    leader.close()
    with pytest.raises(UserError, match="process 0 of the training has ended"):
        follower.share()


def agree(lines, digests, configs):
    """What check_same_start raises in each of several processes; None in those where it does not."""
    return in_each(lines(len(digests)), lambda rank, end: check_same_start(
        digests[rank], configs[rank], ProcessGroup(rank, len(digests), bool, end.gather, end.share)))


@pytest.mark.parametrize(("digests", "named"), [(["a", "a", "a"], None), (["a", "a", "b"], 2), (["b", "a", "a"], 1)])
def test_other_data_is_named_in_every_process(digests, named, lines):
    found = agree(lines, digests, [Config()] * 3)
    if named is None:
        assert found == [None] * 3
    else:
        assert len({str(error) for error in found}) == 1
        host = socket.gethostname()
        assert str(found[0]).startswith(f"process {named} on {host} has other training data than process 0 on {host} ")


def test_other_settings_are_named_in_every_process_and_other_paths_are_none(lines):
    host = socket.gethostname()
    said = (f"process 1 on {host} was started with batch_size: 8, process 0 on {host} with batch_size: 16; give every "
            "machine the same")
    assert list(map(str, agree(lines, ["a"] * 2, [Config(), Config(batch_size=8)]))) == [said] * 2
    elsewhere = Config(data_dir="d", logs_dir="l", num_workers=3, device_id=1)
    assert agree(lines, ["a"] * 2, [Config(), elsewhere]) == [None] * 2
