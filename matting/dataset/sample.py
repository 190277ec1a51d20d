"""One training sample, and the rows of data.txt that name its files."""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sample:
    """What the network and both losses see of one composite, (H, W), all of one size.

    Colours are RGB, float32 in [0, 1]; image = alpha foreground + (1 - alpha) background up to 8-bit truncation.
    """

    image: np.ndarray  # (H, W, 3)
    trimap: np.ndarray  # (H, W) uint8 in {0, 128, 255}
    alpha: np.ndarray  # (H, W) float32 in [0, 1]
    foreground: np.ndarray  # (H, W, 3)
    background: np.ndarray  # (H, W, 3)
