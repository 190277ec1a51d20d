"""Deep Image Matting in both frameworks: sizes, every option tap by tap in evaluation mode, the compiled graph."""
import dataclasses

import mindspore as ms
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import export
import ms_impl.src.dim
import ms_impl.src.utils
import torch_ref.dim
import torch_ref.utils
from matting.config import Config, save_config
from matting.errors import UserError
from matting.runtimes.onnx import load_graph
from parity.compare import assert_equal
from parity.networks import network_pair

NETWORKS = (ms_impl.src.dim.DeepImageMatting, torch_ref.dim.DeepImageMatting)
CONFIG = Config(model="dim")
BUDGET = 1e-5  # as for IndexNet
NARROW = {"width_mult": 0.125}  # the same layers in an eighth of the time
OPTIONS = [
    {"encoder_batch_norm": False},
    {"decoder_batch_norm": False},
    {"bridge": "fc6"},
    {"resampling": "bilinear"},
    {"resampling": "indexed"},
    {"decoder_skips": True},
    {"decoder_kernel_size": 3},
    {"refine": False},
    {"refine_on": "logit"},
    {"output_activation": "linear"},
    {"output_activation": "linear", "refine": False},
]
TAPS = [*(f"encoder.stages.{stage}" for stage in range(5)), "bridge",
        *(f"decoder.stages.{stage}" for stage in range(5)), "prediction", "output"]
REFINEMENT_TAPS = ["refinement.stages", "refinement.residual"]


def dim_pair(seed=0, **settings):
    return network_pair(dataclasses.replace(CONFIG, **settings).network, seed, NETWORKS)


def name_of(settings):
    return "-".join(f"{key}={value}" for key, value in settings.items())


def parameter_count(shapes, part=""):
    return sum(int(np.prod(shape)) for name, shape in shapes.items()
               if name.startswith(part) and "running" not in name)


def torch_shapes(**settings):
    with torch.device("meta"):  # only shapes are needed
        network = torch_ref.dim.DeepImageMatting(dataclasses.replace(CONFIG, **settings).network)
    return torch_ref.utils.weight_shapes(network)


def test_default_network_has_its_size_part_by_part():
    shapes = torch_shapes()
    parts = {
        # VGG16's convolutions with a fourth input channel, without biases; 2 values of batch norm for each channel
        "encoder.": 14_710_464 + 9 * 64 + 2 * 4224,
        "bridge.": 9 * 512 * 512 + 512 * 512 + 4 * 512,
        "decoder.": 25 * (512 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 64) + 2 * (512 + 256 + 128 + 64 + 64),
        "prediction.": 25 * 64 + 1,
        "refinement.": 9 * (4 * 64 + 2 * 64 * 64 + 64) + 6 * 64 + 1,
    }
    assert {part: parameter_count(shapes, part) for part in parts} == parts
    assert parameter_count(shapes) == sum(parts.values())


def test_network_with_fc6_has_the_published_size():
    """130.55 M (Lu et al. 2019, their re-implementation): batch norm everywhere, no biases, no refinement."""
    shapes = torch_shapes(bridge="fc6")
    assert parameter_count(shapes, "bridge.") == 49 * 512 * 4096 + 4096 * 512 + 2 * (4096 + 512)
    without_refinement = parameter_count(shapes) - parameter_count(shapes, "refinement.")
    assert without_refinement - 1 == 130_546_752  # 1: the prediction's bias


@pytest.mark.parametrize("settings", [{}, *OPTIONS], ids=name_of)
def test_both_frameworks_have_the_same_parameters(settings):
    network = NETWORKS[0](dataclasses.replace(CONFIG, **NARROW, **settings).network)
    assert dict(ms_impl.src.utils.weight_shapes(network)) == torch_shapes(**NARROW, **settings)


@pytest.mark.parametrize("settings", OPTIONS, ids=name_of)
def test_every_tap_of_every_option_is_equal(batch, pynative, settings):
    networks = dim_pair(**NARROW, **settings)
    taps = TAPS + (REFINEMENT_TAPS if settings.get("refine", True) else [])
    assert_equal(networks.mindspore_taps(batch), networks.torch_taps(batch), BUDGET, taps)


@pytest.fixture(scope="module")
def default_pair():
    # of the first seeds the one whose pooled cells' two largest values lie farthest apart: where they are equal but for
    # float noise, either may be the maximum, and unpooling puts a value elsewhere
    return dim_pair(seed=4)


@pytest.fixture
def sample(batch):
    return batch[:1]


def test_every_tap_of_the_default_is_equal(default_pair, sample, pynative):
    assert_equal(default_pair.mindspore_taps(sample), default_pair.torch_taps(sample), BUDGET, TAPS + REFINEMENT_TAPS)


def test_running_line_by_line_renames_no_parameter(default_pair, sample, pynative):
    """As slicing a CellList would, and the next checkpoint would then not load."""
    before = dict(ms_impl.src.utils.weight_shapes(default_pair.mindspore))
    default_pair.mindspore(ms.Tensor(sample))
    assert dict(ms_impl.src.utils.weight_shapes(default_pair.mindspore)) == before == torch_shapes()


def test_compiled_graph_is_equal(default_pair, sample):
    compiled = {"output": default_pair.mindspore(ms.Tensor(sample)).asnumpy()}
    assert_equal(compiled, default_pair.torch_taps(sample), BUDGET, ["output"])


def test_an_onnx_file_with_unpooling_is_equal_to_both_frameworks(tmp_path, sample, pynative):
    networks = dim_pair(**NARROW)
    torch_ref.utils.save_checkpoint(networks.torch, tmp_path / "best.pth")
    save_config(dataclasses.replace(CONFIG, **NARROW), tmp_path)
    export.main(["--file_format", "ONNX", "--img_size", "64", "96", "--ckpt_url", str(tmp_path / "best.pth")])
    exported = {"output": load_graph(tmp_path / "best.onnx")(sample)}
    for taps in (networks.torch_taps(sample), networks.mindspore_taps(sample)):
        assert_equal(exported, taps, BUDGET, ["output"])


def test_alpha_is_neither_saturated_nor_outside_its_range(default_pair, sample):
    taps = default_pair.torch_taps(sample)
    raw = 1 / (1 + np.exp(-taps["prediction"]))
    for alpha in (raw, taps["output"]):
        assert alpha.min() >= 0 and alpha.max() <= 1
        assert ((alpha > 0.01) & (alpha < 0.99)).mean() > 0.2


def test_an_untrained_refinement_leaves_the_raw_alpha_alone(batch):
    for network, utilities in zip(NETWORKS, (ms_impl.src.utils, torch_ref.utils), strict=True):
        raw, refined = (network(dataclasses.replace(CONFIG, **NARROW, refine=refine).network)
                        for refine in (False, True))
        utilities.set_weights(refined, utilities.get_weights(raw))
        np.testing.assert_array_equal(utilities.predictor(refined)(batch), utilities.predictor(raw)(batch))


STEPS_TO_ALPHA = {  # the prediction, the residual -> what the network gives
    ("sigmoid", "alpha"): lambda logit, residual: np.clip(sigmoid(logit) + residual, 0, 1),
    ("sigmoid", "logit"): lambda logit, residual: sigmoid(logit + residual),
    ("linear", "alpha"): lambda logit, residual: np.clip(logit + residual, 0, 1),
}


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize(("output", "refine_on"), STEPS_TO_ALPHA)
def test_the_last_step_is_what_the_settings_say(batch, pynative, output, refine_on):
    networks = dim_pair(**NARROW, output_activation=output, refine_on=refine_on)
    for taps in (networks.torch_taps(batch), networks.mindspore_taps(batch)):
        found = {steps: function(taps["prediction"], taps["refinement.residual"])
                 for steps, function in STEPS_TO_ALPHA.items()}
        expected = found.pop((output, refine_on))
        np.testing.assert_allclose(taps["output"], expected, rtol=0, atol=1e-5)
        assert all(np.abs(taps["output"] - other).max() > 1e-2 for other in found.values())


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_without_refinement_the_output_is_the_raw_alpha(batch, pynative, output):
    networks = dim_pair(**NARROW, output_activation=output, refine=False)
    for taps in (networks.torch_taps(batch), networks.mindspore_taps(batch)):
        expected = {"sigmoid": sigmoid(taps["prediction"]), "linear": taps["prediction"]}[output]
        np.testing.assert_allclose(taps["output"], expected, rtol=0, atol=1e-6)


def test_a_correction_of_what_no_sigmoid_follows_is_refused():
    with pytest.raises(UserError, match="refine_on logit corrects what a sigmoid follows"):
        dataclasses.replace(CONFIG, output_activation="linear", refine_on="logit")


# --- negative controls: each plants a bug in the reference, and the comparison must name the tensor where it starts ---


def unpooling_into_the_first_place(network, monkeypatch):
    def forward(self, x, guide):
        return F.pad(x[..., None], (0, 1)).flatten(3).repeat_interleave(2, 2) * torch.tensor([1, 0]).repeat(
            x.shape[2])[:, None]

    monkeypatch.setattr(type(network.decoder.stages[0].upsample), "forward", forward)


def relu6_for_relu(network, monkeypatch):
    monkeypatch.setattr(torch_ref.layers.ConvReLU, "forward", lambda self, x: F.relu6(self.bn(self.conv(x))))


def refinement_sees_blue_for_red(network, monkeypatch):
    def forward(self, image, raw):
        return self.residual(self.stages(torch.cat((image.flip(1), raw), 1)))

    monkeypatch.setattr(torch_ref.dim.Refinement, "forward", forward)


def prediction_without_bias(network, monkeypatch):
    torch.nn.init.zeros_(network.prediction.bias)


PLANTED = {
    unpooling_into_the_first_place: "decoder.stages.0.upsample",
    relu6_for_relu: r"encoder.stages.0.0",
    refinement_sees_blue_for_red: "refinement.stages.0.conv",
    prediction_without_bias: "prediction",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_bug_is_found(batch, pynative, monkeypatch, plant):
    networks = dim_pair(**NARROW)
    plant(networks.torch, monkeypatch)
    with pytest.raises(AssertionError, match=rf"^{PLANTED[plant]}"):
        assert_equal(networks.mindspore_taps(batch), networks.torch_taps(batch), 1e-4, TAPS)
