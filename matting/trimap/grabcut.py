"""A mask from a box around the object, or from strokes (Rother, Kolmogorov, Blake 2004, in OpenCV's implementation)."""
from typing import NamedTuple

import cv2
import numpy as np

from matting.compat import zip_equal
from matting.errors import UserError
from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from matting.trimap.marks import UNMARKED, resize_marks

SIDE = 800  # pixels, of the reduced photograph that is cut: seconds, and the band makes up for what is lost
ROUNDS = 5
COLOURS_NEEDED = 5  # pixels of object and of background, one for each component of OpenCV's colour models
SHADES = 8  # colours that strokes of a kind are summed up by
UNLIKE = 10  # distance in CIELAB beyond which a colour is none of the background's
ISLAND = 0.02  # of the largest part's area, below which a part that no stroke marks is dropped
HOLE = 0.002  # of the object's area, below which a hole that no stroke marks is filled
DOUBTFUL_HOLE = 0.01  # of the object's area, below which such a hole is left to the network: an eye, or the arm's crook
RARE = 0.02  # of the colours outside a box, below which a shade is the object's, over which the box is drawn too tight
SEED = 0  # of OpenCV's k-means, so that equal input gives equal masks


class Box(NamedTuple):
    """A rectangle around the object, in pixels of the upright photograph."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text):
        """`X,Y,W,H`, whole numbers; raises UserError for anything else."""
        try:
            box = cls(*(int(number) for number in text.replace(",", " ").split()))
        except (TypeError, ValueError):
            box = cls(0, 0, 0, 0)
        if min(box.width, box.height) < 1:
            raise UserError(f"--box {text}: expected X,Y,WIDTH,HEIGHT in pixels, such as 120,80,400,600")
        return box

    def inside(self, size):
        """(rows, columns), slices of what lies inside a photograph of (height, width) = size.

        Raises UserError where nothing of the box does, or nothing of the photograph is left outside.
        """
        height, width = size
        top, bottom = max(self.y, 0), min(self.y + self.height, height)
        left, right = max(self.x, 0), min(self.x + self.width, width)
        given = ",".join(map(str, self))
        if top >= bottom or left >= right:
            raise UserError(f"--box {given}: lies outside the photograph of {width}x{height}")
        if (bottom - top, right - left) == (height, width):
            raise UserError(f"--box {given}: leaves nothing of the photograph outside; draw it closer to the object")
        return slice(top, bottom), slice(left, right)


def mask_from_marks(image, box=None, marks=None):
    """(H, W, 3) uint8 RGB, a Box, (H, W) marks or both -> (h, w) uint8 mask, of at most SIDE pixels a side.

    0 background, 255 object, 128 holes that may be either. Outside a box all is background. What is not marked starts
    as what its colour resembles. Small parts and holes that are not marked go. Raises UserError where GrabCut has
    nothing to start from or finds no object.
    """
    height, width = image.shape[:2]
    scale = min(1, SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    marks = np.full(size, UNMARKED, np.uint8) if marks is None else resize_marks(marks, size)
    outside = np.full(image.shape[:2], box is not None, np.uint8)
    if box is not None:
        outside[box.inside(image.shape[:2])] = 0
    outside = cv2.resize(outside, size[::-1], interpolation=cv2.INTER_NEAREST) > 0
    cv2.setRNGSeed(SEED)
    labels = _by_colour(small, np.where(outside, np.uint8(BACKGROUND), marks), box is not None)
    labels[outside] = cv2.GC_BGD
    labels[marks == BACKGROUND], labels[marks == FOREGROUND] = cv2.GC_BGD, cv2.GC_FGD
    objects = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if min(np.count_nonzero(objects), np.count_nonzero(~objects)) < COLOURS_NEEDED:
        raise UserError("too little is marked to tell the object from the background; mark some of both")
    labels = cv2.grabCut(small, labels, None, None, None, ROUNDS, cv2.GC_INIT_WITH_MASK)[0]
    mask = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    if not mask.any():
        raise UserError("no object was found that differs from what lies around it; mark it with --strokes")
    return doubt_holes(tidy_mask(mask, marks), marks)


def tidy_mask(mask, marks):
    """(h, w) mask and marks -> the mask without the islands and holes that are small and hold no mark of their kind."""
    mask = mask.copy()
    for part, area, largest in _parts(mask > 0):
        if area < ISLAND * largest and not (part & (marks == FOREGROUND)).any():
            mask[part] = 0
    found = np.count_nonzero(mask)
    for part, area, _ in _parts(mask == 0):
        if area < HOLE * found and not (part & (marks == BACKGROUND)).any():
            mask[part] = 255
    return mask


def doubt_holes(mask, marks):
    """(h, w) mask and marks -> the mask with those holes UNKNOWN that hold no mark and are small beside the object."""
    mask, found = mask.copy(), np.count_nonzero(mask)
    for part, area, _ in _parts(mask == BACKGROUND):
        if area < DOUBTFUL_HOLE * found and not (part & (marks == BACKGROUND)).any():
            mask[part] = UNKNOWN
    return mask


def _parts(region):
    """Yield each connected part of a (h, w) bool region, its area and that of the largest."""
    count, numbers, facts, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    areas = facts[:, cv2.CC_STAT_AREA]
    for number in range(1, count):
        yield numbers == number, areas[number], areas[1:].max()


def _by_colour(image, marks, boxed):
    """GrabCut's labels to start from: object is what resembles its strokes more, or nothing that is background.

    marks: (H, W), BACKGROUND also outside a box. By the nearest mark, or as all of a box, parts of other colours would
    start, and mostly stay, on the wrong side. Where a box holds the colours outside only, all of it starts as object.
    """
    pixels = cv2.cvtColor(image / np.float32(255), cv2.COLOR_RGB2LAB)
    to_background = _distance_in_colour(pixels, marks == BACKGROUND, RARE if boxed else 0)
    to_object = _distance_in_colour(pixels, marks == FOREGROUND)
    objects = to_object < to_background
    if boxed or (marks == FOREGROUND).any():
        objects |= to_background > UNLIKE
    if boxed and np.count_nonzero(objects) < COLOURS_NEEDED:
        objects[:] = True
    return np.where(objects, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))


def _distance_in_colour(pixels, region, rare=0):
    """(H, W, 3) float32, (H, W) bool -> (H, W), how far each colour is from the region's; infinite without a region.

    Shades of less than a `rare` part of the region do not count.
    """
    nearest = np.full(region.shape, np.inf, np.float32)
    colours = pixels[region]
    if not len(colours):
        return nearest
    criteria = (cv2.TERM_CRITERIA_COUNT, ROUNDS, 0)
    _, shades, centres = cv2.kmeans(colours, min(SHADES, len(colours)), None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    for centre, count in zip_equal(centres, np.bincount(shades[:, 0], minlength=len(centres))):
        if count >= rare * len(colours):
            np.minimum(nearest, np.linalg.norm(pixels - centre, axis=2), out=nearest)
    return nearest
