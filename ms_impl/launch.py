"""Start the processes that train together, and end all of them when one fails.

python -m ms_impl.launch COUNT LOG_DIR ARGUMENT...     each process is `python -m ms_impl.train ARGUMENT...`

With NODES, NODE_RANK, MASTER_ADDR and MASTER_PORT in the environment, COUNT processes on each of several machines.
MindSpore's own launcher, msrun, sets the same variables for the same processes. But it passes no SIGTERM on, and after
a failure it waits until the scheduler has missed the ranks' heartbeats, a minute or more.
"""
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from matting.errors import UserError, entry_point
from matting.training.machines import ALONE, meet, place_of
from matting.usage import program_parser

POLL = 0.1  # seconds
PATIENCE = 60  # seconds that the others get to end as well, once one has ended as it was told
SAVING = 5  # seconds to save and stop, if it still can, for what has lost a machine
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


def launch(command, count, log_dir, patience=PATIENCE, place=ALONE):
    """Run `command` as `count` ranks of this machine, and on the first as MindSpore's scheduler -> 0, or the status of
    one that failed; 1 where another machine has failed or is lost.

    Output goes to log_dir/worker_RANK.log and scheduler.log, this machine's first rank's to stdout too. SIGINT and
    SIGTERM are passed on to the ranks, which save and stop. When this returns, by whatever way, nothing that it
    started runs any more.
    """
    Path(log_dir).mkdir(parents=True, exist_ok=True)
    machines = meet(place, count)
    cluster = {"MS_WORKER_NUM": str(place.size * count), "MS_SCHED_HOST": place.host,
               "MS_SCHED_PORT": str(machines.scheduler_port), "RANK_SIZE": str(place.size * count),
               "LOCAL_WORLD_SIZE": str(count)}
    started = []
    with _passing_signals_on(started), contextlib.closing(machines), contextlib.ExitStack() as stack:
        def start(name, **environment):
            process = Process(name, command, cluster | environment, log_dir)
            stack.callback(process.kill)
            return process

        schedulers = [] if place.rank else [start("scheduler", MS_ROLE="MS_SCHED", RANK_ID="0")]
        for device in range(count):
            rank = str(place.rank * count + device)
            started.append(start(f"worker_{rank}", MS_ROLE="MS_WORKER", MS_NODE_ID=rank, RANK_ID=rank,
                                 DEVICE_ID=str(device)))
        return _watch(started, schedulers, patience, machines)


def _watch(ranks, schedulers, patience, machines):
    """Show the first rank's output until all ranks have ended, or one has failed, here or elsewhere -> status."""
    with ranks[0].log.open("rb") as output:
        while True:
            news = machines.news()
            ended_well = all(rank.status() == 0 for rank in ranks)
            failed = next((process for process in (*ranks, *schedulers) if process.status()), None)
            if ended_well or failed or news:
                break
            _show(output)
            time.sleep(POLL)
        stopped = not ended_well and failed and failed.status() in STOPPED
        if ended_well or stopped:
            awaited = ranks if stopped else schedulers
            _await(awaited, patience, machines)
            machines.tell_end()
        elif news:
            _end_with(news, ranks)
        _show(output)
    if ended_well:
        return 0
    if news and not stopped:
        return 1
    if not stopped:
        machines.tell_end(f"{failed.name} ended with status {failed.status()}")
        full = "" if shutil.disk_usage(failed.log.parent).free else "; the disk with its log is full"
        told = "" if failed is ranks[0] else f"; its log ends with\n{failed.last_lines()}"
        print(f"{failed.name} ended with status {failed.status()}, so all others are ended{full}{told}",
              file=sys.stderr)
    return failed.status()


def _await(processes, seconds, machines):
    """Until all have ended, at most so many seconds, while the other machines go on hearing of this one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.status() is None for process in processes):
        machines.news()
        time.sleep(POLL)


def _end_with(news, ranks):
    """Say what has ended the training elsewhere; let ranks that lost a machine save, if they still can."""
    reason, lost = news
    print(f"{reason}, so all others are ended", file=sys.stderr, flush=True)
    if lost:
        for rank in ranks:
            rank.send(signal.SIGTERM)
        deadline = time.monotonic() + SAVING
        for rank in ranks:
            rank.wait(max(0, deadline - time.monotonic()))


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


@entry_point
def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    parser = program_parser("ms_impl.launch", __doc__, usage="%(prog)s COUNT LOG_DIR [ARGUMENT ...]")
    parser.add_argument("count", metavar="COUNT", help="devices, of which each gets a process")
    parser.add_argument("log_dir", metavar="LOG_DIR", help="folder for a log of each process")
    own = parser.parse_args(argv[:2])
    if not own.count.isdecimal() or int(own.count) < 1:
        raise UserError(f"DEVICE_NUM {own.count}: must be a whole number of devices, 1 or more")
    raise SystemExit(launch([sys.executable, "-u", "-m", "ms_impl.train", *argv[2:]], int(own.count), own.log_dir,
                            place=place_of(os.environ)))


if __name__ == "__main__":
    main()
