"""From an image and a trimap to the network's input, and from its output to the alpha matte, in one pass.

Evaluation, validation, prediction and both frameworks share this path; matting.estimation leads along it at any size.
"""
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from matting.errors import UserError
from matting.transforms import normalise, to_float
from matting.trimap import fuse

STRIDE = 32  # the network's input sides are multiples of this


def network_side(side):
    """The smallest multiple of 32 that is no smaller."""
    return -(-side // STRIDE) * STRIDE


def side_below(side):
    """The largest multiple of 32 that is no larger; 32 for a smaller side."""
    return max(side // STRIDE, 1) * STRIDE


def side_below_1600(side):
    """As side_below, at most 1600."""
    return min(side_below(side), 1600)


class Resizing(NamedTuple):
    """Image and trimap are resized to sides the network takes, the alpha back."""

    side: Callable
    image: int  # interpolation
    trimap: int
    alpha: int

    def forth(self, image, trimap):
        size = tuple(self.side(side) for side in trimap.shape[::-1])
        return cv2.resize(image, size, interpolation=self.image), cv2.resize(trimap, size, interpolation=self.trimap)

    def back(self, alpha, height, width):
        return cv2.resize(alpha, (width, height), interpolation=self.alpha)


class Padding(NamedTuple):
    """Image and trimap go on to the right and downwards as their reflection, which is cut off the alpha again."""

    side: Callable

    def forth(self, image, trimap):
        margins = [(0, self.side(side) - side) for side in trimap.shape]
        return np.pad(image, (*margins, (0, 0)), "reflect"), np.pad(trimap, margins, "reflect")

    def back(self, alpha, height, width):
        return alpha[:height, :width]


FITS = {  # config.fit: what happens to an image whose sides are no multiples of 32, and whose programs do it
    "up": Resizing(network_side, cv2.INTER_CUBIC, cv2.INTER_NEAREST, cv2.INTER_CUBIC),  # the IndexNet release
    "down": Resizing(side_below, cv2.INTER_CUBIC, cv2.INTER_NEAREST, cv2.INTER_CUBIC),  # mmagic's IndexNet
    "down_linear": Resizing(side_below_1600, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_LINEAR),  # huochaitiantang
    "pad": Padding(network_side),  # mmagic's Deep Image Matting
}
FITS["resize"] = FITS["up"]


def to_network_input(image, trimap, config):
    """(H, W, 3) uint8 RGB and (H, W) trimap -> (1, 4, H', W') float32, normalised, H' and W' multiples of 32.

    Sides that are none become so by config.fit, a row of FITS.
    """
    image, trimap = FITS[config.fit].forth(image, trimap)
    return normalise(to_float(image), trimap, config)[None]


def to_alpha(output, trimap, config):
    """(1, 1, H', W') network output -> (H, W) float32 alpha in [0, 1], exactly 0 or 1 where the trimap is known.

    Brought back to the trimap's size by config.fit. Raises UserError where the output is not finite.
    """
    if not np.isfinite(output).all():
        raise UserError("the network's output is not finite; its checkpoint is damaged or comes from a training run "
                        "that diverged")
    return fuse(np.clip(FITS[config.fit].back(output[0, 0], *trimap.shape), 0, 1), trimap)


def to_uint8(alpha):
    """Float in [0, 1] -> uint8 0..255, rounded."""
    return np.rint(255 * alpha).astype(np.uint8)


class OwnSize:
    """In place of a Frame: an image at its own size."""

    def place(self, pixels, interpolation=None):
        return pixels

    extract = place


class Frame:
    """Where an image lies in a frame of fixed size: the release's evaluation protocol.

    An image that stands upright in a frame that lies (or the reverse) is transposed; it is resized to fit, keeping its
    aspect ratio, and zero-padded on the right and at the bottom.
    """

    def __init__(self, image_size, frame_size):
        """Both (height, width)."""
        (height, width), (frame_height, frame_width) = image_size, frame_size
        self.frame_size = frame_size
        self.transposed = (height > width) != (frame_height > frame_width)
        if self.transposed:
            height, width = width, height
        scale = min(frame_height / height, frame_width / width)
        self.fitted_size = max(1, round(height * scale)), max(1, round(width * scale))

    def place(self, pixels, interpolation=cv2.INTER_CUBIC):
        """(H, W[, C]) of the image's size -> (h, w[, C]) of the frame's."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        height, width = self.fitted_size
        placed = np.zeros((*self.frame_size, *pixels.shape[2:]), pixels.dtype)
        placed[:height, :width] = cv2.resize(pixels, (width, height), interpolation=interpolation)
        return placed

    def extract(self, placed):
        """What `place` put into the frame, at the fitted size, in the image's own orientation."""
        height, width = self.fitted_size
        pixels = placed[:height, :width]
        return pixels.swapaxes(0, 1) if self.transposed else pixels
