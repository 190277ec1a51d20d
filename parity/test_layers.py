"""Layers and blocks alone: outputs in evaluation and training mode, running statistics, gradients."""
import dataclasses
import itertools
from collections.abc import Callable
from typing import NamedTuple

import mindspore as ms
import numpy as np
import pytest
import torch
from mindspore import nn

import ms_impl.src.index_blocks
import ms_impl.src.layers
import ms_impl.src.model
import ms_impl.src.modules
import ms_impl.src.resampling
import ms_impl.src.utils
import torch_ref.index_blocks
import torch_ref.layers
import torch_ref.model
import torch_ref.modules
import torch_ref.resampling
import torch_ref.utils
from matting.config import CHOICES, IndexNetConfig
from parity.compare import assert_equal, flatten
from parity.networks import Pair, mindspore_gradients, torch_gradients

EVALUATION, TRAINING, GRADIENT = 1e-5, 5e-5, 1e-4  # budgets; max|d| / max|reference|
MIN_COSINE = 0.999999
CONFIG = IndexNetConfig()
FILES = {"mindspore": {"layers": ms_impl.src.layers, "modules": ms_impl.src.modules, "model": ms_impl.src.model,
                       "index_blocks": ms_impl.src.index_blocks, "resampling": ms_impl.src.resampling},
         "torch": {"layers": torch_ref.layers, "modules": torch_ref.modules, "model": torch_ref.model,
                   "index_blocks": torch_ref.index_blocks, "resampling": torch_ref.resampling}}


def call(module, *inputs):
    return module(*inputs)


class Row(NamedTuple):
    """A layer or block: how each framework builds it, and what it is fed."""

    name: str
    build: Callable  # {file name: that framework's module} -> cell or module
    channels: int
    sizes: tuple = ((1, 5, 9), (2, 8, 6))  # batch, height, width
    run: Callable = call  # (module, input) -> outputs


def built(file, name, *arguments, **keywords):
    return lambda files: getattr(files[file], name)(*arguments, **keywords)


EVEN = ((1, 6, 10), (2, 8, 6))  # sides that can be halved once



def several(dilation):
    """Sizes for batch norm of one mean a sample, of which two would always be +1 and -1; wider than the dilation.

    A dilated kernel that sees the image with its centre alone is undone by the batch norm behind it.
    """
    return (1, dilation + 2, dilation + 5), (4, dilation + 1, dilation + 4)


CONVOLUTIONS = {
    "1x1": (4, 6, 1), "3x3": (4, 6, 3), "5x5": (4, 6, 5), "stride 2": (4, 6, 2, 2, 0), "stride 2, 4x4": (4, 6, 4, 2, 1),
    "dilated": (4, 6, 3, 1, None, 4), "depthwise": (6, 6, 3, 1, None, 1, 6), "unpadded": (4, 6, 3, 1, 0),
    "dilated depthwise": (6, 6, 3, 1, None, 2, 6), "narrow 5x5": (32, 1, 5), "narrow 3x3": (16, 4, 3),
}
INDEX_VARIANTS = list(itertools.product(CHOICES["index_kind"], (False, True), (False, True)))



def chain(*parts):
    """Builders, or functions of the modules -> one builder of all of them in a row, named 0, 1, ..."""
    def build(files):
        holder = nn.SequentialCell if files is FILES["mindspore"] else torch.nn.Sequential
        return holder(*(part(files) for part in parts))
    return build


def resampling(kind, position):
    """The builder of a downsampler (position 0) of six channels, or of the upsampler that belongs to it (1)."""
    return lambda files: files["resampling"].RESAMPLING[kind][position](*((6, CONFIG), ())[position])


def stage(kind):
    return lambda files: files["modules"].DecoderStage(6, 5, resampling(kind, 1)(files), "std_conv", 5)


def resampled(module, x):
    """Down and up again; the upsampler gets other features than were pooled."""
    pooled, _, guide = module[0](x)
    return module[1](pooled * pooled, guide)


def staged(module, x):
    """A decoder stage whose input is its own skip, pooled."""
    pooled, skip, guide = module[0](x)
    return module[1](pooled, skip, guide)


def prediction(operator):
    """The builder of a network's prediction head, whose weights MindSpore names by their place in the network."""
    config = dataclasses.replace(CONFIG, conv_operator=operator)

    def build(files):
        head = files["model"].IndexNet(config).prediction
        if files is FILES["mindspore"]:
            for parameter in head.get_parameters():
                parameter.name = parameter.name.removeprefix("prediction.")
        return head

    return build


ROWS = [
    *(Row(f"convolution {name}", built("layers", "conv2d", *row), row[0]) for name, row in CONVOLUTIONS.items()),
    Row("batch norm", chain(built("layers", "batch_norm", 5)), 5),
    Row("convolution, norm", built("layers", "ConvBN", 4, 6, 3), 4),
    Row("convolution, norm, ReLU6", built("layers", "ConvBNReLU", 4, 6, 3, dilation=2), 4),
    Row("separable convolution", built("layers", "SeparableConvBNReLU", 4, 6, 5), 4),
    *(Row(f"{kind}{' context' * context}{' nonlinear' * nonlinear} index block",
          built("index_blocks", "IndexBlock", 6, kind, context, nonlinear, 1), 6, EVEN)
      for kind, context, nonlinear in INDEX_VARIANTS),
    Row("wide index block", built("index_blocks", "IndexBlock", 6, "depthwise_m2o", True, True, 2), 6, EVEN),
    Row("indexed pooling", built("index_blocks", "IndexedPool", 6, CONFIG), 6, EVEN),
    Row("indexed pooling, upsampling", chain(resampling("indexed", 0), resampling("indexed", 1)), 6, EVEN, resampled),
    Row("max pooling", built("resampling", "MaxPool", 6, CONFIG), 6),
    Row("max pooling, unpooling", chain(resampling("max", 0), resampling("max", 1)), 6, EVEN, resampled),
    *(Row(f"inverted residual {name}", built("modules", "InvertedResidual", *row), row[0])
      for name, row in {"with shortcut": (6, 6, 6), "without": (6, 4, 6), "unexpanded": (6, 4, 1),
                        "dilated": (6, 6, 2, 2)}.items()),
    Row("global context", built("modules", "GlobalContext", 6, 5), 6, several(4)),
    *(Row(f"ASPP at stride {stride}", built("modules", "ASPP", 6, 5, 7, stride), 6, several(dilation))
      for stride, dilation in ((32, 8), (16, 18), (8, 36))),
    Row("decoder stage", chain(resampling("none", 0), stage("none")), 6, run=staged),
    Row("decoder stage, upsampling", chain(resampling("indexed", 0), stage("indexed")), 6, EVEN, staged),
    *(Row(f"prediction head {operator}", prediction(operator), 32) for operator in ("std_conv", "dep_sep_conv")),
]


def inputs_of(row, size):
    batch, height, width = size
    return np.random.default_rng(2).standard_normal((batch, row.channels, height, width)).astype(np.float32)


def make_pair(row):
    return Pair(*(row.build(files) for files in FILES.values()))


def weighted_sum(outputs, like):
    """A scalar that depends on every float of the outputs differently; `like` makes an array the framework's."""
    if isinstance(outputs, tuple | list):
        return sum(weighted_sum(output, like) for output in outputs if output is not None)
    if "int" in str(outputs.dtype).lower():
        return 0
    weights = np.random.default_rng(3).standard_normal(outputs.shape).astype(np.float32)
    return (outputs * like(weights)).sum()


def outputs(pair, row, x):
    """The outputs of both, flattened, and their weights and running statistics afterwards."""
    with torch.no_grad():
        reference = flatten("output", row.run(pair.torch, torch.from_numpy(x)))
    actual = flatten("output", row.run(pair.mindspore, ms.Tensor(x)))
    return actual | ms_impl.src.utils.get_weights(pair.mindspore), reference | torch_ref.utils.get_weights(pair.torch)


def gradients(pair, row, x):
    return (mindspore_gradients(pair.mindspore, lambda x: weighted_sum(row.run(pair.mindspore, x), ms.Tensor), [x]),
            torch_gradients(pair.torch, lambda x: weighted_sum(row.run(pair.torch, x), torch.from_numpy), [x]))


def assert_layer_equal(row):
    """Outputs and gradients, in evaluation mode of one sample, in training mode of several, then with the running
    statistics that are left.
    """
    pair = make_pair(row)
    one, batch = (inputs_of(row, size) for size in row.sizes)
    for x, training, budget in ((one, False, EVALUATION), (batch, True, TRAINING), (batch, False, EVALUATION)):
        pair.set_train(training)
        assert_equal(*outputs(pair, row, x), budget, [*pair.weights])
        if training or x is one:
            assert_equal(*gradients(pair, row, x), GRADIENT, ["input"], MIN_COSINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_layer_is_equal(row, pynative):
    assert_layer_equal(row)


# --- negative controls: each plants a bug in the reference ---


def biased_running_variance(monkeypatch):
    forward = torch.nn.BatchNorm2d.forward

    def biased(self, x):
        kept = (1 - self.momentum) * self.running_var
        output = forward(self, x)
        if self.training:
            count = x.numel() // x.shape[1]
            self.running_var.copy_(kept + (self.running_var - kept) * (count - 1) / count)
        return output

    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", biased)


def momentum_of_the_other_convention(monkeypatch):
    monkeypatch.setattr(torch_ref.layers, "batch_norm", lambda channels: torch.nn.BatchNorm2d(channels, momentum=0.9))


def index_that_passes_no_gradient(monkeypatch):
    forward = torch_ref.index_blocks.IndexBlock.forward

    def detached(self, x):
        encoder_index, decoder_index = forward(self, x)
        return encoder_index.detach(), decoder_index

    monkeypatch.setattr(torch_ref.index_blocks.IndexBlock, "forward", detached)


PLANTED = {  # the row that finds it, and the tensor that it names
    biased_running_variance: ("convolution, norm", "bn.running_var"),
    momentum_of_the_other_convention: ("convolution, norm", "bn.running_mean"),
    index_that_passes_no_gradient: ("indexed pooling, upsampling", "input"),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(plant, pynative, monkeypatch):
    plant(monkeypatch)
    name, tensor = PLANTED[plant]
    row, = (row for row in ROWS if row.name == name)
    with pytest.raises(AssertionError, match=rf"^{tensor}: "):
        assert_layer_equal(row)
