"""Weights of other projects' layers -> the weights with which this project's layers compute the same, exactly.

Each function takes and returns {canonical name: array}; what it takes is left as it was. Arrays that do not have the
layers' shapes come out with other shapes, too, which then match no network.
"""
import numpy as np

FIRST = "encoder.stages.0.0.conv.weight"
REFINING = "refinement.stages.0.conv.weight"
BRIDGING = "bridge.0.conv.weight"
REFINEMENT = {"stages.0.conv": (64, 4, 3, 3), "stages.1.conv": (64, 64, 3, 3), "stages.2.conv": (64, 64, 3, 3),
              "residual": (1, 64, 3, 3)}  # its convolutions, each with a bias, at full width and without batch norm
ALPHA_SCALE = 256  # of the raw alpha on its way into the refinement, in huochaitiantang's first releases


def biases_into_means(weights):
    """A convolution before batch norm has no bias here, since the mean takes it away: the mean less the bias.

    Raises KeyError where a mean has no bias.
    """
    biases = {name: name.replace(".bn.running_mean", ".conv.bias") for name in weights if name.endswith("running_mean")}
    folded = {name: _less(value, weights[biases[name]]) if name in biases else value for name, value in weights.items()}
    return {name: value for name, value in folded.items() if name not in biases.values()}


def bridge_3x3(weights):
    """The bridge's 1x1 kernel in the middle of a 3x3 one, zeros around it."""
    return _changed(weights, [BRIDGING], lambda kernel: np.pad(kernel, ((0, 0), (0, 0), (1, 1), (1, 1))))


def added_skips(weights):
    """Skips are joined here where others add them: the kernel once for the unpooled feature, once for the skip."""
    fusing = [name for name in weights if name.startswith("decoder.stages.") and name.endswith(".fuse.conv.weight")]
    return _changed(weights, fusing, lambda kernel: np.concatenate((kernel, kernel), 1))


def reversed_colours(weights):
    """What was trained on blue, green, red takes red, green, blue; the trimap's and the alpha's channel stay."""
    return _changed(weights, [FIRST, REFINING], lambda kernel: np.concatenate((kernel[:, 2::-1], kernel[:, 3:]), 1))


def enlarged_alpha(weights):
    """The refinement's input of ALPHA_SCALE times the alpha: the kernel of that channel so many times."""
    return _changed(weights, [REFINING], lambda kernel: np.concatenate((kernel[:, :3], ALPHA_SCALE * kernel[:, 3:]), 1))


def with_refinement(weights):
    """A file that has no refinement gets an untrained one, as a network starts with: what it adds is 0.

    Kernels uniform after Glorot and Bengio (2010), always the same ones.
    """
    if any(name.startswith("refinement.") for name in weights):
        return dict(weights)
    added, rng = {}, np.random.default_rng(0)
    for layer, (out, into, height, width) in REFINEMENT.items():
        limit = np.sqrt(6 / (height * width * (out + into))) if layer != "residual" else 0
        added[f"refinement.{layer}.weight"] = rng.uniform(-limit, limit, (out, into, height, width)).astype(np.float32)
        added[f"refinement.{layer}.bias"] = np.zeros(out, np.float32)
    return {**weights, **added}


def _less(mean, bias):
    return mean - bias if mean.shape == bias.shape else bias


def _changed(weights, names, change):
    return {name: change(value) if name in names and value.ndim == 4 else value for name, value in weights.items()}
