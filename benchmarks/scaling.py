"""Loading by several processes at once, and what 8 GPUs need by that: python -m benchmarks.scaling.

A loader process takes a core; what is measured for one and for all cores here is multiplied up to 8 GPUs.
"""
import math
import multiprocessing
import os
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.extent import read_extent
from benchmarks.loading import NUM_BGS_TRAIN, program
from benchmarks.preparation import FOREGROUND_SIZE, write_inputs
from data.plan import Settings
from data.process_dataset import prepare

GPUS = 8
RATES = (31, 310)  # samples a second that a GPU trains on: the published speed, and ten times that
MB = 1e6


class Extent(NamedTuple):
    size: tuple  # of the foregrounds, (height, width)
    seconds: float  # of a measurement


FULL, QUICK = Extent(FOREGROUND_SIZE, 6), Extent((330, 330), 0.2)


def count_samples(load, process, start, seconds, counts):
    """Load for `seconds` from `start` on; note how many samples that were and how many bytes were read of files."""
    time.sleep(max(0, start - time.monotonic()))
    before, samples = bytes_read(), 0
    while time.monotonic() < start + seconds:
        load(1000 * process + samples)
        samples += 1
    counts.put((samples / (time.monotonic() - start), bytes_read() - before, samples))


def bytes_read():
    """What this process has read of files so far, from a disk or the system's cache."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def measure(load, processes, seconds):
    """(samples a second of all processes together, bytes read a sample)."""
    fork = multiprocessing.get_context("fork")
    counts, start = fork.Queue(), time.monotonic() + 1
    started = [fork.Process(target=count_samples, args=(load, process, start, seconds, counts))
               for process in range(processes)]
    for process in started:
        process.start()
    rates, read, samples = zip(*(counts.get() for _ in started), strict=True)
    for process in started:
        process.join()
    return sum(rates), sum(read) / sum(samples)


def main(argv=None):
    size, duration = read_extent("benchmarks.scaling", __doc__, FULL, QUICK, argv)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        data_dir, bg_dir = Path(folder) / "AIM-500", Path(folder) / "train2014"
        write_inputs(Path(folder), np.random.default_rng(0), size)
        prepare(data_dir, bg_dir, Settings(NUM_BGS_TRAIN, 1, False, ("v",)), "fast", num_workers=1)
        loads = {mode: program(data_dir, bg_dir, {"composition": mode}) for mode in ("offline", "online")}
        found = {(mode, processes): measure(load, processes, duration)
                 for mode, load in loads.items() for processes in sorted({1, cores, 2 * cores})}

    print(f"{cores} cores\n\n| composition | processes | samples/s | times one | MB read a sample |\n"
          "|---|---|---|---|---|")
    for (mode, processes), (rate, read) in found.items():
        print(f"| {mode} | {processes} | {rate:.1f} | {rate / found[mode, 1][0]:.2f} | {read / MB:.2f} |")
    print(f"\n| composition | samples/s a GPU | of {GPUS} | cores | MB/s of files |\n|---|---|---|---|---|")
    for mode in loads:
        rate, read = found[mode, cores]
        for wanted in RATES:
            total = GPUS * wanted
            print(f"| {mode} | {wanted} | {total} | {math.ceil(total * cores / rate)} | {total * read / MB:.0f} |")


if __name__ == "__main__":
    main()
