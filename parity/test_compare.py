"""The comparator itself: it must fail where it should; and the walk-through in parity/README.md runs as printed."""
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.compare import (
    assert_equal,
    calibrate,
    carried,
    cosine,
    differences,
    random_weights,
    relative_difference,
    renamed,
)

README = Path(__file__).parent / "README.md"


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


def test_a_gradient_that_points_elsewhere_fails():
    reference = np.array([1e6, 1.0, 1.0])
    actual = np.array([1e6, 1.0, -1.0])
    assert_equal({"a": actual}, {"a": reference}, 1e-5, min_cosine=0.999999)
    many = {"a": np.r_[100.0, np.full(1000, 1e-2)]}
    with pytest.raises(AssertionError, match=r"^a: cosine 0\.9999800 < 0\.999999"):
        assert_equal({"a": np.r_[100.0, np.full(1000, -1e-2)]}, many, 1e-3, min_cosine=0.999999)


@pytest.mark.parametrize("actual, reference, expected", [
    ([0, 0], [0, 0], 1), ([3, 0], [0, 2], 0), ([0, 0], [0, 1], np.nan), ([0, 1], [0, 0], np.nan), ([1], [1, 1], np.nan),
])
def test_cosine_of_zeros_and_of_other_shapes(actual, reference, expected):
    np.testing.assert_equal(cosine(actual, reference), expected)


def test_comparing_nothing_fails():
    with pytest.raises(AssertionError, match="nothing was compared"):
        assert_equal({"a": np.ones(2)}, {"b": np.ones(2)}, 1e-4)
    with pytest.raises(AssertionError, match="not compared: stem"):
        assert_equal({"a": np.ones(2)}, {"a": np.ones(2)}, 1e-4, required=["stem"])


def test_differences_keep_the_order_of_execution():
    reference = {"later": np.ones(1), "earlier": np.ones(1)}
    assert [found.name for found in differences(dict(reversed(reference.items())), reference)] == ["later", "earlier"]


def test_random_weights_are_neither_ones_nor_zeros():
    shapes = {"conv.weight": (8, 4, 3, 3), "bn.weight": (64,), "bn.bias": (64,), "bn.running_var": (64,)}
    weights = random_weights(shapes)
    assert all(np.unique(value).size == value.size and (value != 0).all() for value in weights.values())
    assert weights["bn.running_var"].min() >= 0.5


THEIRS = {"stem.weight": np.ones((2, 1, 3, 3)), "norm.running_var": np.ones(2)}
NAMES = {"stem.weight": "features.0.weight", "norm.running_var": "features.1.moving_variance"}
SHAPES = {"features.1.moving_variance": (2,), "features.0.weight": (2, 1, 3, 3)}


def test_weights_are_carried_by_name_in_the_order_of_the_other():
    found = carried(THEIRS, NAMES, SHAPES)
    assert list(found) == list(SHAPES) and found["features.0.weight"] is THEIRS["stem.weight"]


@pytest.mark.parametrize("weights, names, shapes, line", [
    ({**THEIRS, "head.bias": np.ones(1)}, NAMES, SHAPES, "^not carried: head.bias$"),
    ({"stem.weight": THEIRS["stem.weight"]}, NAMES, SHAPES, "^missing: features.1.moving_variance$"),
    (THEIRS, {**NAMES, "stem.weight": "features.2"}, SHAPES, "^unexpected: features.2; missing: features.0.weight$"),
    (THEIRS, NAMES, {**SHAPES, "features.1.moving_variance": (3,)}, r"^mis-shaped: .*nce \(2,\) instead of \(3,\)$"),
    (THEIRS, dict.fromkeys(NAMES, "features.0.weight"), SHAPES, "^two names would become one$"),
])
def test_what_cannot_be_carried_is_named(weights, names, shapes, line):
    with pytest.raises(AssertionError, match=line):
        carried(weights, names, shapes)


def test_outputs_that_only_one_has_are_left_out():
    assert renamed({"bn1.drop": 1, "bn1.act": 2}, {"bn1.act": "features.2"}) == {"features.2": 2}


def test_calibrated_statistics_by_hand():
    """Of an input of 2 everywhere, whose mean square is 4; the hooks are gone afterwards."""
    norm = torch.nn.BatchNorm2d(1).eval()
    norm.running_mean.fill_(0.5)
    for _ in range(2):
        calibrate([norm], lambda: norm(torch.full((1, 1, 2, 2), 2.0)))
    norm(torch.ones(1, 1, 2, 2))
    assert norm.running_mean.item() == 2 and norm.running_var.item() == 16


def test_the_walk_through_runs_and_prints_every_tap(pynative, capsys):
    block, = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    exec(compile(block, str(README), "exec"), {})
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == "expand.conv" and printed[-1] == "output"
    with pytest.raises(AssertionError, match=r"^project\.bn: max\|d\|/max\|ref\| .* > 1e-05"):
        exec(compile(block.replace("6).eval()", "6).eval(); module.project.bn.eps = 1e-3"), str(README), "exec"), {})
