"""What a batch holds of a sample, column by column."""
import numpy as np

from matting.transforms import normalise
from matting.trimap import unknown_region

COLUMNS = ("input", "unknown", "alpha", "foreground", "background", "composite")  # what a batch holds


def columns(sample, config):
    """A Sample -> float32 arrays in COLUMNS order.

    input: (4, H, W), the network's. unknown: (1, H, W), 1 where the trimap is unknown, else 0.
    The others are in [0, 1]: alpha (1, H, W); foreground, background and composite (3, H, W).
    """
    return (normalise(sample.image, sample.trimap, config),
            unknown_region(sample.trimap)[None].astype(np.float32),
            np.ascontiguousarray(sample.alpha)[None],
            *(np.ascontiguousarray(colours.transpose(2, 0, 1))
              for colours in (sample.foreground, sample.background, sample.image)))


def documented_label(batch):
    """A batch -> (B, 11, H, W) float32, the label that Deep Image Matting's users know from public implementations.

    Channels 0-2 background, 3-5 foreground, 6-8 composite, all 0..255; 9 alpha in [0, 1]; 10 unknown, 0 or 1.
    """
    colours = [255 * batch[name] for name in ("background", "foreground", "composite")]
    return np.concatenate([*colours, batch["alpha"], batch["unknown"]], axis=1)
