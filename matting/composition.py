"""Composition: a foreground over a background, image = alpha F + (1 - alpha) B."""
import math

import cv2
import numpy as np


def composite(foreground, background, alpha):
    """alpha F + (1 - alpha) B for (H, W, 3) colours and (H, W) alpha, all float32 in [0, 1]; a new array."""
    alpha = alpha[:, :, None]
    return alpha * foreground + (1 - alpha) * background


def composite_uint8(foreground, background, alpha):
    """The documented 8-bit composite: uint8 in, float32 arithmetic, truncated (not rounded) uint8 out."""
    alpha = alpha[:, :, None].astype(np.float32) / 255
    return (alpha * foreground.astype(np.float32) + (1 - alpha) * background.astype(np.float32)).astype(np.uint8)


def cover_background(background, height, width):
    """Make a background cover a foreground: the one rule for prepared composites and for training samples.

    background: (h, w, 3). One that is too small in either dimension is enlarged by max(width / w, height / h),
    cubic, to rounded-up sizes. Returns its top-left (height, width, 3).
    """
    h, w = background.shape[:2]
    scale = max(width / w, height / h)
    if scale > 1:
        size = (math.ceil(w * scale), math.ceil(h * scale))
        background = cv2.resize(background, size, interpolation=cv2.INTER_CUBIC)
    return background[:height, :width]
