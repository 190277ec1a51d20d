"""Dropout masks that a resumed run, several processes and both frameworks draw alike."""
import numpy as np


def dropout_mask(shape, probability, seed, step, rank=0, ranks=1):
    """What a layer's output is multiplied by: 0 with that probability, else 1 / (1 - probability); float32.

    shape: (B, ...) of one process. Sample i of rank r gets what sample i * ranks + r would in one process that has the
    batches of all.
    """
    batch, *rest = shape
    draws = np.random.default_rng((seed, step)).random((batch * ranks, *rest), np.float32)
    return (draws[rank::ranks] >= probability).astype(np.float32) / np.float32(1 - probability)
