"""Alpha at any size in bounded memory: the network sees windows of the image, only where something is unknown.

A window is a core with a margin around. What a window says of its core counts in full; into the margin its word fades
out, to half of the margin, so that no seam shows, and what lies beyond is seen by the network but not used.
"""
from typing import NamedTuple

import cv2
import numpy as np

from matting.inference import STRIDE, network_side, to_alpha
from matting.transforms import normalise, to_float
from matting.trimap import fuse, unknown_region

MARGIN = 256  # pixels; of small windows a quarter of their sides


class Span(NamedTuple):
    """One side of a window: where it starts and ends in the image, and its core."""

    start: int
    stop: int
    core_start: int
    core_stop: int


def estimate_in_windows(predict, image, trimap, config, window, margin=MARGIN):
    """(H, W, 3) uint8 RGB and (H, W) trimap -> (H, W) float32 alpha, known pixels exactly 0 or 1.

    predict: (1, 4, h, w) -> (1, 1, h, w) float32 arrays. window: (height, width) that it is given, multiples of 32.
    """
    total, weight = np.zeros(trimap.shape, np.float32), np.zeros(trimap.shape, np.float32)
    for rows, columns in plan_windows(unknown_region(trimap), window, margin):
        part = np.s_[rows.start:rows.stop, columns.start:columns.stop]
        alpha = estimate_padded(predict, image[part], trimap[part], config, window)
        share = fading(rows)[:, None] * fading(columns)
        total[part] += share * alpha
        weight[part] += share
    return fuse(np.divide(total, weight, out=total, where=weight > 0), trimap)


def estimate_padded(predict, image, trimap, config, window):
    """As estimate_in_windows, of an image no larger than the one window, which is filled up by reflection."""
    height, width = trimap.shape
    image, trimap_padded = (reflect(pixels, window) for pixels in (image, trimap))
    output = predict(normalise(to_float(image), trimap_padded, config)[None])
    return to_alpha(output[:, :, :height, :width], trimap, config)


def reflect(pixels, size):
    """(h, w[, C]) continued at the bottom and on the right to (height, width) = size, mirrored at the border."""
    height, width = pixels.shape[:2]
    return cv2.copyMakeBorder(pixels, 0, size[0] - height, 0, size[1] - width, cv2.BORDER_REFLECT_101)


def window_for(size, area):
    """(height, width) of the windows for an image of `size` and a network that takes any: the whole where it fits.

    Of at most `area` pixels; multiples of 32, and square where the image is larger in both directions.
    """
    height, width = map(network_side, size)
    if height * width <= area:
        return height, width
    side = int(area ** 0.5) // STRIDE * STRIDE
    if height <= side:
        return height, area // height // STRIDE * STRIDE
    if width <= side:
        return area // width // STRIDE * STRIDE, width
    return side, side


def holds(window, size):
    """Whether an image of (height, width) = size lies in one window."""
    return size[0] <= window[0] and size[1] <= window[1]


def plan_windows(unknown, window, margin):
    """(H, W) bool -> [(Span of rows, Span of columns)], such that each unknown pixel lies in the core of one.

    Rows of windows are laid from the first unknown pixel down, in each row from the first one on; or columns of them,
    whichever needs fewer.
    """
    by_rows = _shelves(unknown, window, margin)
    by_columns = [(rows, columns) for columns, rows in _shelves(unknown.T, window[::-1], margin)]
    return min(by_rows, by_columns, key=len)


def fading(span):
    """How much each row or column of a window counts: 1 in its core, falling to 0 half of the margin beyond."""
    places = np.arange(span.start, span.stop, dtype=np.float32)
    shares = np.ones_like(places)
    for margin, beyond in ((span.core_start - span.start, span.core_start - places),
                           (span.stop - span.core_stop, places - (span.core_stop - 1))):
        if margin:
            np.minimum(shares, 1 - beyond / (margin // 2 + 1), out=shares)
    return np.maximum(shares, 0)


def _shelves(unknown, window, margin):
    windows = []
    for rows in _cover(unknown.any(axis=1), window[0], margin):
        shelf = unknown[rows.core_start:rows.core_stop].any(axis=0)
        windows += [(rows, columns) for columns in _cover(shelf, window[1], margin)]
    return windows


def _cover(marked, length, margin):
    """(N,) bool -> Spans of at most `length` whose cores hold every marked place, each from the first one left.

    They start at multiples of 32, where the network's cells would start if it saw the whole.
    """
    margin = min(margin, length // 4, (length - STRIDE) // 2)
    spans, place = [], 0
    while marked[place:].any():
        place += int(marked[place:].argmax())
        start = max(0, min(place - margin, network_side(len(marked)) - length)) // STRIDE * STRIDE
        stop = min(start + length, len(marked))
        spans.append(Span(start, stop, start + margin if start else 0, stop - margin if stop < len(marked) else stop))
        place = spans[-1].core_stop
    return spans
