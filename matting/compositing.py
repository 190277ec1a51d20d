"""Composition: a foreground over a background, image = alpha F + (1 - alpha) B."""
import math

import cv2
import numpy as np

STRIP = 16  # rows
CUBIC_REACH = 4  # pixels beyond a position that cubic interpolation may read


def composite(foreground, background, alpha):
    """alpha F + (1 - alpha) B for (H, W, 3) colours and (H, W) alpha, all float32 in [0, 1]; a new array."""
    alpha = alpha[:, :, None]
    return alpha * foreground + (1 - alpha) * background


def composite_uint8(foreground, background, alpha):
    """The documented 8-bit composite: uint8 in, float32 arithmetic, truncated (not rounded) uint8 out.

    foreground, background: (H, W, 3). alpha: (H, W). Strip by strip, so that float32 never leaves the processor's
    cache: five times faster than whole images.
    """
    result = np.empty_like(foreground)
    for top in range(0, len(alpha), STRIP):
        rows = slice(top, top + STRIP)
        opacity = cv2.merge([alpha[rows].astype(np.float32) / 255] * 3)
        strip = opacity * foreground[rows]
        strip += (1 - opacity) * background[rows]
        result[rows] = strip
    return result


def compose_over(foreground, background, alpha):
    """alpha F + (1 - alpha) B of integers, rounded: (H, W, 3) colours of one type, which it returns, (H, W) alpha.

    Strip by strip, so that float32 copies stay small.
    """
    result, opaque = np.empty_like(foreground), np.iinfo(alpha.dtype).max
    for top in range(0, len(alpha), STRIP):
        rows = slice(top, top + STRIP)
        opacity = cv2.merge([alpha[rows].astype(np.float32) / opaque] * 3)
        result[rows] = np.rint(opacity * foreground[rows] + (1 - opacity) * background[rows])
    return result


def cover_background(background, height, width):
    """Make a background cover a foreground: the one rule for prepared composites and for training samples.

    background: (h, w, 3). One that is too small in either dimension is enlarged by max(width / w, height / h),
    cubic, to rounded-up sizes. Returns its top-left (height, width, 3).
    """
    size = _covering_size(background, height, width)
    if size:
        background = cv2.resize(background, size, interpolation=cv2.INTER_CUBIC)
    return background[:height, :width]


def cover_background_crop(background, height, width, crop):
    """`cover_background(background, height, width)[crop]`, enlarging only what lies above and to the left of its end.

    crop: (rows, columns), slices with both ends given. Equal where nothing is enlarged, otherwise within one grey
    level: OpenCV's own code and Intel's, which it calls for whole images, round some halves differently.
    """
    size = _covering_size(background, height, width)
    if size:
        (rows, columns), (h, w) = crop, background.shape[:2]
        scale_x, scale_y = size[0] / w, size[1] / h
        needed = background[:math.ceil(rows.stop / scale_y) + CUBIC_REACH,
                            :math.ceil(columns.stop / scale_x) + CUBIC_REACH]
        background = cv2.resize(needed, None, fx=scale_x, fy=scale_y, interpolation=cv2.INTER_CUBIC)
    return background[crop]


def _covering_size(background, height, width):
    """(width, height) to enlarge a background to; None where it covers as it is."""
    h, w = background.shape[:2]
    scale = max(width / w, height / h)
    return (math.ceil(w * scale), math.ceil(h * scale)) if scale > 1 else None
