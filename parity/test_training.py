"""Training by the real learners: losses, weights, both moments of Adam and running statistics after 1, 2, 5, 20 steps.

A budget that grows must not be whatever happens to pass. Here the reference is PyTorch in float64, and PyTorch's own
float32 shows at every checkpoint what rounding has become: MindSpore may be NOISES times as far from the truth, or as
what every step rounds, added up. Seen after 20 steps: PyTorch 3e-6, MindSpore 2e-5, and 4e-5 in the running mean of the
prediction's convolution, which sums 200 inputs of about 3 each.
"""
import math

import mindspore as ms
import pytest

import torch_ref.learner
from parity.trajectory import CEILING, WINDOW, distances, train, training_settings

NOISES, ROUNDING = 10, 1e-6  # of each step
POLICIES = ("frozen", "statistics_frozen", "trained")
MODES = {"graph": ms.GRAPH_MODE, "line by line": ms.PYNATIVE_MODE}


def assert_same_training(actual, rounded, truth):
    """Raise AssertionError naming the first step and tensor that is farther from the truth than rounding explains.

    Each {step: state}; rounded: of the framework of `truth` in float32.
    """
    for step in truth:
        assert actual[step].keys() == truth[step].keys()
        noise = distances(rounded[step], truth[step])
        for kind, (distance, name) in distances(actual[step], truth[step]).items():
            budget = min(NOISES * max(noise[kind][0], ROUNDING * step), CEILING)
            assert distance <= budget, f"step {step}, {kind}: {name} {distance:.1e} > {budget:.1e}"


def assert_trains_alike(config, mode, window):
    ms.set_context(mode=MODES[mode])
    try:
        assert_same_training(*(train(side, config, window) for side in ("mindspore", "torch", "float64")))
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)


@pytest.mark.parametrize(("policy", "mode", "window"), [("frozen", "graph", (1, 2, 5)),
                                                        ("trained", "line by line", (1, 2))])
def test_training_is_equal(config, policy, mode, window):
    assert_trains_alike(training_settings(config, policy, window), mode, window)


@pytest.mark.full
@pytest.mark.parametrize("policy", POLICIES)
def test_longer_training_is_equal(config, policy):
    assert_trains_alike(training_settings(config, policy, WINDOW), "graph", WINDOW)


# --- negative controls: each plants a bug in the reference's learner ---


def epsilon_before_the_correction(monkeypatch):
    """As in Kingma and Ba's second form with its epsilon unscaled, which is what mindspore.nn.Adam computes."""
    set_rate = torch_ref.learner.Adam.set_rate

    def misplaced(self, rate):
        set_rate(self, rate)
        self.steps = getattr(self, "steps", 0) + 1
        for group in self.param_groups:
            group["eps"] = 1e-8 / math.sqrt(1 - 0.999**self.steps)

    monkeypatch.setattr(torch_ref.learner.Adam, "set_rate", misplaced)


def one_learning_rate_for_all(monkeypatch):
    def set_rate(self, rate):
        for group in self.param_groups:
            group["lr"] = rate

    monkeypatch.setattr(torch_ref.learner.Adam, "set_rate", set_rate)


def another_dropout(monkeypatch):
    mask = torch_ref.learner.dropout_mask
    monkeypatch.setattr(torch_ref.learner, "dropout_mask",
                        lambda shape, probability, seed, step: mask(shape, probability, seed + 1, step))


PLANTED = {epsilon_before_the_correction: "step 1, weights", one_learning_rate_for_all: "step 1, weights",
           another_dropout: "step 1, weights"}


@pytest.fixture(scope="module")
def truth(config):
    config = training_settings(config, "frozen", (1, 2))
    return config, train("torch", config, (1, 2)), train("float64", config, (1, 2))


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(truth, monkeypatch, plant):
    config, rounded, exact = truth
    assert_same_training(rounded, rounded, exact)
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{PLANTED[plant]}: "):
        assert_same_training(train("torch", config, (1, 2)), rounded, exact)
