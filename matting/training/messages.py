"""What processes that train together tell each other besides gradients: over TCP, for as long as it takes.

The first process listens, on the one address that it is given; the others connect to it. A message is its length and
its bytes; nothing that arrives is evaluated.
"""
import contextlib
import socket
import struct
import time

from matting.errors import UserError

LENGTH, RANK = struct.Struct("!Q"), struct.Struct("!I")  # before a message; what a connection begins with
CHUNK = 1 << 20  # bytes
JOINING = 60  # seconds that the others get to connect
GREETING = 5  # seconds for what connects to say which process it is
GRACE = 5  # seconds before a process complains of another's end, whose own words are the ones to hear


class Leader:
    """The first process's end of the lines to all others; `port` is what they connect to."""

    def __init__(self, host, size):
        self.size = size
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self._lines = {}

    def join(self):
        """Wait for all others; raises UserError where one does not come."""
        deadline = time.monotonic() + JOINING
        missing = set(range(1, self.size))
        with self._listener:
            while missing:
                self._listener.settimeout(max(1e-3, deadline - time.monotonic()))
                try:
                    line, _ = self._listener.accept()
                except OSError:
                    raise UserError(f"process {min(missing)} did not connect in {JOINING} seconds; its log says "
                                    "why") from None
                rank = _rank(line)
                if rank in missing:
                    missing.remove(rank)
                    self._lines[rank] = line
                else:  # a stranger
                    line.close()
        return self

    def gather(self, message):
        """Every process's message, by rank."""
        return [message, *(_receive(self._lines[rank], rank) for rank in sorted(self._lines))]

    def share(self, message):
        """Give all others a message -> the same."""
        for rank, line in self._lines.items():
            _send(line, message, rank)
        return message

    def close(self):
        self._listener.close()
        for line in self._lines.values():
            line.close()


class Follower:
    """Another process's end of its line to the first."""

    def __init__(self, host, port, rank):
        try:
            self._line = socket.create_connection((host, port), JOINING)
        except OSError as error:
            raise UserError(f"process 0 cannot be reached at {host}, port {port}: {error.strerror or error}") from None
        self._line.settimeout(None)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._line.sendall(RANK.pack(rank))

    def gather(self, message):
        """Give the first process a message -> None."""
        _send(self._line, message, 0)

    def share(self, message=b""):
        """What the first process has to say, however long that takes."""
        return _receive(self._line, 0)

    def close(self):
        self._line.close()


def _rank(line):
    """What a process that connects says it is; None of a stranger that says nothing."""
    line.settimeout(GREETING)
    with contextlib.suppress(OSError):
        rank, = RANK.unpack(_read(line, RANK.size))
        line.settimeout(None)
        return rank


def _send(line, message, rank):
    try:
        line.sendall(LENGTH.pack(len(message)))
        line.sendall(message)
    except OSError:
        _lost(rank)


def _receive(line, rank):
    try:
        length, = LENGTH.unpack(_read(line, LENGTH.size))
        return _read(line, length)
    except OSError:
        return _lost(rank)


def _read(line, length):
    parts = []
    while length:
        part = line.recv(min(length, CHUNK))
        if not part:
            raise ConnectionResetError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _lost(rank):
    time.sleep(GRACE)
    raise UserError(f"process {rank} of the training has ended; its log says why") from None
