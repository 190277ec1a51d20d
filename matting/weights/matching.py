"""Weights matched with a network by name, strictly."""
import numpy as np

from matting.errors import UserError
from matting.weights.files import read_weights
from matting.weights.names import official_names

LISTED = 8  # names of each sort that an error spells out


def network_weights(path, shapes):
    """A whole network's weights from a file in canonical or official naming, strictly; shapes: {name: shape}."""
    weights = read_weights(path)
    if any(name.startswith("layer0.") for name in weights):
        canonical = {official: name for name, official in official_names(shapes).items()}
        weights = {canonical.get(name, name): value for name, value in weights.items()}
    return match(path, weights, shapes)


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
