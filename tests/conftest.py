"""Fixtures that several test files share."""
import numpy as np
import pytest

from tests.tiny_data import prepare_data_set, write_data_set


@pytest.fixture
def unprepared(tmp_path):
    """The root of a tiny data set as its user has it: originals, mattes, backgrounds."""
    write_data_set(tmp_path, np.random.default_rng(5))
    return tmp_path


@pytest.fixture
def prepared(unprepared):
    """The same after preparation: with train/merged and train/data.txt."""
    prepare_data_set(unprepared)
    return unprepared
