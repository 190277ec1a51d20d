"""Pairs of networks with the same random weights, and the budgets they are held to."""
import dataclasses

import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.utils
import torch_ref.utils
from matting.config import DEFAULT_CONFIG, make_config, read_yaml
from ms_impl.src.model import IndexNet as MindSporeIndexNet
from parity.compare import random_weights, taps
from torch_ref.model import IndexNet as TorchIndexNet


@pytest.fixture(scope="session")
def config():
    """The default configuration."""
    return make_config(read_yaml(DEFAULT_CONFIG))


@pytest.fixture
def pynative():
    """MindSpore executes line by line, as hooks need; afterwards graph mode again."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


def calibrate(network, seed):
    """Scale batch norm's random statistics to the size of the input each layer really gets, as training would.

    Otherwise activations grow layer by layer until ReLU6 clips nearly all of them, and float noise, relative to the
    clipped range, grows in both frameworks alike.
    """

    def scale(norm, inputs):
        power = (inputs[0] ** 2).mean()
        norm.running_mean *= power.sqrt()
        norm.running_var *= power

    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
    with torch.no_grad():
        rng = np.random.default_rng(seed)
        network(torch.from_numpy(rng.standard_normal((2, 4, 64, 96)).astype(np.float32)))
    for hook in hooks:
        hook.remove()


class Pair:
    """The same network in both frameworks, with the same weights."""

    def __init__(self, network_config, seed=0, networks=(MindSporeIndexNet, TorchIndexNet)):
        mindspore_network, torch_network = networks
        self.mindspore = mindspore_network(network_config).set_train(False)
        self.torch = torch_network(network_config).eval()
        torch_ref.utils.set_weights(self.torch, random_weights(torch_ref.utils.weight_shapes(self.torch), seed))
        calibrate(self.torch, seed)
        self.weights = torch_ref.utils.get_weights(self.torch)
        ms_impl.utils.set_weights(self.mindspore, self.weights)

    def torch_taps(self, batch):
        with torch.no_grad():
            return taps(self.torch, self.torch.named_modules(), torch.from_numpy(batch))

    def mindspore_taps(self, batch):
        return taps(self.mindspore, self.mindspore.cells_and_names(), ms.Tensor(batch))


@pytest.fixture(scope="session")
def pair(config):
    """A function: settings that differ from the default -> Pair."""
    return lambda seed=0, **settings: Pair(dataclasses.replace(config, **settings).network, seed)


@pytest.fixture(scope="session")
def batch():
    """Two samples, not square: (2, 4, 64, 96) float32."""
    return np.random.default_rng(1).standard_normal((2, 4, 64, 96)).astype(np.float32)
