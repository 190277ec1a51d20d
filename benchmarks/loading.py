"""Training samples against their straightforward transcription, on one core: python -m benchmarks.loading."""
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import baseline_loading
from benchmarks.extent import read_extent
from benchmarks.preparation import BACKGROUND_SIZE, FOREGROUND_SIZE, NUM_BGS_TRAIN, write_inputs
from data.plan import Settings
from data.process_dataset import prepare
from matting.config import Config
from matting.dataset.data_list import TrainRow, read_rows
from matting.dataset.feed import TrainingFeed

FUNCTIONS = 8  # of a profile, the slowest


class Extent(NamedTuple):
    size: tuple  # of the foregrounds, (height, width)
    repeats: int
    samples: dict  # of a repeat
    profiled: int  # samples


FULL = Extent(FOREGROUND_SIZE, 7, {"transcription": 4, "offline": 16, "online": 64, "online, augmented": 32}, 200)
QUICK = Extent((330, 330), 1, dict.fromkeys(FULL.samples, 2), 4)
SETTINGS = {"offline": {"composition": "offline"}, "online": {"composition": "online"},
            "online, augmented": {"composition": "online", "augmentation": "strong", "unknown_regions": "varied"}}


def baseline(data_dir, bg_dir):
    """A function that loads sample `index`."""
    rows = read_rows(data_dir / "train" / "data.txt", TrainRow)
    return lambda index: baseline_loading.load(rows[index % len(rows)], data_dir, bg_dir,
                                               np.random.default_rng((0, index)))


def program(data_dir, bg_dir, settings):
    """The same for the program, each foreground decoded already."""
    feed = TrainingFeed(Config(data_dir=str(data_dir), bg_dir=str(bg_dir), **settings))
    for index in range(16):
        feed[index]
    return feed.__getitem__


def time_each(load, first, count):
    """Seconds a sample, from sample `first` on."""
    started = time.perf_counter()
    for index in range(first, first + count):
        load(index)
    return (time.perf_counter() - started) / count


def profile(load, samples):
    """[(library call or function, share of the time)] of the slowest."""
    profiler = cProfile.Profile()
    profiler.enable()
    for index in range(samples):
        load(index)
    profiler.disable()
    statistic = pstats.Stats(profiler)
    own = {f"{Path(file).stem}.{name}" if file != "~" else name: own
           for (file, _, name), (_, _, own, _, _) in statistic.stats.items()}
    slowest = sorted(own, key=own.get, reverse=True)[:FUNCTIONS]
    return [(name, own[name] / statistic.total_tt) for name in slowest]


def main(argv=None):
    (height, width), repeats, samples, profiled = read_extent("benchmarks.loading", __doc__, FULL, QUICK, argv)
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data_dir, bg_dir = root / "AIM-500", root / "train2014"
        write_inputs(root, np.random.default_rng(0), (height, width))
        prepare(data_dir, bg_dir, Settings(NUM_BGS_TRAIN, 1, False, ("v",)), "fast", num_workers=1)
        loads = {"transcription": baseline(data_dir, bg_dir),
                 **{case: program(data_dir, bg_dir, settings) for case, settings in SETTINGS.items()}}
        seconds = {case: [] for case in loads}
        for repeat in range(repeats):
            for case, load in loads.items():
                seconds[case].append(time_each(load, repeat * samples[case], samples[case]))
        profiles = {case: profile(loads[case], profiled) for case in SETTINGS}

    print(f"{width}x{height} foregrounds over {BACKGROUND_SIZE[1]}x{BACKGROUND_SIZE[0]} backgrounds, input size 320, "
          f"one core, medians of {repeats} runs\n")
    print("| | samples/s | ms/sample | ratio |\n|---|---|---|---|")
    medians = {case: statistics.median(runs) for case, runs in seconds.items()}
    for case, median in medians.items():
        print(f"| {case} | {1 / median:.1f} | {1000 * median:.1f} | {medians['transcription'] / median:.1f} |")
    for case, shares in profiles.items():
        print(f"\n{case}, where the time goes: " + ", ".join(f"{name} {share:.0%}" for name, share in shares))


if __name__ == "__main__":
    main()
