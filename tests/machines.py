"""Two machines on one: network namespaces joined by a virtual cable, with host names of their own."""
import contextlib
import json
import os
import signal
import subprocess

ADDRESSES = ("10.77.0.1", "10.77.0.2")
HOSTS = ("first", "second")


def _ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


class Machine:
    """A network namespace with one cable."""

    def __init__(self, rank):
        self.host, self.address = HOSTS[rank], ADDRESSES[rank]
        self.name, self.cable = f"{self.host}-{os.getpid()}", f"cable{rank}-{os.getpid() % 100000}"

    def command(self, *words):
        """What runs a command there."""
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.host,
                *map(str, words)]

    def connect(self):
        _ip("-n", self.name, "addr", "replace", f"{self.address}/24", "dev", self.cable)
        _ip("-n", self.name, "link", "set", self.cable, "up")

    def cut(self):
        _ip("-n", self.name, "link", "set", self.cable, "down")

    def kill(self):
        """End all that runs there, at once, as a loss of power does."""
        self.cut()
        for process in _ip("netns", "pids", self.name).split():
            os.kill(int(process), signal.SIGKILL)

    def sent(self):
        """Bytes that went out by the cable so far."""
        return json.loads(_ip("-n", self.name, "-s", "-j", "link", "show", self.cable))[0]["stats64"]["tx"]["bytes"]

    def listening(self):
        """The addresses at which something there waits for connections."""
        found = subprocess.run(self.command("ss", "-Htln"), capture_output=True, text=True, check=True)
        return {line.split()[3].rpartition(":")[0] for line in found.stdout.splitlines()}


@contextlib.contextmanager
def two_machines():
    """Yield two Machines, connected; None where root or iproute2 is missing."""
    machines = [Machine(rank) for rank in range(2)]
    with contextlib.ExitStack() as stack:
        try:
            for machine in machines:
                _ip("netns", "add", machine.name)
                stack.callback(_ip, "netns", "del", machine.name)
                _ip("-n", machine.name, "link", "set", "lo", "up")
            ends = [("netns", machine.name, "name", machine.cable) for machine in machines]
            _ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
            for machine in machines:
                machine.connect()
        except (OSError, subprocess.CalledProcessError):
            machines = None
        yield machines
