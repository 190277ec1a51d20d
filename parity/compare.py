"""The comparing core: named weights into both networks, every intermediate out of both, the first divergence named.

parity/README.md walks through one layer.
"""
from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """How far one tensor is from its reference."""

    name: str
    relative: float  # max|actual - reference| / max|reference|
    cosine: float  # of the angle between the two


def random_weights(shapes, seed=0):
    """{name: shape} -> {name: float32 array} that no mistake can hide in: no ones, no zeros, all different.

    Convolutions are scaled by their fan-in, batch norm's scale and variance lie in [0.5, 1.5], its shift and mean are
    N(0, 0.1).
    """
    rng = np.random.default_rng(seed)

    def draw(name, shape):
        if len(shape) > 1:
            return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        if name.rpartition(".")[2] in ("weight", "running_var"):
            return rng.uniform(0.5, 1.5, shape)
        return rng.normal(0, 0.1, shape)

    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


def relative_difference(actual, reference):
    """max|actual - reference| / max|reference|; infinite for another shape or anything that is not finite."""
    actual, reference = np.asarray(actual, np.float64), np.asarray(reference, np.float64)
    if actual.shape != reference.shape or not (np.isfinite(actual).all() and np.isfinite(reference).all()):
        return np.inf
    largest = np.abs(reference).max(initial=0)
    difference = np.abs(actual - reference).max(initial=0)
    return float(difference / largest) if largest else (0.0 if difference == 0 else np.inf)


def cosine(actual, reference):
    """Of the angle between two tensors of one shape; 1 where both are zero, NaN where only one is."""
    actual, reference = (np.asarray(array, np.float64).ravel() for array in (actual, reference))
    if actual.size != reference.size:
        return np.nan
    lengths = np.linalg.norm(actual) * np.linalg.norm(reference)
    if lengths == 0:
        return 1.0 if not actual.any() and not reference.any() else np.nan
    return float(actual @ reference / lengths)


def differences(actual, reference):
    """{name: array} of both sides -> [Difference] in the reference's order, for the names both have."""
    return [Difference(name, relative_difference(actual[name], value), cosine(actual[name], value))
            for name, value in reference.items() if name in actual]


def assert_equal(actual, reference, budget, required=(), min_cosine=None):
    """Raise AssertionError naming the first tensor whose difference exceeds the budget; returns the differences.

    required: names that both sides must have, lest a comparison of nothing should pass. min_cosine: for gradients, in
    which one large element could hide that all others are wrong.
    """
    absent = [name for name in required if name not in actual or name not in reference]
    if absent:
        raise AssertionError(f"not compared: {', '.join(absent)}")
    found = differences(actual, reference)
    if not found:
        raise AssertionError("nothing was compared")
    for name, relative, angle in found:
        if not relative <= budget:
            raise AssertionError(f"{name}: max|d|/max|ref| {relative:.1e} > {budget:.0e}")
        if min_cosine is not None and not angle >= min_cosine:
            raise AssertionError(f"{name}: cosine {angle:.7f} < {min_cosine}")
    return found


def flatten(name, output):
    """A module's output -> {name: array}; the parts of a tuple are name[0], name[1], ...; None is left out."""
    if isinstance(output, tuple | list):
        return {key: value for position, part in enumerate(output)
                for key, value in flatten(f"{name}[{position}]", part).items()}
    if output is None:
        return {}
    detached = output.detach() if hasattr(output, "detach") else output
    return {name: (detached.asnumpy() if hasattr(detached, "asnumpy") else detached.numpy()).copy()}


def taps(network, modules, batch):
    """Run `network(batch)` -> {module name: output}, in order of execution, by hooks on [(name, module)]."""
    recorded = {}

    def recorder(name):
        def hook(module, inputs, output):
            recorded.update(flatten(name, output))
        return hook

    handles = [module.register_forward_hook(recorder(name)) for name, module in modules if name]
    try:
        recorded.update(flatten("output", network(batch)))
    finally:
        for handle in handles:
            handle.remove()
    return recorded


def renamed(arrays, names):
    """{name: array} -> the same under another implementation's names, {name: its name}; what has none is left out."""
    if len(set(names.values())) < len(names):
        raise AssertionError("two names would become one")
    return {names[name]: array for name, array in arrays.items() if name in names}


def carried(weights, names, shapes):
    """One implementation's {name: array} -> another's, which has these {name: shape}, strictly.

    names: {name: its name there}. Raises AssertionError listing what is not carried, unexpected, missing, mis-shaped.
    """
    found = renamed(weights, names)
    problems = {
        "not carried": [name for name in weights if name not in names],
        "unexpected": [name for name in found if name not in shapes],
        "missing": [name for name in shapes if name not in found],
        "mis-shaped": [f"{name} {found[name].shape} instead of {tuple(shape)}" for name, shape in shapes.items()
                       if name in found and found[name].shape != tuple(shape)],
    }
    if any(problems.values()):
        raise AssertionError("; ".join(f"{sort}: {', '.join(found)}" for sort, found in problems.items() if found))
    return {name: found[name] for name in shapes}


def calibrate(norms, run):
    """Scale PyTorch's batch norms' random statistics to the size of the input each really gets, as training would.

    run: sends a batch through them, in evaluation. Otherwise activations grow layer by layer until ReLU6 clips nearly
    all of them, and float noise, relative to the clipped range, grows in both frameworks alike.
    """

    def scale(norm, inputs):
        power = (inputs[0] ** 2).mean()
        norm.running_mean *= power.sqrt()
        norm.running_var *= power

    hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
    run()
    for hook in hooks:
        hook.remove()
