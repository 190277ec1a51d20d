"""Fixtures that the comparisons share."""
import dataclasses

import mindspore as ms
import numpy as np
import pytest

from matting.config import Config
from ms_impl.src.utils import set_device
from parity.networks import network_pair


@pytest.fixture(scope="session")
def config():
    """The default configuration."""
    return Config()


@pytest.fixture(scope="session", autouse=True)
def cpu(config):
    """Chosen before anything runs: MindSpore takes no device afterwards, and the programs choose theirs."""
    set_device(dataclasses.replace(config, device_target="CPU"))


@pytest.fixture
def pynative():
    """MindSpore executes line by line, as hooks need; afterwards graph mode again."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(scope="session")
def pair(config):
    """A function: settings that differ from the default -> Pair of whole networks."""
    return lambda seed=0, **settings: network_pair(dataclasses.replace(config, **settings).network, seed)


@pytest.fixture(scope="session")
def batch():
    """Two samples, not square: (2, 4, 64, 96) float32."""
    return np.random.default_rng(1).standard_normal((2, 4, 64, 96)).astype(np.float32)
