"""Start the processes that train together, and end all of them when one fails.

python -m ms_impl.launch COUNT LOG_DIR ARGUMENT...     each process is `python -m ms_impl.train ARGUMENT...`

MindSpore's own launcher, msrun, sets the same variables for the same processes. But it passes no SIGTERM on, and after
a failure it waits until the scheduler has missed the ranks' heartbeats, a minute or more.
"""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from matting.errors import UserError, entry_point
from matting.usage import program_parser

HOST = "127.0.0.1"
POLL = 0.1  # seconds
PATIENCE = 60  # seconds that the others get to end as well, once one has ended as it was told
SHOWN = 16  # last lines of a failed rank's log
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # statuses of a process that ended as it was told
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Process:
    """A process in a session of its own, so that with it the loaders it started can be ended; output in `log`."""

    def __init__(self, name, command, environment, log_dir):
        self.name = name
        self.log = Path(log_dir) / f"{name}.log"
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                                           preexec_fn=_stop_with_launcher)

    def status(self):
        """As a shell gives it, 128 + signal for a killed process; None while it runs."""
        code = self._popen.poll()
        return 128 - code if code is not None and code < 0 else code

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, seconds):
        """Until it ends, at most so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)

    def kill(self):
        """End it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def last_lines(self):
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN:])


def launch(command, count, log_dir, patience=PATIENCE):
    """Run `command` as ranks 0 .. count - 1 and as MindSpore's scheduler -> 0, or the status of one that failed.

    Output goes to log_dir/worker_RANK.log and scheduler.log, rank 0's to stdout too. SIGINT and SIGTERM are passed on
    to the ranks, which save and stop. When this returns, by whatever way, nothing that it started runs any more.
    """
    Path(log_dir).mkdir(parents=True, exist_ok=True)
    cluster = {"MS_WORKER_NUM": str(count), "MS_SCHED_HOST": HOST, "MS_SCHED_PORT": str(_free_port()),
               "RANK_SIZE": str(count)}
    started = []
    with _passing_signals_on(started), contextlib.ExitStack() as stack:
        def start(name, **environment):
            process = Process(name, command, cluster | environment, log_dir)
            stack.callback(process.kill)
            return process

        scheduler = start("scheduler", MS_ROLE="MS_SCHED", RANK_ID="0")
        for rank in map(str, range(count)):
            started.append(start(f"worker_{rank}", MS_ROLE="MS_WORKER", MS_NODE_ID=rank, RANK_ID=rank, DEVICE_ID=rank))
        return _watch(started, scheduler, patience)


def _watch(ranks, scheduler, patience):
    """Show rank 0's output until all ranks have ended, or one has failed -> status."""
    with ranks[0].log.open("rb") as output:
        while True:
            ended_well = all(rank.status() == 0 for rank in ranks)
            failed = next((process for process in (*ranks, scheduler) if process.status()), None)
            if ended_well or failed:
                break
            _show(output)
            time.sleep(POLL)
        stopped = not ended_well and failed.status() in STOPPED
        deadline = time.monotonic() + patience
        for process in ranks if stopped else [scheduler] if ended_well else []:
            process.wait(max(0, deadline - time.monotonic()))
        _show(output)
    if ended_well:
        return 0
    if not stopped:
        full = "" if shutil.disk_usage(failed.log.parent).free else "; the disk with its log is full"
        told = "" if failed is ranks[0] else f"; its log ends with\n{failed.last_lines()}"
        print(f"{failed.name} ended with status {failed.status()}, so all others are ended{full}{told}",
              file=sys.stderr)
    return failed.status()


def _show(output):
    """Copy to stdout what an open log has gained."""
    with contextlib.suppress(OSError):  # a full disk: the ranks notice and say so
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _passing_signals_on(processes):
    def pass_on(number, frame):
        for process in processes:
            process.send(number)

    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop_with_launcher():
    """In a new process: be sent SIGTERM when the launcher dies, as if someone had stopped the training."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


@entry_point
def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    parser = program_parser("ms_impl.launch", __doc__, usage="%(prog)s COUNT LOG_DIR [ARGUMENT ...]")
    parser.add_argument("count", metavar="COUNT", help="devices, of which each gets a process")
    parser.add_argument("log_dir", metavar="LOG_DIR", help="folder for a log of each process")
    own = parser.parse_args(argv[:2])
    if not own.count.isdecimal() or int(own.count) < 1:
        raise UserError(f"DEVICE_NUM {own.count}: must be a whole number of devices, 1 or more")
    raise SystemExit(launch([sys.executable, "-u", "-m", "ms_impl.train", *argv[2:]], int(own.count), own.log_dir))


if __name__ == "__main__":
    main()
