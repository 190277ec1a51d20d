"""The comparator itself: it must fail where it should."""
import numpy as np
import pytest

from parity.compare import assert_equal, differences, random_weights, relative_difference


def test_difference_is_relative_to_the_largest_reference_value():
    assert relative_difference([1.0, -3.5], [1.0, -4.0]) == 0.125


@pytest.mark.parametrize("actual, reference", [
    ([1.0], [1.0, 1.0]), ([np.nan], [1.0]), ([1.0], [np.nan]), ([np.inf], [np.inf]), ([1e-9], [0.0]),
], ids=["shape", "nan", "nan in both places", "infinite", "zero reference"])
def test_what_cannot_be_compared_is_infinitely_different(actual, reference):
    assert relative_difference(actual, reference) == np.inf


def test_first_divergence_is_named():
    reference = {"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)}
    actual = reference | {"b": np.array([1.0, 1.5]), "c": np.zeros(2)}
    with pytest.raises(AssertionError, match=r"^b: max\|d\|/max\|ref\| 5.0e-01 > 1e-04"):
        assert_equal(actual, reference, 1e-4)


def test_comparing_nothing_fails():
    with pytest.raises(AssertionError, match="nothing was compared"):
        assert_equal({"a": np.ones(2)}, {"b": np.ones(2)}, 1e-4)
    with pytest.raises(AssertionError, match="not compared: stem"):
        assert_equal({"a": np.ones(2)}, {"a": np.ones(2)}, 1e-4, required=["stem"])


def test_differences_keep_the_order_of_execution():
    reference = {"later": np.ones(1), "earlier": np.ones(1)}
    assert [name for name, _ in differences(dict(reversed(reference.items())), reference)] == ["later", "earlier"]


def test_random_weights_are_neither_ones_nor_zeros():
    shapes = {"conv.weight": (8, 4, 3, 3), "bn.weight": (64,), "bn.bias": (64,), "bn.running_var": (64,)}
    weights = random_weights(shapes)
    assert all(np.unique(value).size == value.size and (value != 0).all() for value in weights.values())
    assert weights["bn.running_var"].min() >= 0.5
