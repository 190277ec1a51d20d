"""Both frameworks' learners on the same batches from the same weights, and PyTorch's in float64 as the truth.

Where Adam learns, the loss is scaled down until gradients are about as large as Adam's epsilon. Adam otherwise makes a
step of full length of a gradient that is nothing but rounding, and two correct programs part within a few steps. So
scaled it passes rounding on in proportion, and epsilon counts in every step. Every ReLU6 of IndexNet is given values
about 3: with others rounding tips one sooner or later, and gradients jump (after 20 steps MindSpore was 7e-2 from
float64; so it is 4e-5).

Deep Image Matting's start: see dim_start.py.
"""
import dataclasses
import math

import numpy as np
import torch
from mindspore import nn

import ms_impl.learner
import ms_impl.registry
import ms_impl.src.utils
import torch_ref.learner
import torch_ref.registry
import torch_ref.utils
from parity.dim_start import dim_start
from parity.networks import SMALL, network_pair, open_gates, smooth_batch

LOSS_SCALE = 1e-5
SAMPLES, SIDE = 4, 64
BATCHES = 4  # different ones, in turn
WINDOW = (1, 2, 5, 20)  # steps after which states are compared
CEILING = 2e-4  # of a distance, whatever the noise; the largest of its kind counts as 1
NEGLIGIBLE = 1e-3  # of the largest of its kind: gradients that are zero but for rounding, before another batch norm


class ScaledCell(nn.Cell):
    """A loss times LOSS_SCALE."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def construct(self, *batch):
        return LOSS_SCALE * self.loss(*batch)


class ScaledModule(torch.nn.Module):
    """A loss times LOSS_SCALE."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, *batch):
        return LOSS_SCALE * self.loss(*batch)


class Float64Learner(torch_ref.learner.Learner):
    """The reference in double precision, beside which rounding to float32 shows."""

    def __init__(self, network, stage, config):
        super().__init__(network.double(), stage, config)

    def _tensor(self, array):
        return super()._tensor(array).double()


SIDES = {  # framework, its scaled loss, learner
    "mindspore": (ms_impl, ScaledCell, ms_impl.learner.Learner),
    "torch": (torch_ref, ScaledModule, torch_ref.learner.Learner),
    "float64": (torch_ref, ScaledModule, Float64Learner),
}


def indexnet_start(config):
    """Weights, and the batches that are taken in turn."""
    batches = [smooth_batch(SAMPLES, SIDE, SIDE, seed) for seed in range(BATCHES)]
    return network_pair(config.network, change=open_gates).weights, batches


STARTS = {"indexnet": indexnet_start, "dim": dim_start}


def train(side, config, checkpoints):
    """Train config.stage with a side's real learner -> {step: state} after each step in `checkpoints`.

    A state is {"losses": all so far, name of a weight or running statistic: array, and for each of the optimiser's
    moments "first_moment.NAME", say: array}. An epoch has one step, so that config.milestones count steps. Dropout's
    masks are those of training, the same everywhere.
    """
    framework, scaled, learner_class = SIDES[side]
    weights, batches = STARTS[config.model](config)
    network = framework.registry.build(config)
    framework.learner.set_weights(network, weights)
    stage = {stage.name: stage for stage in framework.registry.training_plan(config)}[config.stage]
    if stage.optimiser is framework.learner.Adam:
        stage = dataclasses.replace(stage, loss=scaled(stage.loss))
    learner = learner_class(network, stage, config)
    losses, states = [], {}
    for step, rate in enumerate(stage.schedule(config, 1)[:max(checkpoints)].tolist(), 1):
        losses.append(learner.step(batches[step % len(batches)], rate))
        if step in checkpoints:
            moments = learner.state()
            del moments["steps"]
            states[step] = {"losses": losses[:], **framework.learner.get_weights(network), **moments}
    return states


def training_settings(config, policy, window):
    """Of a training with a milestone inside the window."""
    return dataclasses.replace(config, stage="indexnet", encoder_bn=policy, epochs=max(window),
                               milestones=(max(window) // 2,), learning_rate=1e-3, **SMALL)


def kind_of(name):
    first = name.partition(".")[0]
    if "running" in name:
        return "running statistics"
    return first if first in ("losses", "velocity", "first_moment", "second_moment") else "weights"


def distances(state, truth):
    """{kind: (largest distance of a tensor of that kind, relative to its maximum, and its name)}."""
    largest = {}
    for name, values in truth.items():
        largest[kind_of(name)] = max(largest.get(kind_of(name), 0), np.abs(values).max())
    found = {}
    for name, values in truth.items():
        kind = kind_of(name)
        scale = max(np.abs(values).max(), NEGLIGIBLE * largest[kind])
        distance = float(np.abs(np.subtract(state[name], values)).max() / scale)
        found[kind] = max(found.get(kind, (0, "")), (distance if math.isfinite(distance) else math.inf, name))
    return found
