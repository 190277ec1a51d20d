"""Marks that a person painted: object, background and unknown, the rest unmarked."""
import cv2
import numpy as np

from matting.errors import UserError
from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN

UNMARKED = 64
COLOURS = {FOREGROUND: (0, 255, 0), BACKGROUND: (255, 0, 0), UNKNOWN: (0, 0, 255)}  # green, red, blue
GREYS = {FOREGROUND: (255, 255, 255), BACKGROUND: (0, 0, 0), UNKNOWN: (128, 128, 128)}  # on a transparent layer, too
NEAR = 50  # levels in each channel: JPEG moves a painted colour, and what is not painted, by less
PAINTED = 128  # opacity from which a layer's pixel counts as painted


def read_marks(picture, photograph):
    """A picture with marks -> (H, W) uint8 of 255 object, 0 background, 128 unknown, 64 unmarked.

    picture: (H, W, 3) RGB, where pure green, red and blue are marks unless they are the photograph's own colours, or
    (H, W, 4) RGBA, a layer that is transparent where nothing is painted, where white, black and grey are marks, too.
    photograph: RGB of the same aspect. Raises UserError where there is no mark.
    """
    marks = np.full(picture.shape[:2], UNMARKED, np.uint8)
    transparent = picture.shape[2] == 4
    for table in (GREYS, COLOURS) if transparent else (COLOURS,):
        for value, colour in table.items():
            low, high = ([min(max(level + step, 0), 255) for level in colour] for step in (-NEAR, NEAR))
            marks[cv2.inRange(picture[:, :, :3], np.array(low), np.array(high)) > 0] = value
    if transparent:
        marks[picture[:, :, 3] < PAINTED] = UNMARKED
    else:
        own = cv2.resize(photograph, marks.shape[::-1], interpolation=cv2.INTER_AREA)
        marks[cv2.absdiff(picture, own).max(axis=2) <= NEAR] = UNMARKED
    if not (marks != UNMARKED).any():
        raise UserError("holds no marks; paint the object green, the background red and what is unknown blue")
    return marks


def resize_marks(marks, size):
    """(h, w) marks -> (height, width) = size: enlarged nearest, reduced so that no stroke is lost."""
    height, width = size
    if height * width >= marks.size:
        return cv2.resize(marks, (width, height), interpolation=cv2.INTER_NEAREST)
    result = np.full(size, UNMARKED, np.uint8)
    for value in (UNKNOWN, BACKGROUND, FOREGROUND):
        painted = np.where(marks == value, np.float32(255), np.float32(0))
        result[cv2.resize(painted, (width, height), interpolation=cv2.INTER_AREA) > 0.5] = value
    return result


def with_marks(trimap, marks):
    """The trimap with what a person marked in its place: both (H, W); a new array."""
    return np.where(marks == UNMARKED, trimap, marks)
