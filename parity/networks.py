"""The same network, layer or block in both frameworks with the same weights, and what is asked of each."""
import itertools

import mindspore as ms
import numpy as np
import torch
from mindspore import ops
from scipy.ndimage import gaussian_filter

import ms_impl.src.utils
import torch_ref.utils
from matting.config import CHOICES, IndexNetConfig
from matting.training.dropout import dropout_mask
from matting.weights.names import from_mindspore
from ms_impl.learner import LOSS_COLUMNS, Objective
from ms_impl.src.formulations import suit_device
from ms_impl.src.losses import MattingLoss as MindSporeMattingLoss
from ms_impl.src.model import IndexNet as MindSporeIndexNet
from parity.compare import calibrate, random_weights, taps
from torch_ref.losses import MattingLoss as TorchMattingLoss
from torch_ref.model import IndexNet as TorchIndexNet

SHORT = {  # one block a stage, half as wide inside: every part of the default network, in a third of its time
    "inverted_residual_setting": tuple((min(expansion, 2), into, out, 1, stride, dilation) for
                                       expansion, into, out, _, stride, dilation in
                                       IndexNetConfig().inverted_residual_setting),
}
SMALL = {**SHORT, "width_mult": 0.25}  # also a quarter as wide everywhere
INDEX_VARIANTS = [
    {"index_kind": kind, "use_nonlinear": nonlinear, "use_context": context}
    for kind, nonlinear, context in itertools.product(CHOICES["index_kind"], (False, True), (False, True))
]
OTHER_VARIANTS = [
    {"resampling": "max"},
    {"output_stride": 16},
    {"resampling": "max", "output_stride": 16},
    {"apply_aspp": False},
    {"conv_operator": "dep_sep_conv"},
    {"decoder_kernel_size": 3},
    {"width_mult": 1.4},
    {"index_expansion": 2},
]


def name_of(variant):
    """A variant's settings as the name of a test."""
    words = ["short" if key in SHORT else f"{key}={value}" for key, value in variant.items()]
    return "-".join(words) or "default"


def calibrate_all(network, seed):
    """compare.calibrate every batch norm of a network of PyTorch by noise."""
    batch = np.random.default_rng(seed).standard_normal((2, 4, 64, 96)).astype(np.float32)
    with torch.no_grad():
        calibrate([module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)],
                  lambda: network(torch.from_numpy(batch)))


def smooth_batch(samples, height, width, seed):
    """A training batch as the loaders give it, {name: (B, C, H, W) float32}, of blurred noise; each sample has its own
    brightness and contrast, so that batch norm over few values divides by no small variance.
    """
    rng = np.random.default_rng(seed)

    def blurred(channels):
        noise = gaussian_filter(rng.standard_normal((samples, channels, height, width)), (0, 0, 6, 6))
        return (noise / noise.std()).astype(np.float32)

    def uniform(low, high, channels=1):
        return rng.uniform(low, high, (samples, channels, 1, 1)).astype(np.float32)

    columns = {name: np.clip(0.5 + 0.2 * blurred(channels), 0, 1)
               for name, channels in (("alpha", 1), ("foreground", 3), ("background", 3))}
    alpha = columns["alpha"]
    mixed = alpha * columns["foreground"] + (1 - alpha) * columns["background"]
    unknown = np.zeros((samples, 1, height, width), np.float32)
    unknown[:, :, height // 8:-height // 4, width // 8:-width // 8] = 1
    return {"input": uniform(0.5, 1.5) * blurred(4) + uniform(-1.5, 1.5, 4), **columns, "unknown": unknown,
            "composite": mixed}


class Pair:
    """A cell of MindSpore and the module of PyTorch that mirrors it, in evaluation mode, with the same weights.

    The cell computes as in every program on the CPU.
    """

    def __init__(self, cell, module, seed=0):
        suit_device(cell, "CPU")
        self.mindspore = cell.set_train(False)
        self.torch = module.eval()
        self.load(random_weights(torch_ref.utils.weight_shapes(module), seed))

    def load(self, weights):
        """Put {canonical name: array} into both."""
        self.weights = weights
        torch_ref.utils.set_weights(self.torch, weights)
        ms_impl.src.utils.set_weights(self.mindspore, weights)

    def set_train(self, training):
        self.mindspore.set_train(training)
        self.torch.train(training)

    def torch_taps(self, batch):
        with torch.no_grad():
            return taps(self.torch, self.torch.named_modules(), torch.from_numpy(batch))

    def mindspore_taps(self, batch):
        return taps(self.mindspore, self.mindspore.cells_and_names(), ms.Tensor(batch))


def network_pair(network_config, seed=0, networks=(MindSporeIndexNet, TorchIndexNet), change=None):
    """A network of both frameworks -> Pair with calibrated weights; change: what is done to them before that."""
    pair = Pair(*(network(network_config) for network in networks), seed)
    if change:
        pair.load(change(pair.weights))
    calibrate_all(pair.torch, seed)
    pair.load(torch_ref.utils.get_weights(pair.torch))
    return pair


def open_gates(weights, seed=0):
    """The same weights but that every ReLU6 gets values about 3, where rounding tips none of them.

    With batch norm by the batch's own statistics, a few deep values each decide much of a gradient.
    """
    rng = np.random.default_rng(seed)
    opened = dict(weights)
    for name, values in weights.items():
        if name.endswith("bn.weight"):
            opened[name] = rng.uniform(0.3, 0.5, values.shape).astype(np.float32)
        linear = name.startswith("encoder.") and ".project." in name
        if name.endswith("bn.bias") and not linear:
            opened[name] = rng.normal(3, 0.1, values.shape).astype(np.float32)
    return opened


def torch_gradients(module, function, inputs):
    """Of the scalar function(*inputs) -> {"value": it, "input": its gradient by the first input, and by each trained
    weight of `module` under the weight's name}.
    """
    first, *rest = map(torch.from_numpy, inputs)
    value = function(first.requires_grad_(), *rest)
    wanted = {"input": first} | {
        name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    gradients = torch.autograd.grad(value, list(wanted.values()))
    return {"value": value.detach().numpy()} | {
        name: gradient.numpy() for name, gradient in zip(wanted, gradients, strict=True)}


def mindspore_gradients(cell, function, inputs):
    """The same of MindSpore, in the mode that is set."""
    weights = ms.ParameterTuple(cell.trainable_params())
    names = ["input", *(from_mindspore(weight.name) for weight in weights)]
    value, (of_input, of_weights) = ops.value_and_grad(function, 0, weights)(*map(ms.Tensor, inputs))
    return {"value": value.asnumpy()} | {
        name: gradient.asnumpy() for name, gradient in zip(names, (of_input, *of_weights), strict=True)}


def matting_gradients(pair, columns):
    """Gradients of the matting loss on a training batch, by the image and every trained weight, of both frameworks.

    Dropout's mask, the same in both, is drawn in training mode and all ones in evaluation mode.
    """
    batch, _, height, width = columns["input"].shape
    probability = pair.torch.dropout_probability if pair.torch.training else 0
    dropout = dropout_mask(pair.torch.dropout_shape(batch, height, width), probability, seed=0, step=1)
    inputs = [columns["input"], dropout, *(columns[name] for name in LOSS_COLUMNS)]
    objective = Objective(pair.mindspore, MindSporeMattingLoss(0.5))
    loss = TorchMattingLoss(0.5)

    def torch_objective(image, dropout, *truth):
        return loss(pair.torch(image, dropout), *truth)

    return (mindspore_gradients(pair.mindspore, objective, inputs),
            torch_gradients(pair.torch, torch_objective, inputs))
