"""Training Deep Image Matting's stages in both frameworks: the gradients of a step, and where 20 steps lead.

The refinement alone is compared directly. The other stages learn through batch norm's batch statistics and the places
of maxima, and are compared beside PyTorch in float64, as in test_training.py; after the first step the velocities, or
Adam's first moments, are the gradients.
"""
import dataclasses

import numpy as np
import pytest

import ms_impl.learner
import ms_impl.models
import ms_impl.utils
import torch_ref.learner
import torch_ref.models
import torch_ref.utils
from matting.config import default_values, make_config
from parity.compare import assert_equal, relative_difference
from parity.test_dim import NARROW, dim_pair
from parity.test_training import assert_same_training
from parity.trajectory import SIDES, train

FRAMEWORKS = {"mindspore": ms_impl, "torch": torch_ref}
STEPS = 20
GRADIENT_BUDGET = 1e-4  # 7e-6 was seen
STEPS_BUDGET = 1e-5  # 3e-7 was seen
WINDOW = (1, 2, 5, STEPS)
CEILING = 1e-2  # momentum sums up what rounding does: after 20 steps the velocities of PyTorch are 4e-3 from float64


def waves(channels, rng):
    """(4, channels, 64, 64) float32 in [0, 1]: plane waves, each of its own direction, mean and size."""
    y, x = np.mgrid[0:1:64j, 0:1:64j]
    a, b, phase, mean, size = rng.uniform(size=(5, 4, channels, 1, 1))
    return (0.3 + 0.4 * mean + 0.3 * size * np.sin(12 * a * x + 12 * b * y + 6 * phase)).astype(np.float32)


def smooth_batch(seed):
    """A training batch in which no rounding tips a maximum or a rectifier, as noise would."""
    rng = np.random.default_rng(seed)
    columns = {name: waves(channels, rng) for name, channels in (("alpha", 1), ("foreground", 3), ("background", 3))}
    alpha = columns["alpha"]
    unknown = np.zeros_like(alpha)
    unknown[:, :, 8:-16, 8:-8] = 1
    return {"image": 4 * waves(4, rng) - 2, **columns, "unknown": unknown,
            "composite": alpha * columns["foreground"] + (1 - alpha) * columns["background"]}


def learners(stage_name):
    """{framework: learner} of a stage, from the same weights; the refinement's residual small, as after training."""
    config = dataclasses.replace(make_config(default_values("dim", stage_name)), **NARROW)
    weights = dim_pair(**NARROW).weights
    weights["refinement.residual.weight"] = weights["refinement.residual.weight"] / 100
    found = {}
    for name, framework in FRAMEWORKS.items():
        network = framework.models.build(config)
        framework.utils.set_weights(network, weights)
        stage = {stage.name: stage for stage in framework.models.training_plan(config)}[stage_name]
        found[name] = framework.learner.Learner(network, stage, config)
    return config, found


@pytest.fixture(scope="module")
def refining():
    """The refinement's training in both frameworks: their states after one step, and losses and weights after STEPS."""
    config, both = learners("refine")
    first, losses = {}, {name: [] for name in both}
    for step in range(STEPS):
        for name, learner in both.items():
            losses[name].append(learner.step(smooth_batch(step % 4), config.learning_rate))
            if step == 0:
                first[name] = learner.state()
    weights = {name: FRAMEWORKS[name].utils.get_weights(learner.network) for name, learner in both.items()}
    return first, losses, weights


def test_gradients_of_the_refinement_are_equal(refining):
    """After one step the velocities are the gradients, weight decay's included."""
    first = refining[0]
    names = [name for name in first["torch"] if name.startswith("velocity.refinement.")]
    assert len(names) == 11  # three convolutions with scale and shift, the last with its bias
    assert_equal(first["mindspore"], first["torch"], GRADIENT_BUDGET, names)


def test_twenty_steps_of_the_refinement_are_equal(refining):
    _, losses, weights = refining
    assert relative_difference(losses["mindspore"], losses["torch"]) < STEPS_BUDGET
    assert losses["torch"][-4] < losses["torch"][0]  # the same batch
    assert_equal(weights["mindspore"], weights["torch"], STEPS_BUDGET, ["refinement.residual.weight"])


def test_steps_with_another_loss_are_told_apart(refining):
    config, both = learners("refine")
    both["torch"].loss.alpha_weight = 0.5
    both["torch"].step(smooth_batch(0), config.learning_rate)
    with pytest.raises(AssertionError, match="^velocity.refinement"):
        assert_equal(both["torch"].state(), refining[0]["mindspore"], GRADIENT_BUDGET,
                     ["velocity.refinement.residual.bias"])


def assert_trains_alike(stage, window):
    values = default_values("dim", stage) | {"stage": stage, "learning_rate": 1e-3, "epochs": STEPS}
    config = dataclasses.replace(make_config(values), **NARROW)
    assert_same_training(*(train(side, config, window) for side in SIDES), ceiling=CEILING)


def test_training_of_the_whole_network_is_equal():
    assert_trains_alike("finetune", WINDOW[:2])


@pytest.mark.full
@pytest.mark.parametrize("stage", ["encoder_decoder", "finetune"])
def test_longer_training_is_equal(stage):
    assert_trains_alike(stage, WINDOW)
