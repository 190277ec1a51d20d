"""Metrics against their straightforward transcription, on one thread: python -m benchmarks.metrics."""
import statistics
import time
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import baseline_metrics
from benchmarks.extent import read_extent
from matting import metrics
from matting.trimap import fuse, make_trimap


class Extent(NamedTuple):
    size: tuple  # of the mattes, (height, width)
    repeats: int


FULL = Extent((1080, 1620), 7)  # the release protocol's frame
QUICK = Extent((108, 162), 1)


def make_mattes(rng, size=FULL.size):
    """(prediction, alpha, trimap) as of a photograph: a ragged soft object, 8-bit mattes as float64 in [0, 1]."""
    y, x = np.mgrid[-1:1:size[0] * 1j, -1.5:1.5:size[1] * 1j]
    ragged = sum(_noise(rng, size, spacing) * spacing for spacing in (6, 24, 96)) / 400
    alpha = np.clip(0.5 + 12 * (0.75 - np.hypot(x, y) + ragged), 0, 1)
    alpha = np.rint(255 * alpha).astype(np.uint8)
    trimap = make_trimap(alpha, 15)
    error = 0.4 * _noise(rng, size, 24) + 0.2 * _noise(rng, size, 1)
    prediction = np.rint(255 * fuse(np.clip(alpha / 255 + error, 0, 1), trimap))
    return prediction / 255, alpha / 255, trimap


def main(argv=None):
    (height, width), repeats = read_extent("benchmarks.metrics", __doc__, FULL, QUICK, argv)
    cv2.setNumThreads(1)
    prediction, alpha, trimap = make_mattes(np.random.default_rng(0), (height, width))
    print(f"{width}x{height}, {(trimap == 128).mean():.0%} unknown, one thread, medians of {repeats}\n")
    print("| protocol | mattes | transcription, ms | matting.metrics, ms | ratio | largest relative difference |")
    print("|---|---|---|---|---|---|")
    for protocol in metrics.PROTOCOLS:
        for kind in (np.float32, np.float64):
            inputs = (prediction.astype(kind), alpha.astype(kind), trimap, protocol)
            slow, fast = [], []
            for _ in range(repeats):
                slow.append(_timed(baseline_metrics.evaluate, inputs))
                fast.append(_timed(metrics.evaluate, inputs))
            (expected, slow_seconds), (found, fast_seconds) = map(_median, (slow, fast))
            difference = max(abs(found[name] / expected[name] - 1) for name in metrics.METRICS)
            print(f"| {protocol} | {kind.__name__} | {1000 * slow_seconds:.0f} | {1000 * fast_seconds:.1f} | "
                  f"{slow_seconds / fast_seconds:.1f} | {difference:.1e} |")


def _noise(rng, size, spacing):
    """(H, W) smooth noise about [-1, 1], with detail of `spacing` pixels."""
    coarse = rng.uniform(-1, 1, (size[0] // spacing + 1, size[1] // spacing + 1))
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def _timed(evaluate, inputs):
    start = time.perf_counter()
    values = evaluate(*inputs)
    return values, time.perf_counter() - start


def _median(runs):
    return runs[0][0], statistics.median(seconds for _, seconds in runs)


if __name__ == "__main__":
    main()
