"""Unknown regions as people draw them: wide, uneven, over thin parts, in boxes. Each is a given trimap's, grown."""
import cv2
import numpy as np

from matting.trimap import UNKNOWN

WIDEST = 1 / 4  # of the trimap's side: how far a region grows
THICKEST = 1 / 8  # half the width of the widest parts that are swallowed
BOX = (0.15, 0.6)  # range of a box's sides
MOST = 0.9  # of the pixels become unknown; what would exceed that stays as it was


def as_given(trimap, rng):
    """No change."""
    return trimap


def varied(trimap, rng):
    """(S, S) trimap in {0, 128, 255} -> the same, its unknown region grown in one of five ways, one of them not at all.

    No known pixel changes its value but to UNKNOWN, and an unknown one stays unknown.
    """
    grow = WAYS[rng.choice(len(WAYS), p=SHARES)]
    known = trimap != UNKNOWN
    if known.all():
        return trimap
    distance = _distance_to_false(known)
    grown = grow(distance, rng) & known
    if np.count_nonzero(~known | grown) > MOST * known.size:
        return trimap
    return np.where(grown, np.uint8(UNKNOWN), trimap)


def nowhere(distance, rng):
    """(S, S) float32 distance to the unknown region, in pixels -> (S, S) bool, what it grows by: here by nothing."""
    return np.zeros(distance.shape, bool)


def evenly(distance, rng):
    """Everything within a distance, small ones being likelier."""
    return distance <= WIDEST * len(distance) * rng.random() ** 2


def unevenly(distance, rng):
    """Everything within a distance that changes smoothly from place to place."""
    cells = rng.integers(2, 7)
    reach = WIDEST * len(distance) * rng.random((cells, cells), np.float32) ** 2
    return distance <= cv2.resize(reach, distance.shape[::-1], interpolation=cv2.INTER_LINEAR)


def over_thin_parts(distance, rng):
    """Of what remains at some distance, the parts that a disc does not fit into."""
    remaining = distance > WIDEST / 4 * len(distance) * rng.random()
    disc = THICKEST * len(distance) * rng.random()
    fits = _distance_to_false(remaining) > disc
    return ~remaining | (_distance_to_false(~fits) > disc)


def in_boxes(distance, rng):
    """One to three rectangles, each around a pixel near the unknown region."""
    grown, side = np.zeros(distance.shape, bool), len(distance)
    middles = np.argwhere(distance <= WIDEST * side)
    for _ in range(rng.integers(1, 4)):
        middle, half = middles[rng.integers(len(middles))], rng.uniform(*BOX, 2) * side / 2
        top, left = np.maximum(middle - half, 0).astype(int)
        bottom, right = (middle + half).astype(int) + 1
        grown[top:bottom, left:right] = True
    return grown


def _distance_to_false(region):
    """Of each pixel, to the nearest one outside the region, to 2 %; infinite where there is none."""
    if region.all():
        return np.full(region.shape, np.inf, np.float32)
    return cv2.distanceTransform(region.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


WAYS = (nowhere, evenly, unevenly, over_thin_parts, in_boxes)
SHARES = (0.4, 0.15, 0.2, 0.15, 0.1)
UNKNOWN_REGIONS = {"band": as_given, "varied": varied}  # config.unknown_regions
