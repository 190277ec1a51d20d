"""Preparation against its straightforward transcription: python -m benchmarks.preparation."""
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from benchmarks import baseline_preparation
from benchmarks.extent import read_extent
from data.objects import draw_object
from data.plan import Settings
from data.process_dataset import prepare
from data.scenes import PHOTOGRAPHS, crop_photograph, draw_landscape, find_photographs
from matting.images.writing import write_png
from matting.trimap import make_trimap

FOREGROUND_SIZE, BACKGROUND_SIZE = (1250, 1400), (480, 640)  # height, width: typical of AIM-500, of COCO
FOREGROUNDS = {"a": "hair", "b": "veil", "v": "lace"}  # v is for validation
NUM_BGS_TRAIN = 48
BASELINE_COMPOSITES = 2
GRAIN = 2  # standard deviation of a sensor's noise, in grey levels
DISK_BYTES = 2**28

DOCUMENTED_COMPOSITES, CORES = 43_200, 8


class Extent(NamedTuple):
    size: tuple  # of the foregrounds, (height, width)
    repeats: int


FULL, QUICK = Extent(FOREGROUND_SIZE, 3), Extent((125, 140), 1)


def write_inputs(root, rng, size=FOREGROUND_SIZE):
    """AIM-500/{original,mask,trimap} and train2014 below `root`, as large and as noisy as photographs."""
    for folder in ("AIM-500/original", "AIM-500/mask", "AIM-500/trimap", "train2014"):
        (root / folder).mkdir(parents=True)
    for stem, kind in FOREGROUNDS.items():
        alpha, colours = draw_object(kind, *size, rng)
        _write_photograph(root / "AIM-500" / "original" / f"{stem}.jpg", colours, rng)
        write_png(root / "AIM-500" / "mask" / f"{stem}.png", alpha)
        write_png(root / "AIM-500" / "trimap" / f"{stem}.png", make_trimap(alpha, 10))
    photographs = find_photographs(PHOTOGRAPHS)
    for index in range(2 * NUM_BGS_TRAIN + 1):
        scene = (crop_photograph(photographs[index % len(photographs)], *BACKGROUND_SIZE, rng) if photographs else
                 draw_landscape(*BACKGROUND_SIZE, rng))
        _write_photograph(root / "train2014" / f"{index:03}.jpg", scene, rng)


def time_baseline(root, folder):
    """(seconds, bytes) a composite."""
    backgrounds = sorted((root / "train2014").iterdir())[:BASELINE_COMPOSITES]
    started = time.perf_counter()
    baseline_preparation.prepare(root / "AIM-500/original/a.jpg", root / "AIM-500/mask/a.png", backgrounds, folder)
    seconds = (time.perf_counter() - started) / BASELINE_COMPOSITES
    return seconds, statistics.mean(path.stat().st_size for path in folder.iterdir())


def time_program(root, data_dir, compression, num_workers):
    """(seconds, bytes) a composite, of the whole program: checks, hashes, start of the workers and all."""
    for role in ("original", "mask", "trimap"):
        (data_dir / role).symlink_to(root / "AIM-500" / role)
    started = time.perf_counter()
    count = prepare(data_dir, root / "train2014", Settings(NUM_BGS_TRAIN, 1, False, ("v",)), compression, num_workers)
    seconds = (time.perf_counter() - started) / count
    compared = [data_dir / "train" / "merged" / f"a_{k}.png" for k in range(BASELINE_COMPOSITES)]
    return seconds, statistics.mean(path.stat().st_size for path in compared)


def disk_speed(root):
    """Bytes a second of writing one large file through to the disk."""
    block = np.random.default_rng(0).bytes(DISK_BYTES)
    started = time.perf_counter()
    with (root / "large").open("wb") as file:
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return DISK_BYTES / (time.perf_counter() - started)


def main(argv=None):
    (height, width), repeats = read_extent("benchmarks.preparation", __doc__, FULL, QUICK, argv)
    cv2.setNumThreads(1)  # the workers do so themselves
    timings = {
        "baseline": time_baseline,
        ("fast", 1): partial(time_program, compression="fast", num_workers=1),
        ("fast", 2): partial(time_program, compression="fast", num_workers=2),
        ("small", 2): partial(time_program, compression="small", num_workers=2),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_inputs(root, np.random.default_rng(0), (height, width))
        runs = {case: [] for case in timings}
        for _ in range(repeats):
            for case, measure in timings.items():
                with tempfile.TemporaryDirectory(dir=root) as output:
                    runs[case].append(measure(root, Path(output)))
        speed = disk_speed(root)

    results = {case: tuple(map(statistics.median, zip(*measured, strict=True))) for case, measured in runs.items()}
    baseline_seconds, baseline_bytes = results.pop("baseline")
    print(f"{width}x{height} foregrounds over {BACKGROUND_SIZE[1]}x{BACKGROUND_SIZE[0]} backgrounds, one thread a "
          f"process, medians of {repeats} runs of {2 * NUM_BGS_TRAIN + 1} composites, {os.cpu_count()} cores here\n")
    print("| | composites/s | ratio | bytes/composite | ratio |\n|---|---|---|---|---|")
    print(f"| transcription, 1 process | {1 / baseline_seconds:.2f} | 1 | {baseline_bytes:,.0f} | 1 |")
    for (compression, workers), (seconds, size) in results.items():
        print(f"| --png_compression {compression} --num_workers {workers} | {1 / seconds:.1f} | "
              f"{baseline_seconds / seconds:.1f} | {size:,.0f} | {size / baseline_bytes:.3f} |")

    seconds, size = results["fast", 2]
    each = 2 * seconds  # of one core
    computing, writing = DOCUMENTED_COMPOSITES * each / CORES, DOCUMENTED_COMPOSITES * size / speed
    print(f"""
AIM-500, {DOCUMENTED_COMPOSITES:,} composites, {CORES} cores, default compression, extrapolated from two workers:
{DOCUMENTED_COMPOSITES:,} x {1000 * each:.0f} ms of a core / {CORES} cores = {computing:.0f} s of computing
{DOCUMENTED_COMPOSITES:,} x {size / 1e6:.2f} MB / {speed / 1e6:.0f} MB/s, measured here, = {writing:.0f} s of writing
the longer of the two, since they overlap: {max(computing, writing) / 60:.0f} minutes""")


def _write_photograph(path, pixels, rng):
    noisy = np.rint(pixels + rng.normal(0, GRAIN, pixels.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, quality=92)


if __name__ == "__main__":
    main()
