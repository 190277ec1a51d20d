"""Weights matched with a network by name, strictly."""
import numpy as np

from matting.errors import UserError
from matting.weights.files import read_weights
from matting.weights.published import find

LISTED = 8  # names of each sort that an error spells out


def network_weights(path, shapes, weights_from=""):
    """A whole network's weights from a file of this project or a published one, strictly; shapes: {name: shape}.

    weights_from: which of published.PUBLISHED it is, should it not tell itself.
    """
    return match(path, find(path, read_weights(path), weights_from).weights, shapes)


def match(path, weights, shapes):
    """The weights in the order of `shapes`; raises UserError listing what is missing, unexpected and mis-shaped."""
    problems = {
        "missing": [name for name in shapes if name not in weights],
        "unexpected": [name for name in weights if name not in shapes],
        "mis-shaped": [f"{name} {weights[name].shape} instead of {tuple(shape)}" for name, shape in shapes.items()
                       if name in weights and weights[name].shape != tuple(shape)],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(names)} {sort}: {', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''}"
                         for sort, names in problems.items() if names)
        raise UserError(f"{path}: holds the weights of another network ({told})")
    return {name: weights[name].astype(np.float32) for name in shapes}
