"""Two machines on one: network namespaces joined by a virtual cable, where root may make them."""
import contextlib
import os
import subprocess

ADDRESSES = ("10.77.0.1", "10.77.0.2")


def _ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True)


@contextlib.contextmanager
def two_machines():
    """Yield the names of two network namespaces, at ADDRESSES; None where they cannot be made."""
    names = [f"machine{k}-{os.getpid()}" for k in range(2)]
    ends = [f"cable{k}-{os.getpid() % 100000}" for k in range(2)]
    with contextlib.ExitStack() as stack:
        try:
            for name in names:
                _ip("netns", "add", name)
                stack.callback(_ip, "netns", "del", name)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
            for name, end, address in zip(names, ends, ADDRESSES, strict=True):
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
                _ip("-n", name, "link", "set", end, "up")
        except (OSError, subprocess.CalledProcessError):
            names = None
        yield names
