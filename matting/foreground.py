"""Foreground colours behind a matte: multi-level estimation (Germer, Uelwer, Conrad, Harmeling 2020)."""
import logging
import threading
from contextlib import contextmanager

import numpy as np

log = logging.getLogger(__name__)

PATIENCE = 3  # seconds; pymatting is imported in one or two, but compiles itself when an installation first uses it


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
