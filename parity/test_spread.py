"""Whole trainings: both programs, after the same 200 steps on the drawn set, differ by no more than seeds do.

parity/spread.json holds what `python -m parity.spread` measured; retraining for minutes is not for every test run.
"""
import numpy as np
import pytest
from scipy import stats

from matting.metrics import METRICS
from parity.spread import read_record

LEAST_SEEDS = 3
CHANCE = 0.05  # of trainings that differ by their seeds only to be farther apart, below which they are told apart


def assert_differ_by_seeds_only(actual, reference):
    """Raise AssertionError naming the first metric in which the frameworks' seeds do not explain their difference.

    Each {metric: validation means of a framework's trainings, one a seed}. By Welch's test, which knows that so few
    seeds show their spread roughly: of conn's means (0.17 apart) each is 1.2 and 2.1 deviations of the other from it.
    """
    for metric, values in reference.items():
        chance = stats.ttest_ind(actual[metric], values, equal_var=False).pvalue
        assert chance >= CHANCE, (f"{metric}: {np.mean(actual[metric]):.4g} is not {np.mean(values):.4g}; seeds do "
                                  f"that with a chance of {chance:.2g} < {CHANCE}")


def test_frameworks_differ_no_more_than_seeds():
    record = read_record("long")
    assert all(record[side].keys() >= set(METRICS) for side in ("mindspore", "torch"))
    assert all(len(values) >= LEAST_SEEDS for side in record.values() for values in side.values())
    assert_differ_by_seeds_only(record["mindspore"], record["torch"])


def test_other_trainings_are_told_apart():
    """Of deviation 1 and 3 seeds each: 1 apart is t = 1.22 and chance 0.29, 3 apart t = 3.67 and 0.021."""
    assert_differ_by_seeds_only({"sad": [2, 3, 4]}, {"sad": [1, 2, 3]})
    with pytest.raises(AssertionError, match=r"^sad: 5 is not 2; seeds do that with a chance of 0\.021 < 0\.05"):
        assert_differ_by_seeds_only({"sad": [4, 5, 6]}, {"sad": [1, 2, 3]})
