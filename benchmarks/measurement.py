"""A thousand mattes measured by python -m matting.evaluate, on one core and on two: python -m benchmarks.measurement.

Beside the straightforward transcription of the same, files read included. As in Composition-1k each true matte has 20
predictions, each with a trimap of its own.
"""
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from benchmarks import baseline_metrics
from benchmarks.extent import read_extent
from benchmarks.metrics import make_mattes
from matting.dataset.matte_files import find_matte_files
from matting.metrics import PROTOCOLS
from matting.programs.measurement import measure_group

ROLES = ("predicted", "true", "trimap")  # folders, and arguments of the program
PER_TRUE = 20  # predictions of a foreground
DRAWN = 10  # foregrounds; beyond these, files are the same under other names


class Extent(NamedTuple):
    size: tuple  # (height, width)
    mattes: int
    transcribed: int  # of them
    rounds: int  # of the program on one core and on two, by turns


FULL, QUICK = Extent((1080, 1620), 1000, 40, 3), Extent((54, 81), 40, 2, 1)


def write_mattes(folder, size, count):
    """folder/{predicted,true,trimap}: `count` drawn mattes and what they are measured with."""
    for role in ROLES:
        (folder / role).mkdir()
    for foreground in range(count // PER_TRUE):
        drawn = [cv2.imencode(".png", pixels)[1].tobytes() for pixels in draw(foreground % DRAWN, size)]
        (folder / "true" / f"{foreground:03}.png").write_bytes(drawn[1])
        for number in range(PER_TRUE):
            (folder / "predicted" / f"{foreground:03}_{number}.png").write_bytes(drawn[0])
            (folder / "trimap" / f"{foreground:03}_{number}.png").write_bytes(drawn[2])


def draw(seed, size):
    """(prediction, alpha, trimap), uint8."""
    prediction, alpha, trimap = make_mattes(np.random.default_rng(seed), size)
    return np.rint(255 * prediction).astype(np.uint8), np.rint(255 * alpha).astype(np.uint8), trimap


def transcribed(folder, name, protocol):
    """The metrics of one matte, straight: three files read, arrays divided by 255, the four definitions."""
    files = (folder / "predicted" / name, folder / "true" / f"{name.partition('_')[0]}.png", folder / "trimap" / name)
    prediction, alpha, trimap = (np.array(Image.open(path)) for path in files)
    return baseline_metrics.evaluate(prediction / 255, alpha / 255, trimap, protocol)


def time_program(folder, protocol, cores):
    """Seconds that the program takes, kept to these cores, from start to end."""
    command = [sys.executable, "-m", "matting.evaluate", *(str(folder / role) for role in ROLES),
               "--protocol", protocol, "-o", str(folder / "metrics"), "--num_workers", str(len(cores))]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    return time.perf_counter() - start


def time_measuring(folder, protocol, count):
    """Seconds of a core a matte for what the program's processes do."""
    mattes = find_matte_files(*(folder / role for role in ROLES))[:count]
    groups = [tuple(group) for _, group in itertools.groupby(mattes, key=lambda files: files.true)]
    start = time.process_time()
    for group in groups:
        measure_group(group, protocol)
    return (time.process_time() - start) / len(mattes)


def time_transcription(folder, protocol, count):
    """Seconds of a core a matte, the median."""
    seconds = []
    for path in sorted((folder / "predicted").iterdir())[::PER_TRUE // 2][:count]:
        start = time.process_time()
        transcribed(folder, path.name, protocol)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main(argv=None):
    (height, width), mattes, count, rounds = read_extent("benchmarks.measurement", __doc__, FULL, QUICK, argv)
    cores = sorted(os.sched_getaffinity(0))
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mattes(folder, (height, width), mattes)
        print(f"{mattes:,} mattes of {width}x{height}, medians of {rounds}\n\n"
              "| protocol | transcription, ms of a core | "
              "matting.evaluate, ms of a core | ratio | 1 core, s | 2 cores, s | times one core |\n"
              "|---|---|---|---|---|---|---|", flush=True)
        for protocol in PROTOCOLS:
            slow, fast = (time_on_a_core(folder, protocol, count)
                          for time_on_a_core in (time_transcription, time_measuring))
            timed = [[time_program(folder, protocol, used) for used in (cores[-1:], cores[-2:])] for _ in range(rounds)]
            one, two = (statistics.median(seconds) for seconds in zip(*timed, strict=True))
            print(f"| {protocol} | {1000 * slow:.1f} | {1000 * fast:.1f} | {slow / fast:.1f} | {one:.1f} | {two:.1f} | "
                  f"{one / two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
