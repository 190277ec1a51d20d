"""Published checkpoints, rebuilt from their names, give what their own projects' networks computed, in each runtime."""
import dataclasses
import json
from typing import NamedTuple

import cv2
import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.eval
import ms_impl.export
import ms_impl.learner
import ms_impl.predict
import ms_impl.registry
import ms_impl.src.utils
import ms_impl.train
import torch_ref.eval
import torch_ref.export
import torch_ref.learner
import torch_ref.predict
import torch_ref.registry
import torch_ref.train
import torch_ref.utils
from matting import convert, load
from matting.config import CHECKPOINT_KEYS, Config, config_parser, load_config
from matting.inference import to_network_input, to_uint8
from matting.programs.export import graph_path
from matting.weights.files import read_weights
from matting.weights.published import find
from parity.compare import taps
from tests import published_files
from tests.tiny_data import write_prepared_set

RAW_BUDGET = 1e-5  # max |ours - theirs| / max |theirs|, of the last convolution's output
ALPHA_BUDGET = 1e-4
SIZE = ["--img_size", "64", "96"]


class Case(NamedTuple):
    """A row of CASES."""

    file: str  # as it was published, where it was
    weights_from: str = ""
    levels: int = 0  # of 255, between our matte and theirs: where they truncate we round
    channels: tuple = (0, 1, 2, 3)  # of their input, in our order


CASES = {
    "mmagic-indexnet": Case("indexnet_mobv2_1x16_78k_comp1k_SAD-45.6_20200618_173817-26dd258d.pth"),
    "mindspore-model-zoo-indexnet": Case("indexnet.ckpt", levels=1),
    "indexnet-release": Case("indexnet_matting.pth.tar", levels=1),  # the same network, here with the same weights
    "mmagic-dim-stage1": Case("dim_stage1_v16_1x1_1000k_comp1k_SAD-53.8_20200605_140257-979a420f.pth"),
    "mmagic-dim-stage3": Case("dim_stage3_v16_pln_1x1_1000k_comp1k_SAD-50.6_20200609_111851-647f24b6.pth"),
    "huo-v1.0-stage0": Case("my_stage0_sad_72.9.pth", levels=1, channels=(2, 1, 0, 3)),
    "huo-v1.2-stage2": Case("renamed.pth", "huochaitiantang-v1.2", levels=1),
    "huo-v1.4-stage1": Case("stage1_sad_54.4.pth", levels=1),
    "huo-v1.5-stage1": Case("stage1_skip_sad_52.9.pth", levels=1),
    "huo-v1.5-stage3": Case("renamed.pth", "huochaitiantang-v1.5", levels=1),
    "indexnet-release-deep-matting": Case("deep_matting.pth.tar", levels=1),
}
SAME = {"indexnet-release": "mindspore-model-zoo-indexnet"}


class Loaded(NamedTuple):
    """A published file and what the programs make of it."""

    case: Case
    expected: dict
    flags: list  # that name the file
    config: Config


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def project_alpha(name, expected):
    """What the project's network gives, from the outputs of its last convolutions."""
    if "residual" in expected:
        return sigmoid(expected["raw"] + expected["residual"])
    has_sigmoid = "dim" in name or "huo" in name
    return sigmoid(expected["raw"]) if has_sigmoid else np.clip(expected["raw"], 0, 1)


@pytest.fixture(scope="module", params=CASES)
def loaded(request, tmp_path_factory):
    case, path = CASES[request.param], tmp_path_factory.mktemp(request.param) / CASES[request.param].file
    if request.param == "indexnet-release":
        published_files.write_release(path)
    else:
        published_files.write(request.param, path)
    flags = ["--ckpt_url", str(path), *(["--weights_from", case.weights_from] if case.weights_from else [])]
    config, _ = load_config(config_parser("", "ms_impl.eval"), [*flags, "--device_target", "CPU", *SIZE])
    expected = published_files.expected(SAME.get(request.param, request.param))
    expected |= {"input": expected["input"][:, case.channels], "alpha": project_alpha(request.param, expected)}
    yield Loaded(case, expected, flags, config)
    path.unlink()


def of_all(*always):
    """A parametrisation by every case; those that are not `always` run in make parity-full only."""
    return pytest.mark.parametrize("loaded", [
        pytest.param(name, marks=() if name in always else pytest.mark.full) for name in CASES], indirect=True)


EXPORTED = ("mmagic-dim-stage3", "huo-v1.5-stage3")
PREDICTED = (*EXPORTED, "mmagic-indexnet", "huo-v1.0-stage0")
READ = [name for name in CASES if name not in ("mmagic-dim-stage1", "huo-v1.5-stage1")]  # of which stage 3 is more


def distance(actual, expected):
    """max |ours - theirs| / max |theirs|."""
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


def torch_taps(config, batch):
    network = torch_ref.registry.build(config).eval()
    torch_ref.utils.load_checkpoint(network, config.ckpt_url, config.weights_from)
    with torch.no_grad():
        return taps(network, network.named_modules(), torch.from_numpy(batch))


def mindspore_taps(config, batch):
    network = ms_impl.registry.build(config).set_train(False)
    ms_impl.src.utils.load_checkpoint(network, config.ckpt_url, config.weights_from)
    return taps(network, network.cells_and_names(), ms.Tensor(batch))


@of_all(*READ)
def test_the_network_gets_what_the_projects_gets(loaded):
    ours = to_network_input(loaded.expected["image"], loaded.expected["trimap"], loaded.config)
    assert distance(ours, loaded.expected["input"]) <= 1e-6


# What follows is compared for the projects' input: from ours, which rounding makes differ by 4e-7, a nearly equal value
# of a cell may be the largest, and unpooling then puts it elsewhere, which changes 3e-4 of the largest raw alpha.


@of_all(*READ)
@pytest.mark.parametrize("framework", [torch_taps, mindspore_taps])
def test_every_layer_is_read_right(loaded, framework, pynative):
    found = framework(loaded.config, loaded.expected["input"])
    assert distance(found["prediction"], loaded.expected["raw"]) <= RAW_BUDGET
    assert ("refinement.residual" in found) == ("residual" in loaded.expected)
    if "residual" in loaded.expected:
        assert distance(found["refinement.residual"], loaded.expected["residual"]) <= RAW_BUDGET
    assert np.abs(np.clip(found["output"], 0, 1) - loaded.expected["alpha"]).max() <= RAW_BUDGET


@of_all(*EXPORTED)
@pytest.mark.parametrize(("export", "suffix"), [(ms_impl.export, ".mindir"), (torch_ref.export, ".onnx")])
def test_exported_graphs_give_the_projects_alpha(loaded, export, suffix):
    export.main([*loaded.flags, *SIZE, "--device_target", "CPU"])
    network = load_alone(graph_path(loaded.config.ckpt_url, suffix), loaded)
    alpha = np.clip(network.predict(loaded.expected["input"]), 0, 1)
    assert np.abs(alpha - loaded.expected["alpha"]).max() <= ALPHA_BUDGET


def load_alone(path, loaded):
    """The Network of a file that was written from a published one, which is then deleted: it knows its settings."""
    network = load(path)
    path.unlink()
    assert all(getattr(network.config, key) == getattr(loaded.config, key) for key in CHECKPOINT_KEYS)
    assert not network.config.weights_from
    return network


@of_all(*EXPORTED)
@pytest.mark.parametrize("suffix", [".ckpt", ".pth"])
def test_a_converted_file_needs_no_flag(loaded, tmp_path, suffix):
    convert.main([loaded.config.ckpt_url, str(tmp_path / f"best{suffix}"), *loaded.flags[2:]])
    matting = load_alone(tmp_path / f"best{suffix}", loaded)
    assert_the_projects_matte(to_uint8(matting(loaded.expected["image"], loaded.expected["trimap"])), loaded)


@of_all(*EXPORTED)
def test_from_python_it_is_three_lines(loaded):
    matting = load(loaded.config.ckpt_url, weights_from=loaded.case.weights_from)
    assert_the_projects_matte(to_uint8(matting(loaded.expected["image"], loaded.expected["trimap"])), loaded)


def assert_the_projects_matte(alpha, loaded):
    """(64, 96) uint8, rounded: at most as many levels above theirs as the case says, and never below."""
    difference = alpha.astype(int) - loaded.expected["final"]
    assert difference.min() >= 0 and difference.max() <= loaded.case.levels


def predicted(program, flags, loaded, tmp_path):
    """The matte that a predicting program writes of the case's image."""
    for name, pixels in (("image", loaded.expected["image"][:, :, ::-1]), ("trimap", loaded.expected["trimap"])):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    program.main([*flags, str(tmp_path / "image.png"), str(tmp_path / "trimap.png"), "-o", str(tmp_path / "out"),
                  "--device_target", "CPU"])
    return cv2.imread(str(tmp_path / "out" / "image_alpha.png"), cv2.IMREAD_GRAYSCALE)


@of_all(*PREDICTED)
def test_predicting_writes_the_projects_matte(loaded, tmp_path):
    assert_the_projects_matte(predicted(torch_ref.predict, loaded.flags, loaded, tmp_path), loaded)


@of_all(*EXPORTED)
def test_predicting_with_mindspore_writes_the_projects_matte(loaded, tmp_path):
    assert_the_projects_matte(predicted(ms_impl.predict, loaded.flags, loaded, tmp_path), loaded)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The flags that name a tiny prepared data set."""
    root = tmp_path_factory.mktemp("data")
    write_prepared_set(root)
    return ["--data_dir", str(root / "AIM-500"), "--bg_dir", str(root / "train2014"), "--device_target", "CPU", *SIZE]


FRAMEWORKS = [ms_impl, torch_ref]
frameworks = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.__name__)


@pytest.mark.full
@pytest.mark.parametrize("loaded", ["mmagic-dim-stage1"], indirect=True)
@frameworks
def test_a_stage_of_training_starts_from_it(loaded, framework, data, tmp_path):
    framework.train.main([*loaded.flags, *data, "--stage", "refine", "--max_steps", "1", "--batch_size", "1",
                          "--input_size", "64", "--num_workers", "1", "--val_every", "0", "--logs_dir", str(tmp_path)])
    trained, = (tmp_path / "refine").glob(f"refine-1_1{framework.learner.Learner.suffix}")
    before, after = find(loaded.config.ckpt_url, read_weights(loaded.config.ckpt_url)).weights, read_weights(trained)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert before.keys() == after.keys() and changed and all(name.startswith("refinement.") for name in changed)
    config = load(trained).config
    assert config.refine and config.refine_on == "logit" and config.fit == "pad"


@pytest.mark.full
@pytest.mark.parametrize("loaded", ["mindspore-model-zoo-indexnet", "huo-v1.5-stage3"], indirect=True)
def test_both_frameworks_evaluate_it_alike(loaded, data, tmp_path):
    means = []
    for framework in FRAMEWORKS:
        framework.eval.main([*loaded.flags, *data, "--logs_dir", str(tmp_path / framework.__name__)])
        means.append(json.loads((tmp_path / framework.__name__ / "metrics.json").read_text())["means"])
    assert means[0] == pytest.approx(means[1], rel=1e-3) and means[0]["sad"] > 0


# --- negative controls: what goes wrong where the file does not tell, and where a folding is forgotten ---


@pytest.mark.parametrize(("loaded", "change"), [
    ("huo-v1.4-stage1", {"weights_from": "huochaitiantang-v1.5", "decoder_skips": True}),
    ("huo-v1.5-stage3", {"weights_from": "huochaitiantang-v1.4", "decoder_skips": False}),
    ("huo-v1.0-stage0", {"weights_from": "huochaitiantang-v1.2"}),
    ("mmagic-dim-stage3", {"img_mean": (0.485, 0.456, 0.406, 0.5), "img_std": (0.229, 0.224, 0.225, 0.5)}),
], indirect=["loaded"])
def test_another_release_or_normalisation_is_seen(loaded, change):
    config = dataclasses.replace(loaded.config, **change)
    found = torch_taps(config, to_network_input(loaded.expected["image"], loaded.expected["trimap"], config))
    assert distance(found["prediction"], loaded.expected["raw"]) > 1e-2
