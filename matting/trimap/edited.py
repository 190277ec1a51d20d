"""A trimap as picture editors write it: 127 for 128, smoothed edges, JPEG's noise; and what is no trimap at all."""
from typing import NamedTuple

import cv2
import numpy as np

from matting.errors import UserError
from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN

LAST_BACKGROUND, LAST_UNKNOWN = 63, 191  # the greys that are nearest to 0 and to 128; 64 is as near, and not known
EXTREME = 16  # levels from 0 or 255 within which a pixel is meant to be known, from 128 within which unknown
KNOWN_PART = 0.5  # of a mask's pixels at least: a photograph has fewer so dark or so bright
UNKNOWN_PART = 0.3  # of a trimap's other pixels at least; greys spread evenly from 17 to 238 would have 0.15


class Tidied(NamedTuple):
    """A trimap of exactly three values, and what it took to make it one."""

    trimap: np.ndarray  # (H, W) uint8 in {0, 128, 255}
    moved: int  # pixels that had another value


def tidy_trimap(grey):
    """(H, W) uint8 -> Tidied, each pixel the nearest of 0, 128 and 255; raises UserError for what is no trimap.

    The error says what it seems to be and which flag takes it.
    """
    check_looks_like_trimap(grey)
    table = np.full(256, UNKNOWN, np.uint8)
    table[:LAST_BACKGROUND + 1], table[LAST_UNKNOWN + 1:] = BACKGROUND, FOREGROUND
    trimap = cv2.LUT(grey, table)
    return Tidied(trimap, int(np.count_nonzero(trimap != grey)))


def check_looks_like_trimap(grey):
    """Raise UserError, naming the right flag, for a soft mask and for a grey photograph."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256])  # np.bincount makes integers of 8 bytes
    known = counts[:EXTREME + 1].sum() + counts[255 - EXTREME:].sum()
    unknown = counts[UNKNOWN - EXTREME:UNKNOWN + EXTREME + 1].sum()
    if unknown >= UNKNOWN_PART * (grey.size - known):
        return
    if known >= KNOWN_PART * grey.size:
        raise UserError("looks like a soft mask, not like a trimap of 0, 128 and 255; pass it with --mask")
    raise UserError("looks like a grey photograph, not like a trimap of 0, 128 and 255; the photograph comes first, "
                    "then the trimap, or a mask with --mask")
