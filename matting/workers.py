"""Worker processes that stop when asked, end with their parent, and are missed when something kills them.

Not by loky: its workers take longer to start and outlive a parent that is killed.
"""
import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import cv2
from tqdm import tqdm

from matting.errors import UserError

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOG_LINES = 30
_stop = None  # in a worker: the event that its parent sets to end it


def run_in_processes(function, items, num_workers, on_result, **shared):
    """Call `function(item, **shared)` for each item in a worker process, and here `on_result(item, result)`.

    Results come in any order. An exception of either function ends the workers and is raised here; so does Ctrl-C:
    a function that takes long asks `stopping()` now and then and returns early. Raises UserError when a worker is
    killed from outside.
    """
    context = multiprocessing.get_context("forkserver")  # forked from a process without threads, unlike this one
    context.set_forkserver_preload([function.__module__])
    stop = context.Event()
    with _interrupts_ignored():  # inherited by the workers: a Ctrl-C is the parent's to handle
        pool = ProcessPoolExecutor(min(num_workers, len(items)), context, _start_worker, (stop,))
        item_of = {pool.submit(function, item, **shared): item for item in items}
    try:
        for future in as_completed(item_of):
            on_result(item_of[future], future.result())
    except BrokenProcessPool:
        raise UserError("a worker process was killed (short of memory?); what was finished is kept: run the same "
                        "command again, with a smaller --num_workers if memory was short") from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def stopping():
    """In a worker: whether to return as soon as possible, because the result is no longer wanted. Elsewhere: False."""
    return bool(_stop) and _stop.is_set()


@contextmanager
def progress(total, unit):
    """Yield `advance(steps)`: it moves a bar on a terminal, and logs a line every 30 seconds elsewhere."""
    with tqdm(total=total, unit=f" {unit}s", disable=None) as bar:
        done, started, logged = 0, time.monotonic(), time.monotonic()

        def advance(steps):
            nonlocal done, logged
            done += steps
            bar.update(steps)
            now = time.monotonic()
            if bar.disable and now - logged >= SECONDS_BETWEEN_LOG_LINES:
                logged = now
                logger.info("%d of %d %ss, %.2f/s", done, total, unit, done / (now - started))

        yield advance


def _start_worker(stop):
    global _stop
    _stop = stop
    cv2.setNumThreads(1)
    os.environ["NUMBA_NUM_THREADS"] = "1"  # numba, which pymatting compiles with, is not imported yet
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _interrupts_ignored():
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
