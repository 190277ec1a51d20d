"""Both models in mixed precision, in both frameworks: as near to float32 as half the digits let them be, no nearer."""
from dataclasses import replace

import numpy as np
import pytest

from parity.precision import FRAMEWORKS, HALF_NAMES, shared_weights, small_config, train

ROUNDINGS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
STEPS = 2  # the second after an update
NEAREST, FARTHEST = 1 / 100, 8  # roundings: float32 has 1/8192 of float16's, and a loss averages most of them out
MODELS = {  # one that compiles fast; one in which float16 goes on beyond convolutions
    "indexnet": ("--index_kind", "holistic", "--use_context", "False", "--decoder_kernel_size", "3"),
    "dim": ("--model", "dim", "--encoder_batch_norm", "False", "--decoder_batch_norm", "False")}


def assert_half_the_digits(losses, full, half):
    """Raise AssertionError unless losses differ from those of float32 by about what that precision rounds off."""
    distance = abs(losses / full - 1).max() / ROUNDINGS[half]
    assert NEAREST < distance < FARTHEST, f"{distance:.1e} roundings of {half}"


@pytest.fixture(scope="module", params=[pytest.param("indexnet", marks=pytest.mark.full), "dim"])
def full(request):
    """Settings, weights and PyTorch's losses in float32, of which MindSpore's are within 1e-5."""
    config = small_config(MODELS[request.param])
    weights = shared_weights(config)
    return config, weights, train(FRAMEWORKS["PyTorch"], config, weights, STEPS)[0]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_losses_have_half_the_digits(full, name):
    config, weights, expected = full
    losses, learner = train(FRAMEWORKS[name], replace(config, amp=True), weights, STEPS)
    assert learner.diagnostics() == {"loss_scale": 65536, "skipped_steps": 0}
    assert {value.dtype for value in learner.weights().values()} == {np.dtype(np.float32)}
    assert_half_the_digits(losses, expected, HALF_NAMES[name])


def test_float32_and_a_tenth_too_much_are_told_apart(full):
    losses = full[2]
    for wrong in (losses * (1 + 1e-6), losses * 1.1):
        with pytest.raises(AssertionError, match="roundings of"):
            assert_half_the_digits(wrong, losses, "float16")
