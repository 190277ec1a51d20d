"""Deep Image Matting's weights and batches for comparing training: rounding changes no gradient's course.

Where the two largest values of a pooled cell are equal but for rounding, either may be the maximum, and unpooling puts
a value elsewhere; where a rectifier's input or the alpha's error is zero but for rounding, a gradient counts or does
not. Seeds are tried until no value is that near. It stays so for some 20 small steps; after long ones, that moved the
encoder's values by more than MARGIN, PyTorch's float32 gradients were up to 2e-1 from float64.

Rectifiers are open: batch norm's results lie about 3, two to six deviations above zero. That mean tells nothing and
would at the border, where a kernel sees zeros, outweigh what varies; so convolutions have weights that sum up to zero
over the input channels. With weights as drawn, and values 3 +- 0.4, the encoder's gradients were 1e-11 of the
prediction's; so they are 1e-3.
"""
import functools
import itertools

import numpy as np
import torch

import torch_ref.dim
import torch_ref.layers
import torch_ref.utils
from parity.compare import random_weights
from parity.networks import smooth_batch

BATCHES, SAMPLES, SIDE = 2, 2, 64
MARGIN = 5e-6  # float32 is up to 2e-6 from float64 in what is pooled first, 1e-5 in the few cells pooled last
OPEN = 3, 1  # mean and deviation of a rectifier's input
OUTPUTS = {"prediction": (0, 0.5), "refinement.residual": (0, 0.1)}  # so that alpha is clipped nowhere


def open_rectifiers(weights):
    """The same weights with OPEN values after every batch norm, and convolutions to which their mean is nothing."""
    opened = {}
    for name, values in weights.items():
        if name.endswith("bn.bias"):
            values = values + OPEN[0]
        if values.ndim == 4 and values.shape[1] > 1:
            values = values - values.mean(1, keepdims=True)
        opened[name] = values
    return opened


def settle(network, images):
    """Fit a network to images: in evaluation mode, too, values have the mean and deviation that they have in training.

    Running statistics become those of the images; a convolution with a bias, where no batch norm follows, is scaled
    and shifted.
    """
    def observe(norm, inputs):
        norm.running_mean[:] = inputs[0].mean((0, 2, 3))
        norm.running_var[:] = inputs[0].var((0, 2, 3))

    def normalise(mean, deviation, convolution, inputs, output):
        scale = deviation / output.std((0, 2, 3))
        shift = mean - scale * output.mean((0, 2, 3))
        convolution.weight *= scale.reshape(-1, 1, 1, 1)
        convolution.bias[:] = scale * convolution.bias + shift
        return scale.reshape(-1, 1, 1) * output + shift.reshape(-1, 1, 1)

    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(observe))
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            hooks.append(module.register_forward_hook(functools.partial(normalise, *OUTPUTS.get(name, OPEN))))
    with torch.no_grad():
        network.eval()(images)
    for hook in hooks:
        hook.remove()


def nearest_kink(network, batch):
    """How little a value has to change for a gradient to take another course.

    That is the smallest difference between the two largest values of a cell that is max pooled, between a rectifier's
    input and 0, between predicted and true alpha.
    """
    distances = []

    def pooled(pool, inputs):
        largest, second = inputs[0].unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).topk(2).values.unbind(-1)
        distances.append(largest - second)

    def rectified(norm, inputs, output):
        distances.append(output)

    hooks = []
    for module in network.modules():
        if isinstance(module, torch.nn.MaxPool2d):
            hooks.append(module.register_forward_pre_hook(pooled))
        if isinstance(module, torch_ref.layers.ConvReLU):
            hooks.append(module.bn.register_forward_hook(rectified))
    with torch.no_grad():
        distances.append(network(torch.from_numpy(batch["input"])) - torch.from_numpy(batch["alpha"]))
    for hook in hooks:
        hook.remove()
    return min(values.abs().min().item() for values in distances)


@functools.lru_cache(maxsize=1)
def dim_start(config):
    """Weights, and the batches that are taken in turn, for config.stage: of the first seed that is far from kinks."""
    network = torch_ref.dim.DeepImageMatting(config.network)
    shapes = torch_ref.utils.weight_shapes(network)
    columns = [smooth_batch(SAMPLES, SIDE, SIDE, number) for number in range(BATCHES)]
    for seed in itertools.count():
        torch_ref.utils.set_weights(network, open_rectifiers(random_weights(shapes, seed)))
        noise = np.random.default_rng(seed).standard_normal((BATCHES, SAMPLES, 4, SIDE, SIDE), np.float32)
        settle(network, torch.from_numpy(np.concatenate(noise)))
        weights = torch_ref.utils.get_weights(network)
        batches = [batch | {"input": image} for batch, image in zip(columns, noise, strict=True)]
        network.train(config.stage != "refine").refinement.train()
        if min(nearest_kink(network, batch) for batch in batches) > MARGIN:
            break
    return weights, batches
