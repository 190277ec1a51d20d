"""Foreground colours behind a matte: multi-level estimation (Germer, Uelwer, Conrad, Harmeling 2020)."""
import logging
import threading
from contextlib import contextmanager

import cv2
import numpy as np

from matting.tiling import plan_windows

log = logging.getLogger(__name__)

PATIENCE = 3  # seconds; pymatting is imported in one or two, but compiles itself when an installation first uses it
WINDOW, MARGIN = 1024, 64  # pixels, of the parts in which the colours of a large photograph are estimated
REACH = 8  # pixels beyond the object that keep its colours, for whoever resizes a cut-out


def estimate_foreground(image, alpha):
    """The object's own colours, without the old background that shines through soft pixels.

    image: (H, W, 3) and alpha: (H, W), float32 in [0, 1] -> (H, W, 3) float32 in [0, 1], defined everywhere: where
    alpha is 0 the colours of the nearest object pixels continue.
    """
    return estimate_layers(image, alpha)[0]


def estimate_layers(image, alpha):
    """The foreground's colours, as above, and the background's, which continue behind the object in the same way."""
    with announced_if_slow("compiling pymatting, which estimates colours: half a minute or more, but only once"):
        from pymatting import estimate_foreground_ml  # here, because it takes over a second to import

    layers = estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64), return_background=True)
    return tuple(np.clip(colours, 0, 1).astype(np.float32) for colours in layers)


def object_colours(image, alpha):
    """As estimate_foreground, in bounded memory and only where it shows, of integers.

    image: (H, W, 3), alpha: (H, W), each uint8 or uint16 -> (H, W, 3) of the image's type. Opaque pixels keep the
    photograph's colours. Transparent ones hold the object's within REACH pixels of it, none (0) farther away.
    """
    opaque, most = np.iinfo(alpha.dtype).max, np.iinfo(image.dtype).max
    visible = alpha > 0
    near = cv2.dilate(visible.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1,) * 2))
    estimated = (near > 0) & (alpha < opaque)
    result = np.where(visible[:, :, None], image, image.dtype.type(0))
    for rows, columns in plan_windows(estimated, (WINDOW, WINDOW), MARGIN):
        part = np.s_[rows.start:rows.stop, columns.start:columns.stop]
        colours = estimate_foreground(np.float32(image[part]) / most, np.float32(alpha[part]) / opaque)
        core = np.s_[rows.core_start:rows.core_stop, columns.core_start:columns.core_stop]
        inner = np.s_[rows.core_start - rows.start:rows.core_stop - rows.start,
                      columns.core_start - columns.start:columns.core_stop - columns.start]
        rounded = np.rint(most * colours[inner]).astype(image.dtype)
        np.copyto(result[core], rounded, where=estimated[core][:, :, None])
    return result


@contextmanager
def announced_if_slow(message, patience=PATIENCE):
    """Log the message once the block has taken so many seconds."""
    announcement = threading.Timer(patience, log.info, [message])
    announcement.daemon = True
    announcement.start()
    try:
        yield
    finally:
        announcement.cancel()
