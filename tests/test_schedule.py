"""The learning-rate schedule, against numbers worked out by hand."""
import numpy as np

from matting.config import Config
from matting.training.schedule import learning_rates


def rates(steps_per_epoch=2, **changes):
    values = {"learning_rate": 0.01, "lr_decay": 0.1, "milestones": (2, 3), "epochs": 5} | changes
    return learning_rates(Config(**values), steps_per_epoch)


def test_rate_falls_with_the_first_step_of_a_milestone_epoch():
    expected = np.array([0.01] * 4 + [0.001] * 2 + [0.0001] * 4, np.float32)
    np.testing.assert_array_equal(rates(), expected)
    assert rates().dtype == np.float32


def test_documented_schedule_never_rises_and_never_dips():
    documented = rates(milestones=(20, 26), epochs=30, steps_per_epoch=3)
    assert np.count_nonzero(np.diff(documented)) == 2
    assert (np.diff(documented) <= 0).all()
    assert documented[59] == np.float32(0.01) and documented[60] == np.float32(0.001)
    assert documented[77] == np.float32(0.001) and documented[78] == np.float32(0.0001)


def test_no_milestone_leaves_the_rate_constant():
    np.testing.assert_array_equal(rates(milestones=()), np.full(10, 0.01, np.float32))


def test_three_unsorted_milestones_each_count_once():
    three = rates(milestones=(4, 1, 2), steps_per_epoch=1)
    np.testing.assert_allclose(three, [1e-2, 1e-3, 1e-4, 1e-4, 1e-5], rtol=1e-6)


def test_milestone_after_the_last_epoch_is_never_reached():
    np.testing.assert_array_equal(rates(milestones=(99,)), np.full(10, 0.01, np.float32))
