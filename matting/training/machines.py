"""Machines that train together: their launchers meet, then tell each other that they live, and how they end.

NODES, NODE_RANK, MASTER_ADDR and MASTER_PORT say which machines, as torchrun's and msrun's users know them. The first
machine's launcher listens at MASTER_ADDR alone, until all have come; the others connect to it. A message is a line of
JSON.
"""
import contextlib
import json
import select
import socket
import time
from typing import NamedTuple

from matting.errors import UserError

LOOPBACK = "127.0.0.1"
MEETING = 120  # seconds for all to come
BEAT = 2  # seconds between signs of life
SILENCE = 20  # seconds without one after which a machine is lost
GREETING = 5  # seconds for a newcomer to say who it is
RETRY = 0.5  # seconds between attempts to connect
LONGEST = 1 << 16  # bytes of a message
GREETED = ("size", "rank", "devices")  # numbers that a launcher gives of itself, beside its host


class Place(NamedTuple):
    """A machine's place among those that train together."""

    size: int = 1  # machines
    rank: int = 0  # of this one
    host: str = LOOPBACK  # address of the first
    port: int = 0  # there


ALONE = Place()


def place_of(environment):
    """This machine's Place, of environment variables; raises UserError."""
    size = _number(environment, "NODES", 1, None, "1")
    if size == 1:
        return ALONE
    rank = _number(environment, "NODE_RANK", 0, size - 1)
    name, port = environment.get("MASTER_ADDR", ""), _number(environment, "MASTER_PORT", 1, 65535)
    try:
        address = socket.getaddrinfo(name or None, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0] if name else ""
    except OSError as error:
        raise UserError(f"MASTER_ADDR {name}: {error.strerror or error}") from None
    if not address:
        raise UserError("MASTER_ADDR: is not set; give the first machine's address or name to every machine")
    return Place(size, rank, address, port)


def _number(environment, name, least, most, default=""):
    text = environment.get(name) or default
    if not text.isdecimal() or int(text) < least or most is not None and int(text) > most:
        upper = " or more" if most is None else f" to {most}"
        raise UserError(f"{name} {text}: must be a whole number, {least}{upper}" if text else
                        f"{name}: is not set; training on several machines needs a number from {least} to {most}")
    return int(text)


class Line:
    """A connection between two launchers."""

    def __init__(self, connection):
        self._connection, self._received = connection, b""
        connection.setblocking(False)
        self.closed = False  # by the other
        self.heard = time.monotonic()

    def send(self, message):
        """Never waits: what a line that is cut cannot take is noticed by the silence of the other."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds=0):
        """Messages that have come, waiting so long for the first; raises ValueError of what is none."""
        deadline = time.monotonic() + seconds
        while True:
            self._read(max(0, deadline - time.monotonic()))
            *lines, self._received = self._received.split(b"\n")
            if len(self._received) > LONGEST:
                raise ValueError("a message without end")
            if lines or self.closed or time.monotonic() >= deadline:
                return [json.loads(line) for line in lines]

    def _read(self, seconds):
        if not select.select([self._connection], [], [], seconds)[0]:
            return
        try:
            part = self._connection.recv(LONGEST)
        except OSError:  # a connection that was broken off
            part = b""
        self.closed, self.heard = not part, time.monotonic()
        self._received += part

    def cut(self):
        """Whether the other has closed it, in which case it is closed here, too."""
        self.receive()
        if self.closed:
            self.close()
        return self.closed

    def close(self):
        self._connection.close()


class Machines:
    """All machines of a training, as one of their launchers sees them.

    lines: {rank: Line}, of the first machine to all others, of another to the first; hosts: their names.
    """

    def __init__(self, place, hosts, lines, scheduler_port):
        self.place, self.scheduler_port = place, scheduler_port
        self._hosts, self._lines, self._beaten = hosts, lines, 0

    def name(self, rank):
        return f"machine {rank} ({self._hosts[rank]})"

    def news(self):
        """Show life and hear the others -> (what ended the training elsewhere, whether that machine is lost), or None.

        To be called more often than every BEAT seconds.
        """
        now = time.monotonic()
        if now - self._beaten > BEAT:
            self._beaten = now
            self._tell({})
        for rank, line in list(self._lines.items()):
            ends = [message["ended"] for message in line.receive() if "ended" in message]
            if ends:
                del self._lines[rank]
                line.close()
            lost = not ends and (line.closed or now - line.heard > SILENCE)
            reason = f"{self.name(rank)} is lost" if lost else "".join(ends)
            if reason:
                self._tell({"ended": reason})
                return reason, lost
        return None

    def tell_end(self, failure=""):
        """Tell the others that this machine has ended, well or by a failure of it."""
        self._tell({"ended": failure and f"{self.name(self.place.rank)}: {failure}"})

    def _tell(self, message):
        for line in self._lines.values():
            line.send(message)

    def close(self):
        for line in self._lines.values():
            line.close()


def meet(place, devices, seconds=None):
    """Wait for the launchers of all machines -> Machines.

    Raises UserError, in all that have met, where one does not come or was started otherwise.
    """
    if place.size == 1:
        return Machines(place, [socket.gethostname()], {}, _free_port(LOOPBACK))
    seconds = MEETING if seconds is None else seconds
    print(f"machine {place.rank} of {place.size}: waits at most {seconds} seconds for "
          f"{'all others' if place.rank == 0 else 'machine 0'} at {place.host}, port {place.port}", flush=True)
    return (_find_first if place.rank else _await_others)(place, devices, seconds)


def _await_others(place, devices, seconds):
    lines, hosts, greeted = {}, {0: socket.gethostname()}, []
    try:
        with contextlib.closing(_listen(place)) as listener:
            for line, greeting in _newcomers(listener, place, time.monotonic() + seconds, lines):
                greeted.append(line)
                _check(greeting, place, devices, lines)
                lines[greeting["rank"]], hosts[greeting["rank"]] = line, greeting["host"]
        absent = [rank for rank in range(1, place.size) if rank not in lines]
        if absent:
            raise UserError(f"machine {absent[0]} did not come to {place.host}, port {place.port}, in {seconds} "
                            f"seconds; start the same command there with NODE_RANK={absent[0]}")
    except UserError as error:
        for line in greeted:
            line.send({"refused": str(error)})
            line.close()
        raise
    names, port = [hosts[rank] for rank in range(place.size)], _free_port(place.host)
    for line in lines.values():
        line.send({"hosts": names, "scheduler_port": port})
    return Machines(place, names, lines, port)


def _listen(place):
    try:
        return socket.create_server((place.host, place.port))
    except OSError as error:
        raise UserError(f"MASTER_ADDR {place.host}, MASTER_PORT {place.port}: machine 0 cannot listen there "
                        f"({error.strerror or error}); give an address of its own and a free port") from None


def _newcomers(listener, place, deadline, lines):
    """(line, greeting) of each that connects and greets as a launcher does, until all are in `lines` or time is up.

    One that was stopped meanwhile leaves `lines`, and may come again.
    """
    while len(lines) < place.size - 1 and time.monotonic() < deadline:
        if select.select([listener], [], [], max(0, deadline - time.monotonic()))[0]:
            line = Line(listener.accept()[0])
            greeting = _greeting(line)
            _forget_stopped(lines)
            if greeting:
                yield line, greeting
            else:
                line.close()
            _forget_stopped(lines)


def _forget_stopped(lines):
    for rank in [rank for rank, line in lines.items() if line.cut()]:
        del lines[rank]


def _greeting(line):
    """What a launcher says of itself; None of a stranger."""
    try:
        said = line.receive(GREETING)[0]
        return {"host": str(said["host"]), **{key: int(said[key]) for key in GREETED}}
    except (ValueError, LookupError, TypeError):
        return None


def _check(greeting, place, devices, lines):
    """Raise UserError where a machine was started otherwise than the first."""
    name = f"machine {greeting['rank']} ({greeting['host']})"
    for key, flag, own in (("size", "NODES", place.size), ("devices", "DEVICE_NUM", devices)):
        if greeting[key] != own:
            raise UserError(f"{name} was started with {flag} {greeting[key]}, machine 0 with {own}; "
                            "give every machine the same")
    if greeting["rank"] in lines:
        raise UserError(f"{name}: another machine has the same NODE_RANK; give each its own")


def _find_first(place, devices, seconds):
    line = Line(_connect(place, seconds))
    line.send({"size": place.size, "rank": place.rank, "devices": devices, "host": socket.gethostname()})
    try:
        said = line.receive(seconds + GREETING)[0]
        if "refused" not in said:
            return Machines(place, list(said["hosts"]), {0: line}, int(said["scheduler_port"]))
        refused = said["refused"]
    except (ValueError, LookupError, TypeError):  # nothing, or what no launcher says
        refused = (f"what listens at {place.host}, port {place.port}, does not answer as machine 0; start the same "
                   "command there with NODE_RANK=0")
    line.close()
    raise UserError(refused)


def _connect(place, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((place.host, place.port), max(RETRY, deadline - time.monotonic()))
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"machine 0 cannot be reached at {place.host}, port {place.port}, in {seconds} seconds "
                    f"({error.strerror or error}); start the same command there with NODE_RANK=0") from None
            time.sleep(RETRY)


def _free_port(host):
    with socket.socket() as listener:
        listener.bind((host, 0))
        return listener.getsockname()[1]
