"""Fixtures that several test files share."""
import shutil

import numpy as np
import pytest

from matting.config import shipped
from tests.tiny_data import prepare_data_set, write_data_set, write_trimaps


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A tiny data set, not to be changed; tests get copies."""
    root = tmp_path_factory.mktemp("template")
    write_data_set(root, np.random.default_rng(5))
    return root


@pytest.fixture
def unprepared(template, tmp_path):
    """The root of a tiny data set as its user has it: originals, mattes, backgrounds."""
    return shutil.copytree(template, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def prepared_template(template, tmp_path_factory):
    root = shutil.copytree(template, tmp_path_factory.mktemp("prepared"), dirs_exist_ok=True)
    prepare_data_set(root)
    return root


@pytest.fixture
def prepared(prepared_template, tmp_path):
    """The same after preparation: with train/merged and train/data.txt."""
    return shutil.copytree(prepared_template, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def raw(unprepared):
    """The tiny data set (train a b c d over 4 backgrounds, validation v over 2) with the trimaps preparation wants."""
    write_trimaps(unprepared)
    return unprepared


@pytest.fixture
def nothing_shipped(monkeypatch, tmp_path):
    """No weights come with the project, whether they do or not."""
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "none.onnx")
