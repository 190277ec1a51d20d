"""Whole networks in training: loss, its gradient by the image and every weight, batch norm and what it leaves.

float64 tells what is rounding: on such batches PyTorch's own float32 gradients are within 2e-5 of it, a fifth of the
budget. Two things would spoil that, and neither is a difference between the frameworks: batch norm of the global mean,
over so few values that it divides by nearly nothing (hence samples of their own brightness), and rounding that tips a
ReLU6 deep in the network, where few values decide a gradient (hence open gates): without these, PyTorch's float32 is up
to 3e-3 from float64, and MindSpore up to 4e-1.
"""
import dataclasses

import numpy as np
import pytest

import ms_impl.src.utils
import torch_ref.utils
from parity.compare import assert_equal
from parity.networks import (
    INDEX_VARIANTS,
    OTHER_VARIANTS,
    SHORT,
    SMALL,
    matting_gradients,
    name_of,
    network_pair,
    open_gates,
    smooth_batch,
)

BUDGET, MIN_COSINE = 1e-4, 0.999999
BATCH_NORM_BUDGET = 5e-5
ZERO = 1e-5  # of the network's largest gradient: zero but for rounding
VARIANTS = [{}, {"index_kind": "holistic", "use_context": False, **SHORT},
            {"index_kind": "depthwise_o2o", "use_nonlinear": False, "conv_operator": "dep_sep_conv", **SHORT}]
# max pooling only alone, in test_layers.py: in whole networks near ties leave PyTorch's float32 30 % from float64
ALL_VARIANTS = [variant | SHORT for variant in (*INDEX_VARIANTS, *OTHER_VARIANTS, {"resampling": "bilinear"})
                if variant.get("resampling") != "max"]
POLICIES = {  # in training mode: what is done to the weights, and the seed of a batch that tips no ReLU6
    "frozen": (None, 0),
    "statistics_frozen": (None, 0),
    "trained": (open_gates, 4),
}


@pytest.fixture(scope="module")
def columns():
    return smooth_batch(4, 64, 64, seed=4)


def trained_weights(networks):
    return [name for name, weight in networks.torch.named_parameters() if weight.requires_grad]


def assert_gradients_equal(config, columns, settings):
    """In evaluation mode, where batch norm is an affine map; MindSpore in the mode that is set."""
    networks = network_pair(dataclasses.replace(config, encoder_bn="trained", **settings).network,
                            change=open_gates)
    assert_equal(*matting_gradients(networks, columns), BUDGET, ["value", "input", *trained_weights(networks)],
                 MIN_COSINE)


@pytest.mark.parametrize("settings", [
    *VARIANTS, *(pytest.param(variant, marks=pytest.mark.full) for variant in ALL_VARIANTS)], ids=name_of)
def test_gradients_are_equal(config, columns, pynative, settings):
    assert_gradients_equal(config, columns, settings)


@pytest.mark.full
@pytest.mark.parametrize("settings", VARIANTS, ids=name_of)
def test_gradients_of_a_compiled_graph_are_equal(config, columns, settings):
    """Shorter, in test_training.py: after its first compiled step Adam's first moments are the gradients."""
    assert_gradients_equal(config, columns, settings)


def without_zeros(actual, reference):
    """Both without the weights whose gradient is zero: shifts, and scales, that the next batch norm takes away.

    What rounding makes of zero has no maximum to be relative to. Both must be as small.
    """
    largest = max(np.abs(gradient).max() for name, gradient in reference.items() if name != "value")
    zeros = {name for name, gradient in reference.items()
             if name.split(".")[-2:-1] == ["bn"] and np.abs(gradient).max() < ZERO * largest}
    for name in zeros:
        assert np.abs(actual[name]).max() < ZERO * largest, f"{name}: has a gradient, but should have none"
    return tuple({name: gradient for name, gradient in side.items() if name not in zeros}
                 for side in (actual, reference))


@pytest.mark.parametrize("policy", POLICIES)
def test_training_mode_is_equal(config, pynative, policy):
    """Every tap of one pass, the running statistics it leaves, dropout included in the gradients."""
    change, seed = POLICIES[policy]
    networks = network_pair(dataclasses.replace(config, encoder_bn=policy, **SMALL).network,
                            change=change)
    networks.set_train(True)
    columns = smooth_batch(4, 64, 64, seed)
    image = columns["input"]
    assert_equal(networks.mindspore_taps(image), networks.torch_taps(image), BATCH_NORM_BUDGET, ["output"])
    assert_equal(ms_impl.src.utils.get_weights(networks.mindspore), torch_ref.utils.get_weights(networks.torch),
                 BATCH_NORM_BUDGET, [*networks.weights])
    actual, reference = without_zeros(*matting_gradients(networks, columns))
    convolutions = [name for name in trained_weights(networks) if name.endswith("conv.weight")]
    assert_equal(actual, reference, BUDGET, ["value", "input", *convolutions], MIN_COSINE)


def test_only_batch_norms_gradients_may_be_zero_and_in_both_frameworks():
    reference = {"value": np.ones(1), "conv.weight": np.ones(3), "bn.bias": np.full(3, 1e-7)}
    actual, rest = without_zeros(reference, reference)
    assert actual.keys() == rest.keys() == {"value", "conv.weight"}
    with pytest.raises(AssertionError, match=r"^bn\.bias: has a gradient"):
        without_zeros(reference | {"bn.bias": np.ones(3)}, reference)
    zero = reference | {"conv.weight": np.zeros(3), "other.conv.weight": np.ones(3)}
    assert "conv.weight" in without_zeros(zero, zero)[0]
