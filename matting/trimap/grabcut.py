"""A mask from a box around the object, or from strokes (Rother, Kolmogorov, Blake 2004, in OpenCV's implementation)."""
from typing import NamedTuple

import cv2
import numpy as np

from matting.errors import UserError
from matting.trimap import BACKGROUND, FOREGROUND
from matting.trimap.marks import resize_marks

SIDE = 800  # pixels, of the reduced photograph that is cut: seconds, and the band makes up for what is lost
ROUNDS = 5
COLOURS_NEEDED = 5  # pixels of object and of background, one for each component of OpenCV's colour models
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
    """(H, W, 3) uint8 RGB, a Box, (H, W) marks or both -> (h, w) uint8 mask of 0 and 255, of at most SIDE pixels.

    Outside a box all is background. Without one, what is not marked starts as the nearest mark's kind. Raises
    UserError where GrabCut has nothing to start from or finds no object.
    """
    height, width = image.shape[:2]
    scale = min(1, SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    labels = np.full(image.shape[:2], cv2.GC_PR_FGD, np.uint8)
    if box is not None:
        rows, columns = box.inside(image.shape[:2])
        labels[:] = cv2.GC_BGD
        labels[rows, columns] = cv2.GC_PR_FGD
    labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
    if marks is not None:
        labels = _with_marked(labels, resize_marks(marks, size), box is None)
    objects = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if min(np.count_nonzero(objects), np.count_nonzero(~objects)) < COLOURS_NEEDED:
        raise UserError("too little is marked to tell the object from the background; mark some of both")
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    cv2.setRNGSeed(SEED)
    labels = cv2.grabCut(small, labels, None, None, None, ROUNDS, cv2.GC_INIT_WITH_MASK)[0]
    mask = np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.uint8(255), np.uint8(0))
    if not mask.any():
        raise UserError("no object was found that differs from what lies around it; mark it with --strokes")
    return mask


def _with_marked(labels, marks, spread):
    """GrabCut's labels with marked pixels sure; `spread`: every other starts as the kind of mark nearest to it."""
    marked = {value: marks == value for value in (BACKGROUND, FOREGROUND)}
    if spread:
        to_background, to_object = (_distance_to(marked[value]) for value in (BACKGROUND, FOREGROUND))
        labels = np.where(to_object < to_background, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))
    labels = labels.copy()
    labels[marked[BACKGROUND]] = cv2.GC_BGD
    labels[marked[FOREGROUND]] = cv2.GC_FGD
    return labels


def _distance_to(region):
    """(H, W) bool -> (H, W) float32, pixels to the nearest one of the region; infinite where it is empty."""
    if not region.any():
        return np.full(region.shape, np.inf, np.float32)
    return cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
