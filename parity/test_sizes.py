"""Both networks have the published sizes, and their encoders' batch norms do what the policy says."""
import dataclasses
import itertools

import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.src.model
import ms_impl.src.utils
import torch_ref.model
import torch_ref.utils
from matting.config import Config, IndexNetConfig
from parity.networks import SHORT, SMALL

CONFIG = Config()
SIDES = {"ms_impl": (ms_impl.src.model.IndexNet, ms_impl.src.utils),
         "torch_ref": (torch_ref.model.IndexNet, torch_ref.utils)}
PLAIN_TO_FULL = list(itertools.product((False, True), (False, True)))  # nonlinear, context
MILLIONS = {"holistic": (3.758, 3.773, 4.016, 4.791), "depthwise_o2o": (3.758, 3.773, 3.762, 3.777),
            "depthwise_m2o": (4.270, 5.822, 4.402, 5.954)}


@pytest.fixture(params=SIDES)
def side(request):
    """A function: settings that differ from the default -> (network, that framework's utilities)."""
    network, utilities = SIDES[request.param]
    return lambda **settings: (network(dataclasses.replace(CONFIG, **settings).network), utilities)


def parameter_count(network, utilities):
    return sum(int(np.prod(shape)) for name, shape in utilities.weight_shapes(network).items()
               if "running" not in name)


def test_default_network_has_the_published_size_part_by_part(side):
    network, utilities = side()
    parts = {"encoder": 1_812_000, "pools": 2_200_256, "context": 627_840, "decoder": 1_312_592, "prediction": 827}
    assert {part: parameter_count(getattr(network, part), utilities) for part in parts} == parts
    assert parameter_count(network, utilities) == 5_953_515


def test_doubled_hidden_width_gives_the_papers_table(side):
    assert parameter_count(*side(index_expansion=2)) == 8_153_771


@pytest.mark.parametrize("kind", MILLIONS)
def test_every_variant_has_its_published_size(side, kind):
    counted = [parameter_count(*side(index_kind=kind, use_nonlinear=nonlinear, use_context=context)) / 1e6
               for nonlinear, context in PLAIN_TO_FULL]
    assert [round(count, 3) for count in counted] == list(MILLIONS[kind])


def test_max_pooling_baseline_has_its_published_size(side):
    assert round(parameter_count(*side(resampling="max")) / 1e6, 3) == 3.753


def test_width_scales_everything_and_both_frameworks_alike():
    shapes = [utilities.weight_shapes(network(dataclasses.replace(CONFIG, width_mult=1.4).network))
              for network, utilities in SIDES.values()]
    assert dict(shapes[0]) == dict(shapes[1])
    assert shapes[0]["encoder.stages.0.conv.weight"][0] == 44  # int(1.4 * 32)
    assert shapes[0]["decoder.stages.0.fuse.conv.weight"][:2] == (134, 448)  # int(1.4 * 96), 2 int(1.4 * 160)


def test_output_stride_16_drops_the_last_pool_and_dilates_what_follows():
    network = torch_ref.model.IndexNet(dataclasses.replace(CONFIG, output_stride=16).network)
    assert [type(pool).__name__ for pool in network.pools] == (
        ["IndexedPool", "Keep", "IndexedPool", "IndexedPool", "IndexedPool", "Keep", "Keep"])
    dilations = [[block.padding for block in stage] for stage in network.encoder.stages[1:]]
    assert dilations == [[1], [1, 1], [1, 1, 1], [1] * 4, [1] * 3, [1, 2, 2], [2]]


def test_settings_are_not_altered_by_building(side):
    setting = CONFIG.inverted_residual_setting
    side(output_stride=16)
    assert setting == IndexNetConfig().inverted_residual_setting


def test_initial_weights_have_the_published_spread(side):
    network, utilities = side()
    weights = utilities.get_weights(network)
    for name in ("encoder.stages.6.0.project.conv.weight", "decoder.stages.0.fuse.conv.weight"):
        out, _, height, width = weights[name].shape
        assert weights[name].std() == pytest.approx(np.sqrt(2 / (height * width * out)), rel=0.02)
    assert (weights["context.project.bn.weight"] == 1).all() and (weights["context.project.bn.bias"] == 0).all()


# policy: are the encoder's running statistics unchanged by a training pass; is its batch norm's affine trained
POLICIES = {"frozen": (True, False), "statistics_frozen": (True, True), "trained": (False, True)}


@pytest.mark.parametrize("policy", POLICIES)
def test_encoder_batch_norm_keeps_its_policy_in_training_mode_torch(policy):
    kept, trained = POLICIES[policy]
    encoder = torch_ref.model.Encoder(dataclasses.replace(CONFIG, encoder_bn=policy, **SHORT).network).train()
    stem = encoder.stages[0]
    before = stem.bn.running_mean.clone()
    with torch.no_grad():
        stem(torch.rand(2, 4, 32, 32))
    assert torch.equal(stem.bn.running_mean, before) is kept
    assert stem.bn.weight.requires_grad is stem.bn.bias.requires_grad is trained


@pytest.mark.parametrize("policy", POLICIES)
def test_encoder_batch_norm_keeps_its_policy_in_training_mode_mindspore(policy):
    kept, trained = POLICIES[policy]
    encoder = ms_impl.src.model.Encoder(dataclasses.replace(CONFIG, encoder_bn=policy, **SHORT).network)
    stem = encoder.set_train(True).stages[0]
    before = stem.bn.moving_mean.asnumpy().copy()
    stem(ms.Tensor(np.random.default_rng(0).random((2, 4, 32, 32), np.float32)))
    assert np.array_equal(stem.bn.moving_mean.asnumpy(), before) is kept
    assert stem.bn.gamma.requires_grad is stem.bn.beta.requires_grad is trained


def test_other_batch_norms_learn_whatever_the_encoder_does():
    network = torch_ref.model.IndexNet(CONFIG.network).train()
    norms = [module for name, module in network.named_modules()
             if isinstance(module, torch.nn.BatchNorm2d) and not name.startswith("encoder.")]
    assert norms and all(norm.training and norm.weight.requires_grad for norm in norms)


def test_smallest_input_is_one_cell_of_the_deepest_feature(side, pynative):
    network, utilities = side(**SMALL)
    alpha = utilities.predictor(network)(np.zeros((1, 4, 32, 64), np.float32))
    assert alpha.shape == (1, 1, 32, 64) and np.isfinite(alpha).all()
