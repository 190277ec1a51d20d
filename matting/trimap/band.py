"""A trimap from a mask: unknown is a band around the mask's edge, and all that is soft in the mask."""
from typing import NamedTuple

import cv2
import numpy as np

from matting.errors import UserError
from matting.trimap import BACKGROUND, FOREGROUND, ROUNDING, UNKNOWN
from matting.trimap.sizes import resize_trimap

LOW, HIGH = 12, 243  # below and above, a mask is sure: beyond the noise of JPEG and the haze of a network's output


class Band(NamedTuple):
    """How far alpha is unknown on either side of a mask's edge."""

    amount: float
    in_percent: bool  # of the object's size, the side of a square as large as the object; else in pixels

    @classmethod
    def parse(cls, text):
        """`12` or `12px`, `3%` or `2.5%`; raises UserError for anything else."""
        number = text.strip()
        in_percent = number.endswith("%")
        try:
            amount = float(number[:-1] if in_percent else number.removesuffix("px"))
        except ValueError:
            amount = -1.0
        if not 0 < amount < np.inf:
            raise UserError(f"--band {text}: neither pixels, such as 12, nor percent of the object's size, such as 3%")
        return cls(amount, in_percent)

    def pixels(self, area):
        """The band of an object of `area` pixels; at least one pixel."""
        return max(1.0, self.amount / 100 * area ** 0.5 if self.in_percent else self.amount)


DEFAULT_BAND = Band(3, True)


def trimap_from_mask(mask, size, band=DEFAULT_BAND):
    """A mask of the photograph's aspect -> (height, width) = size trimap, uint8 in {0, 128, 255}.

    mask: (h, w) uint8, 0 background .. 255 object; of two values the greater is the object. Soft pixels are unknown,
    and so are all within the band of the edge or of a soft pixel. A mask that is smaller than the photograph has a
    band of at least one of its own pixels, since it knows no better. Holes and parts thinner than the band become
    unknown, none becomes known. Raises UserError for a mask without an object or without background.
    """
    sure = _three_values(hard_as_extremes(mask), size)
    if not (sure != BACKGROUND).any():
        raise UserError("shows no object: all of it is background")
    if not (sure != FOREGROUND).any():
        raise UserError("shows no background: all of it is object")
    area = np.count_nonzero(sure == FOREGROUND) + np.count_nonzero(sure == UNKNOWN) / 2
    radius = max(band.pixels(area), size[0] / mask.shape[0] if size[0] > mask.shape[0] else 0)
    trimap = np.full(size, UNKNOWN, np.uint8)
    for value in (BACKGROUND, FOREGROUND):
        trimap[_farther_inside(sure == value, radius)] = value
    return trimap


def hard_as_extremes(mask):
    """A mask of two values, such as 0 and 1, as 0 and 255; any other as it is."""
    low, high = int(mask.min()), int(mask.max())
    if low < high and ((mask == low) | (mask == high)).all():
        return np.where(mask == high, np.uint8(255), np.uint8(0))
    return mask


def _three_values(mask, size):
    """The mask at the photograph's size: surely background, surely object, or soft (UNKNOWN)."""
    enlarged = size[0] * size[1] > mask.size
    if enlarged:
        mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_LINEAR)
    values = np.full(mask.shape, UNKNOWN, np.uint8)
    values[mask <= LOW] = BACKGROUND
    values[mask >= HIGH] = FOREGROUND
    return values if enlarged else resize_trimap(values, size)


def _farther_inside(region, radius):
    """Where a (H, W) bool region's pixels are farther than `radius` from everything outside it."""
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance > radius + ROUNDING
