"""Trimaps and masks of another size than the photograph's, as long as the aspect is the same."""
import cv2
import numpy as np

from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN

MIXED = 0.5  # of 255: above float32 noise in a mean, below what a sliver of another value adds to it


def same_aspect(size, reference):
    """Whether two (height, width) differ in scale only, to a pixel of rounding in one of the sides."""
    (height, width), (reference_height, reference_width) = size, reference
    return (abs(height - reference_height * width / reference_width) <= 1
            or abs(width - reference_width * height / reference_height) <= 1)


def resize_trimap(trimap, size):
    """(h, w) trimap -> (height, width) = size: enlarged nearest; reduced so that no unknown pixel is lost.

    In a reduced trimap a pixel is known where all that it covers is known to be the same.
    """
    height, width = size
    if trimap.shape == (height, width):
        return trimap.copy()
    if height * width >= trimap.size:
        return cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)
    result = np.full(size, UNKNOWN, np.uint8)
    for value in (BACKGROUND, FOREGROUND):
        others = np.where(trimap == value, np.float32(0), np.float32(255))
        result[cv2.resize(others, (width, height), interpolation=cv2.INTER_AREA) < MIXED] = value
    return result
