"""compare.py on a network that others wrote, twice: mindcv's MobileNetV2 (MindSpore) beside timm's (PyTorch).

    make parity-guest

Named weights go from timm's into mindcv's; every layer's output is compared in evaluation and in training, and the
statistics of batch norm after a step of training; then with a planted fault. The first divergence of each is named. It
ends with status 1 where the two differ in evaluation, or where the planted fault is not found.
"""
import sys

import mindspore as ms
import numpy as np
import torch

from matting.usage import program_parser
from parity.compare import assert_equal, calibrate, carried, random_weights, renamed, taps

NAMES = "mobilenet_v2_100", "mobilenetv2_100"  # of the network, mindcv's and timm's
BUDGET = 1e-4  # max|d|/max|ref|, as of this project's own networks
REPEATS = (1, 2, 3, 4, 3, 3, 1)  # blocks of each of timm's stages; mindcv counts them on from features.3
LAYERS = {"conv_stem": "features.0", "bn1": "features.1", "conv_head": "features.20", "bn2": "features.21",
          "classifier": "classifier.1"}  # timm's name: mindcv's
FIRST_BLOCK = {"conv_dw": 0, "bn1": 1, "conv_pw": 3, "bn2": 4}  # timm's name in a block: mindcv's number in `layers`
BLOCK = {"conv_pw": 0, "bn1": 1, "conv_dw": 3, "bn2": 4, "conv_pwl": 6, "bn3": 7}
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
OTHER = {"weight": "weight", "bias": "bias"}
PLANTED, FOUND = "blocks.3.0.bn2", "features.9.layers.5: "  # where, and the first output that it changes
COUNTER = "num_batches_tracked"  # of PyTorch's batch norms; MindSpore keeps none


def layer_names():
    """{timm's name: mindcv's} of all layers that have weights."""
    names = dict(LAYERS)
    blocks = [f"blocks.{stage}.{number}" for stage, repeats in enumerate(REPEATS) for number in range(repeats)]
    for place, block in enumerate(blocks, start=3):
        layers = BLOCK if place > 3 else FIRST_BLOCK
        names.update({f"{block}.{layer}": f"features.{place}.layers.{number}" for layer, number in layers.items()})
    return names


def weight_names():
    """{timm's name: mindcv's} of all weights that these layers may have."""
    return {f"{timm}.{theirs}": f"{mindcv}.{ours}" for timm, mindcv in layer_names().items()
            for theirs, ours in (NORM if is_norm(timm) else OTHER).items()}


def tap_names(module):
    """{timm's name: mindcv's} of the outputs that both have; module: timm's network.

    timm's batch norm holds what follows it, an activation or nothing; mindcv's activation is the layer after it.
    """
    layers = layer_names()
    names = {"global_pool": "pool", "output": "output"}
    names.update({timm: mindcv for timm, mindcv in layers.items() if not is_norm(timm)})
    for timm, mindcv in layers.items():
        if is_norm(timm):
            before, _, number = mindcv.rpartition(".")
            active = not isinstance(module.get_submodule(f"{timm}.act"), torch.nn.Identity)
            names[f"{timm}.act"] = f"{before}.{int(number) + active}"
        if timm.startswith("blocks"):
            names[timm.rpartition(".")[0]] = mindcv.partition(".layers")[0]  # the block itself
    return names


def is_norm(layer):
    """Whether timm's name is that of a batch norm."""
    return layer.rpartition(".")[2].startswith("bn")


def import_guests():
    """-> mindcv, timm.

    torchvision, which timm imports, stumbles over operators of its own that are not there where PyTorch is built for
    the CPU alone and torchvision is not. No network of these uses them; they are declared, without being written.
    """
    import mindcv
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import timm
    return mindcv, timm


def both(mindcv, timm, batch):
    """mindcv's network and timm's, in evaluation, with the same weights -> cell, module, number of weights."""
    cell, module = mindcv.create_model(NAMES[0]).set_train(False), timm.create_model(NAMES[1]).eval()
    names, state = weight_names(), module.state_dict()
    drawn = random_weights({name: tuple(state[name].shape) for name in names if name in state})
    module.load_state_dict({**state, **{name: torch.from_numpy(array) for name, array in drawn.items()}})
    calibrate([norm for norm in module.modules() if isinstance(norm, torch.nn.BatchNorm2d)],
              lambda: module(torch.from_numpy(batch)))
    weights = {name: array.numpy() for name, array in module.state_dict().items() if not name.endswith(COUNTER)}
    parameters = dict(cell.parameters_and_names())
    carried_over = carried(weights, names, {name: parameter.shape for name, parameter in parameters.items()})
    for name, array in carried_over.items():
        parameters[name].set_data(ms.Tensor(array.copy()))
    return cell, module, len(carried_over)


def outputs(cell, module, batch):
    """{mindcv's name: array} of mindcv's outputs and of timm's."""
    reference = renamed(taps(module, module.named_modules(), torch.from_numpy(batch)), tap_names(module))
    return taps(cell, cell.cells_and_names(), ms.Tensor(batch)), reference


def statistics(cell, module):
    """{mindcv's name: array} of both networks' batch norms' running statistics."""
    reference = {name: array.numpy() for name, array in module.state_dict().items() if "running" in name}
    return ({name: parameter.asnumpy() for name, parameter in cell.parameters_and_names()},
            renamed(reference, weight_names()))


def divergence(what, actual, reference):
    """The first tensor beyond BUDGET, as assert_equal tells it, "" where there is none; prints which, or how equal."""
    try:
        found = assert_equal(actual, reference, BUDGET, required=list(reference))
    except AssertionError as error:
        print(f"{what}: first divergence: {error}")
        return str(error)
    largest = max(found, key=lambda difference: difference.relative)
    print(f"{what}: {len(found)} tensors are equal; largest difference {largest.relative:.1e}, {largest.name}")
    return ""


def main(argv=None):
    program_parser("parity.guest", __doc__).parse_args(argv)
    mindcv, timm = import_guests()
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.set_seed(0)  # of what mindcv drops in training
    torch.set_grad_enabled(False)
    batch = np.random.default_rng(0).standard_normal((2, 3, 128, 160)).astype(np.float32)
    cell, module, count = both(mindcv, timm, batch)
    print(f"mindcv {mindcv.__version__} (MindSpore {ms.__version__}) beside timm {timm.__version__} (PyTorch "
          f"{torch.__version__}): {count} weights went over by name")
    differs = divergence("evaluation", *outputs(cell, module, batch))

    module.get_submodule(PLANTED).eps = 1e-3
    missed = FOUND not in divergence(f"evaluation, eps 1e-3 planted in timm's {PLANTED}", *outputs(cell, module, batch))
    module.get_submodule(PLANTED).eps = 1e-5

    cell.set_train(True)
    module.train()
    divergence("training", *outputs(cell, module, batch))
    divergence("batch norm's statistics after it", *statistics(cell, module))
    return int(bool(differs) or missed)


if __name__ == "__main__":
    sys.exit(main())
