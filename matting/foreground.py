"""Foreground colours behind a matte: multi-level estimation (Germer, Uelwer, Conrad, Harmeling 2020)."""
import numpy as np


def estimate_foreground(image, alpha):
    """The object's own colours, without the old background that shines through soft pixels.

    image: (H, W, 3) and alpha: (H, W), float32 in [0, 1] -> (H, W, 3) float32 in [0, 1], defined everywhere: where
    alpha is 0 the colours of the nearest object pixels continue.
    """
    from pymatting import estimate_foreground_ml  # here, because it takes over a second to import

    colours = estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64))
    return np.clip(colours, 0, 1).astype(np.float32)
