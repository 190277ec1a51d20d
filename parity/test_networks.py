"""Whole networks in evaluation mode: every variant, tap by tap, and the same networks as compiled graphs."""
import mindspore as ms
import pytest
import torch
from torch.nn import functional as F

from matting.training.dropout import dropout_mask
from parity.compare import assert_equal
from parity.networks import INDEX_VARIANTS, OTHER_VARIANTS, SHORT, name_of
from torch_ref.formulations import interleave
from torch_ref.index_blocks import IndexedUpsample
from torch_ref.modules import InvertedResidual

BUDGET = 1e-5  # float noise is under 3e-6; the mildest bug planted below is above 1e-3

DEEP = [  # with every block; the others differ from these in no encoder block, and are short
    {}, {"output_stride": 16},
    # not short, either, because these weights are known to let rounding tip no maximum
    {"resampling": "max"}, {"resampling": "max", "output_stride": 16},
]
SHORTENED = [variant for variant in INDEX_VARIANTS + OTHER_VARIANTS if variant not in DEEP]
GRAPH_VARIANTS = [{}, {"resampling": "max", "output_stride": 16, "apply_aspp": False}]
TAPS = [*(f"encoder.stages.{stage}" for stage in range(8)), "context",
        *(f"decoder.stages.{stage}" for stage in range(7)), "prediction", "output"]


@pytest.mark.parametrize("variant", [
    *DEEP, *(variant | SHORT for variant in SHORTENED),
    *(pytest.param(variant, marks=pytest.mark.full) for variant in SHORTENED),
], ids=name_of)
def test_every_tap_is_equal(pair, batch, pynative, variant):
    networks = pair(**variant)
    assert_equal(networks.mindspore_taps(batch), networks.torch_taps(batch), BUDGET, TAPS)


@pytest.mark.parametrize("variant", GRAPH_VARIANTS, ids=name_of)
def test_compiled_graph_is_equal(pair, batch, variant):
    networks = pair(**variant)
    compiled = {"output": networks.mindspore(ms.Tensor(batch)).asnumpy()}
    assert_equal(compiled, networks.torch_taps(batch), BUDGET, ["output"])


# --- negative controls: each plants a bug in the reference, and the comparison must name the tensor where it starts ---


def coarser_epsilon(network, monkeypatch):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-3


def shift_not_loaded(network, monkeypatch):
    torch.nn.init.zeros_(network.decoder.stages[2].fuse.bn.bias)


def padding_after_expansion(network, monkeypatch):
    def forward(self, x):
        expanded = F.pad(self.expand(x), [self.padding] * 4)
        out = self.project(self.depthwise(expanded))
        return x + out if self.residual else out

    monkeypatch.setattr(InvertedResidual, "forward", forward)


def shift_and_mean_exchanged(network, monkeypatch):
    norm = network.encoder.stages[3][0].expand.bn
    norm.bias.data, norm.running_mean.data = norm.running_mean.data, norm.bias.data


def exchange_branches(network, first, second):
    branches = network.pools[6].index.branches
    branches[first], branches[second] = branches[second], branches[first]


def branches_swapped(network, monkeypatch):
    exchange_branches(network, 0, 1)


def rows_and_columns_swapped(network, monkeypatch):
    exchange_branches(network, 1, 2)


def bilinear_for_nearest(network, monkeypatch):
    def forward(self, x, guide):
        return interleave(guide) * F.interpolate(x, scale_factor=2, mode="bilinear")

    monkeypatch.setattr(IndexedUpsample, "forward", forward)


def dropout_left_on(network, monkeypatch):
    forward = network.forward

    def dropping(x):
        batch, _, height, width = x.shape
        mask = dropout_mask(network.dropout_shape(batch, height, width), 0.5, seed=0, step=1)
        return forward(x, torch.from_numpy(mask))

    monkeypatch.setattr(network, "forward", dropping)


PLANTED = {
    coarser_epsilon: "encoder.stages.0.bn",
    shift_not_loaded: "decoder.stages.2.fuse.bn",
    padding_after_expansion: "encoder.stages.1.0.expand",
    shift_and_mean_exchanged: "encoder.stages.3.0.expand.bn",
    branches_swapped: "pools.6.index",
    rows_and_columns_swapped: "pools.6.index",
    bilinear_for_nearest: "decoder.stages.0.upsample",
    dropout_left_on: "decoder.stages.0.upsample",
}


@pytest.fixture(scope="module")
def mindspore_taps(pair, batch):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    recorded = pair(**SHORT).mindspore_taps(batch)
    ms.set_context(mode=ms.GRAPH_MODE)
    return recorded


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(pair, batch, mindspore_taps, monkeypatch, plant):
    networks = pair(**SHORT)
    plant(networks.torch, monkeypatch)
    with pytest.raises(AssertionError, match=rf"^{PLANTED[plant]}"):
        assert_equal(mindspore_taps, networks.torch_taps(batch), 1e-4, TAPS)


def test_running_line_by_line_keeps_the_parameters_names(pair, batch, pynative):
    network = pair(**SHORT).mindspore
    names = [parameter.name for parameter in network.get_parameters()]
    network(ms.Tensor(batch))
    assert [parameter.name for parameter in network.get_parameters()] == names
