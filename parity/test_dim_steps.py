"""Deep Image Matting's training stages by the real learners: gradients, losses, weights and moments over 20 steps.

Beside PyTorch in float64, as test_training.py says; trajectory.py keeps rounding from tipping maxima and rectifiers.
After the first step the velocities, or Adam's first moments, are the gradients.
"""
import dataclasses

import pytest
import torch

import torch_ref.learner
from matting.config import default_values, make_config
from parity.test_dim import NARROW, name_of
from parity.test_dim import OPTIONS as NETWORK_OPTIONS
from parity.test_training import assert_same_training
from parity.trajectory import SIDES, train

WINDOW = (1, 2, 5, 20)
STAGES = ("encoder_decoder", "refine", "finetune")
LEARNING_RATE = 1e-3  # so large that 20 steps lead somewhere
OPTIONS = [settings for settings in NETWORK_OPTIONS if "refine" not in settings]  # the stages choose that


def stage_config(stage, **settings):
    values = default_values("dim", stage) | {"stage": stage, "learning_rate": LEARNING_RATE, "epochs": max(WINDOW)}
    return dataclasses.replace(make_config(values), **NARROW, **settings)


def assert_trains_alike(config):
    assert_same_training(*(train(side, config, WINDOW) for side in SIDES))


@pytest.mark.parametrize("stage", ["refine", "finetune"])
def test_training_is_equal(stage):
    assert_trains_alike(stage_config(stage))


@pytest.mark.full
@pytest.mark.parametrize("settings", [{}, *OPTIONS], ids=name_of)
@pytest.mark.parametrize("stage", STAGES)
def test_training_of_every_option_is_equal(stage, settings):
    assert_trains_alike(stage_config(stage, **settings))


# --- negative controls: each plants a bug in the reference's learner ---


def statistics_of_frozen_parts_learn(monkeypatch):
    monkeypatch.setattr(torch_ref.learner.Learner, "_set_train", lambda self, training: self.network.train(training))


def momentum_of_nesterov(monkeypatch):
    def step(self, closure=None):
        for group in self.param_groups:
            group["nesterov"] = True
        return torch.optim.SGD.step(self, closure)

    monkeypatch.setattr(torch_ref.learner.Momentum, "step", step)


PLANTED = {statistics_of_frozen_parts_learn: "step 1, losses", momentum_of_nesterov: "step 1, weights"}


@pytest.fixture(scope="module")
def truth():
    return [train(side, stage_config("refine"), (1, 2)) for side in ("torch", "float64")]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(truth, monkeypatch, plant):
    assert_same_training(truth[0], *truth)
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{PLANTED[plant]}: "):
        assert_same_training(train("torch", stage_config("refine"), (1, 2)), *truth)
