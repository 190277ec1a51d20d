"""The page as its program serves it, in a process of its own; noted is whom it calls and when it mattes."""
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
CALLS = {  # audit event of Python's: its arguments -> the host, None where it is a socket in the file system
    "socket.getaddrinfo": lambda arguments: arguments[0],
    "socket.connect": lambda arguments: arguments[1][0] if isinstance(arguments[1], tuple) else None,
    "socket.sendto": lambda arguments: arguments[1][0] if isinstance(arguments[1], tuple) else None,
}


class Site:
    """A running page, the folder it works in, and what was noted."""

    def __init__(self, folder, process):
        self.folder, self.process = folder, process

    @property
    def address(self):
        """Where the page is, as the program says; None before it does."""
        found = re.search(r"open (http://\S+) in a browser", (self.folder / "log").read_text())
        return found and found[1]

    @property
    def called(self):
        """Hosts that the program itself called."""
        return {line.split()[1] for line in self._diary() if line.startswith("call")}

    @property
    def matted(self):
        """`begin` and `end` of each matte, in order."""
        return [line for line in self._diary() if line in ("begin", "end")]

    def files(self, place="tmp"):
        """Files in its temporary folder, or in its user's `home`, that hold something; they may go meanwhile."""
        paths = (Path(folder, name) for folder, _, names in os.walk(self.folder / place) for name in names)
        return [path for path in paths if _size(path)]

    @contextmanager
    def slowed(self, seconds):
        """Within, each matte takes that much longer."""
        (self.folder / "slow").write_text(str(seconds))
        yield
        (self.folder / "slow").unlink()

    def stop(self):
        """As a shell or a system does -> exit status."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def _diary(self):
        return (self.folder / "diary").read_text().splitlines()


@contextmanager
def open_site(folder, *arguments):
    """The page with arguments of matting.web, in a folder that it gets `home` and `tmp` in -> Site."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    environment = {**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "tests.watched_site", folder, *arguments],
                                   cwd=folder / "home", env=environment, stdout=log, stderr=subprocess.STDOUT)
    site = Site(folder, process)
    try:
        wait_until(lambda: site.address or process.poll() is not None, 60, "the page never came")
        assert site.address, (folder / "log").read_text()
        yield site
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def main(folder, *arguments):
    """Note calls in `diary`, then do as matting.web does."""
    diary = (folder / "diary").open("a", buffering=1)

    def note(event, arguments):
        if event in CALLS:
            host = CALLS[event](arguments)
            if host:
                diary.write(f"call {host}\n")

    sys.addaudithook(note)
    from matting.web import __main__ as program  # here: from now on calls are noted
    from matting.web.methods import Methods

    alpha = Methods._alpha

    def watched(*arguments):
        diary.write("begin\n")
        slow = folder / "slow"
        time.sleep(float(slow.read_text()) if slow.exists() else 0)
        result = alpha(*arguments)
        diary.write("end\n")
        return result

    Methods._alpha = watched
    program.main(list(arguments))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
