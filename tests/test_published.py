"""Published checkpoints: how each is told from the others, read and renamed; what is refused, in one line."""
import fnmatch
import gzip
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import torch_ref.registry
import torch_ref.utils
from matting.config import Config, config_parser, load_config, load_stages
from matting.errors import UserError
from matting.weights.files import read_weights
from matting.weights.matching import match, network_weights
from matting.weights.published import PUBLISHED, find, holds_network, settings_of
from matting.weights.published_names import NAMINGS, naming_of
from tests import published_files

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("PUBLISHED_CASES", ROOT.parent / "shared" / "golden-checkpoints"))
FACTS = published_files.facts()
CASES = {  # case: what the file is, and whether it has a refinement
    "mmagic-indexnet": ("mmagic-indexnet", None),
    "mindspore-model-zoo-indexnet": ("mindspore-model-zoo-indexnet", None),
    "mmagic-dim-stage1": ("mmagic-dim", False),
    "mmagic-dim-stage3": ("mmagic-dim", True),
    "huo-v1.0-stage0": ("huochaitiantang-v1.0", False),
    "huo-v1.2-stage2": ("huochaitiantang-v1.2", True),
    "huo-v1.4-stage1": ("huochaitiantang-v1.4", False),
    "huo-v1.5-stage1": ("huochaitiantang-v1.5", False),
    "huo-v1.5-stage3": ("huochaitiantang-v1.5", True),
    "indexnet-release-deep-matting": ("indexnet-release-deep-matting", False),
}
DIM_ANCHORS = {"conv1_1.weight": "encoder.stages.0.0.conv.weight", "conv5_3.bias": "encoder.stages.4.2.conv.bias",
               "conv6_1.weight": "bridge.0.conv.weight", "deconv6_1.bias": "bridge.1.conv.bias",
               "deconv5_1.weight": "decoder.stages.0.fuse.conv.weight", "deconv1.weight": "prediction.weight",
               "deconv1_1.weight": "decoder.stages.4.fuse.conv.weight",
               "refine_conv1.weight": "refinement.stages.0.conv.weight", "refine_pred.bias": "refinement.residual.bias"}
ANCHORS = {  # names of the files, and where they belong
    "huo-v1.5-stage3": DIM_ANCHORS,
    "mmagic-dim-stage3": {
        "backbone.encoder.layer1.0.weight": "encoder.stages.0.0.conv.weight",
        "backbone.encoder.layer5.4.bias": "encoder.stages.4.2.conv.bias",
        "backbone.encoder.conv6.weight": "bridge.0.conv.weight",
        "backbone.decoder.deconv6_1.weight": "bridge.1.conv.weight",
        "backbone.decoder.deconv2_1.weight": "decoder.stages.3.fuse.conv.weight",
        "backbone.decoder.deconv1.bias": "prediction.bias",
        "refiner.refine_conv3.weight": "refinement.stages.2.conv.weight",
        "refiner.refine_pred.weight": "refinement.residual.weight"},
    "indexnet-release-deep-matting": {
        "conv12.weight": "encoder.stages.0.1.conv.weight", "bn53.running_var": "encoder.stages.4.2.bn.running_var",
        "conv6.weight": "bridge.0.conv.weight", "dconv6.weight": "bridge.1.conv.weight",
        "dconv5.weight": "decoder.stages.0.fuse.conv.weight", "alpha_pred.bias": "prediction.bias"},
    "mmagic-indexnet": {
        "backbone.encoder.layers.0.bn.weight": "encoder.stages.0.bn.weight",
        "backbone.encoder.layers.1.0.conv.depthwise_conv.conv.weight": "encoder.stages.1.0.depthwise.conv.weight",
        "backbone.encoder.layers.1.0.conv.pointwise_conv.bn.bias": "encoder.stages.1.0.project.bn.bias",
        "backbone.encoder.layers.4.3.conv.0.conv.weight": "encoder.stages.4.3.expand.conv.weight",
        "backbone.encoder.layers.7.0.conv.1.pointwise_conv.conv.weight": "encoder.stages.7.0.project.conv.weight",
        "backbone.encoder.index_layers.1.index_blocks.3.0.bn.running_mean": "pools.2.index.branches.3.bn.running_mean",
        "backbone.encoder.index_layers.4.index_blocks.0.1.conv.weight": "pools.6.index.branches.0.mix.weight",
        "backbone.encoder.dconv.convs.4.1.bn.weight": "context.branches.4.project.bn.weight",
        "backbone.encoder.dconv.convs.2.depthwise_conv.bn.bias": "context.branches.2.depthwise.bn.bias",
        "backbone.encoder.dconv.project.0.conv.weight": "context.project.conv.weight",
        "backbone.decoder.decoder_layers.0.conv.conv.weight": "decoder.stages.0.fuse.conv.weight",
        "backbone.decoder.pred.1.weight": "prediction.1.weight"},
    "mindspore-model-zoo-indexnet": {
        "model.layer0.0.weight": "encoder.stages.0.conv.weight",
        "model.dconv_pp.global_avg_pool.0.weight": "context.branches.4.project.conv.weight",
        "model.dconv_pp.global_avg_pool.1.running_var": "context.branches.4.project.bn.running_var",
        "model.index6.indexnet4.3.weight": "pools.6.index.branches.3.mix.weight",
        "model.decoder_layer0.dconv.1.bias": "decoder.stages.6.fuse.bn.bias"},
}


def empty_weights(case):
    """As read_weights would give the case's file: {name: array}, but every value 0."""
    words = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    found = {}
    for name, shape, *_ in FACTS[case]["tensors"]:
        path, _, last = name.rpartition(".")
        if last != "num_batches_tracked":
            found[f"{path}.{words.get(last, last)}"] = np.broadcast_to(np.float32(0), shape)
    return found


def shapes(config):
    with torch.device("meta"):  # without values
        return torch_ref.utils.weight_shapes(torch_ref.registry.build(config))


def found(case, **changes):
    """find of the case's names and shapes, some of them changed or, where None, left out."""
    weights = {name: value for name, value in (empty_weights(case) | changes).items() if value is not None}
    return find("net.pth", weights, CASES[case][0])


@pytest.mark.skipif(not FOLDER.is_dir(), reason="neither PUBLISHED_CASES nor ../shared/golden-checkpoints is here")
def test_what_is_kept_is_what_the_projects_computed():
    told, arrays = published_files.collect(FOLDER)
    assert told == FACTS
    with np.load(published_files.CASES) as archive:
        assert set(archive) == set(arrays)
        assert all(np.array_equal(archive[name], values) for name, values in arrays.items())


@pytest.mark.parametrize("case", ANCHORS)
def test_names_are_translated_one_to_one(case):
    names = [*empty_weights(case)]
    canonical = NAMINGS[naming_of(names)].canonical(names)
    assert len(set(canonical.values())) == len(names)
    assert {name: canonical[name] for name in ANCHORS[case]} == ANCHORS[case]


@pytest.mark.parametrize("case", CASES)
def test_every_file_is_a_whole_network_of_the_architecture_it_says(case):
    settings = found(case).settings
    config = Config(**settings)
    assert match("net.pth", found(case).weights, shapes(config)).keys() == shapes(config).keys()
    assert settings.get("refine") is CASES[case][1]


@pytest.mark.parametrize(("case", "settings"), [
    ("mmagic-indexnet", {"model": "indexnet", "fit": "down"}),
    ("mindspore-model-zoo-indexnet", {"model": "indexnet", "fit": "up"}),
    ("mmagic-dim-stage3", {"model": "dim", "encoder_batch_norm": False, "decoder_batch_norm": False, "fit": "pad",
                           "bridge": "conv3x3", "decoder_skips": False, "refine": True, "refine_on": "logit",
                           "output_activation": "sigmoid", "resampling": "max"}),
    ("huo-v1.5-stage1", {"decoder_skips": True, "refine": False, "fit": "down_linear"}),
    ("huo-v1.4-stage1", {"decoder_skips": False, "img_scale": 255, "img_mean": [0.485, 0.456, 0.406, 0],
                         "img_std": [0.229, 0.224, 0.225, 1]}),
    ("huo-v1.0-stage0", {"img_scale": 1, "img_mean": [0, 0, 0, 0], "img_std": [1, 1, 1, 1]}),
    ("indexnet-release-deep-matting", {"encoder_batch_norm": True, "decoder_batch_norm": False, "bridge": "fc6",
                                       "output_activation": "linear", "refine": False, "fit": "up"}),
])
def test_settings_travel_with_the_weights(case, settings):
    told = found(case)
    assert {key: told.settings[key] for key in settings} == settings
    assert all(f"{key} {value}" in told.says for key, value in settings.items()) and "\n" not in told.says


@pytest.mark.parametrize("case", CASES)
def test_each_publication_is_told_by_its_names_or_by_its_file_name(case):
    for name in FACTS[case]["published"]:
        told = find(name, empty_weights(case))
        assert told.settings == found(case).settings
        assert told.says.startswith(f"{name}: {PUBLISHED[CASES[case][0]].says}, by its")
        assert ("by its file name" in told.says) == case.startswith("huo")


def test_every_file_that_the_page_names_is_one_rows():
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    files = re.findall(r"^\|.*\| `([\w.-]+\.pth(?:\.tar)?)` \|", page, re.M)
    rows = [[key for key, row in PUBLISHED.items() if any(fnmatch.fnmatchcase(file, name) for name in row.files)]
            for file in files]
    assert len(set(files)) == len(files) == 15 and all(len(keys) == 1 for keys in rows)
    assert {key for keys in rows for key in keys} == {key for key, row in PUBLISHED.items() if row.files}
    assert {name for told in FACTS.values() for name in told["published"]} <= set(files)
    assert all(page.count(f"--ckpt_url {file} ") and page.count(f"matting.convert {file} ") for file in files)
    assert all(f"`{key}`" in page for key in PUBLISHED)


@pytest.mark.parametrize(("case", "rows"), [
    ("huo-v1.0-stage0", "huochaitiantang-v1.0, huochaitiantang-v1.1, huochaitiantang-v1.2, huochaitiantang-v1.3"),
    ("huo-v1.2-stage2", "huochaitiantang-v1.0, huochaitiantang-v1.1, huochaitiantang-v1.2, huochaitiantang-v1.3"),
    ("huo-v1.5-stage1", "huochaitiantang-v1.4, huochaitiantang-v1.5"),
    ("huo-v1.4-stage1", "huochaitiantang-v1.4, huochaitiantang-v1.5"),
])
def test_what_a_file_cannot_tell_is_asked_for(case, rows):
    with pytest.raises(UserError) as error:
        find("stage1.pth", empty_weights(case))
    assert str(error.value) == (f"stage1.pth: its names and shapes do not tell which it is of {rows}, and these "
                                "compute different mattes; say it with --weights_from")


def test_what_the_user_says_beats_the_files_name_and_is_told():
    told = find("stage1_skip_sad_52.9.pth", empty_weights("huo-v1.5-stage1"), "huochaitiantang-v1.4")
    assert not told.settings["decoder_skips"] and "by --weights_from" in told.says


@pytest.mark.parametrize(("case", "weights_from", "message"), [
    ("mmagic-dim-stage1", "huochaitiantang-v1.5", "its names and shapes are not those of --weights_from "
     "huochaitiantang-v1.5; they fit mmagic-dim"),
    ("huo-v1.2-stage2", "huochaitiantang-v1.5", "not those of --weights_from huochaitiantang-v1.5; they fit "
     "huochaitiantang-v1.0 or "),
    ("huo-v1.2-stage2", "huochaitiantang", "--weights_from 'huochaitiantang' is not one of indexnet-release, "),
])
def test_a_wrong_name_is_refused(case, weights_from, message):
    with pytest.raises(UserError) as error:
        find("net.pth", empty_weights(case), weights_from)
    assert message in str(error.value)


def test_a_file_of_ones_own_is_of_no_publication():
    own = {name: np.zeros(shape, np.float32) for name, shape in shapes(Config(width_mult=0.25)).items()}
    told = find("net.pth", own)
    assert told.settings == {} and told.says == "" and told.weights is own
    with pytest.raises(UserError, match="they are no public project's"):
        find("net.pth", own, "mmagic-dim")


@pytest.mark.parametrize(("case", "change", "message"), [
    ("mmagic-dim-stage3", {"refiner.refine_conv1.weight": None}, "1 missing: refinement.stages.0.conv.weight"),
    ("mmagic-indexnet", {"backbone.encoder.dconv.project.0.bn.bias": None}, "1 missing: context.project.bn.bias"),
    ("mmagic-dim-stage1", {"backbone.decoder.more.weight": np.zeros(1)}, "1 unexpected: backbone.decoder.more.weight"),
    ("huo-v1.5-stage1", {"deconv1.bias": np.zeros(2)}, r"1 mis-shaped: prediction.bias \(2,\) instead of \(1,\)"),
    ("huo-v1.5-stage1", {"deconv2_1.weight": np.zeros((64, 128))},
     r"1 mis-shaped: decoder.stages.3.fuse.conv.weight \(64, 128\) instead of \(64, 256, 5, 5\)"),
    ("indexnet-release-deep-matting", {"conv21.bias": None}, "lacks encoder.stages.1.0.conv.bias, which Deep Matting"),
    ("indexnet-release-deep-matting", {"conv21.bias": np.zeros(1)},
     r"1 mis-shaped: encoder.stages.1.0.bn.running_mean \(1,\) instead of \(128,\)"),
    ("huo-v1.0-stage0", {"conv1_1.weight": np.zeros((64, 2, 3, 3))},
     r"1 mis-shaped: encoder.stages.0.0.conv.weight \(64, 2, 3, 3\) instead of \(64, 4, 3, 3\)"),
    ("mmagic-indexnet", {"backbone.encoder.layers.2.0.conv.depthwise_conv.conv.weight": np.zeros(1)},
     "several of its names are of one weight"),
])
def test_files_load_strictly(case, change, message):
    with pytest.raises(UserError, match=message):
        config = Config(**found(case).settings)
        match("net.pth", found(case, **change).weights, shapes(config))


def test_a_file_without_refinement_gets_one_that_adds_nothing():
    weights = found("mmagic-dim-stage1").weights
    assert not weights["refinement.residual.weight"].any() and not weights["refinement.residual.bias"].any()
    kernel = weights["refinement.stages.1.conv.weight"]
    limit = np.sqrt(6 / (9 * (64 + 64)))
    assert 0.99 * limit < kernel.max() <= limit and -limit <= kernel.min() < -0.99 * limit  # Glorot and Bengio's
    np.testing.assert_array_equal(kernel, found("huo-v1.4-stage1").weights["refinement.stages.1.conv.weight"])


def test_an_alpha_that_was_enlarged_on_its_way_into_the_refinement():
    """v1.1, of which no refined file is listed: 256 times the alpha's channel, the others as they are."""
    kernel = np.random.default_rng(0).normal(size=(64, 4, 3, 3)).astype(np.float32)
    kernel.flags.writeable = False
    weights = {**empty_weights("huo-v1.2-stage2"), "refine_conv1.weight": kernel}
    changed = find("net.pth", weights, "huochaitiantang-v1.1").weights["refinement.stages.0.conv.weight"]
    pixel = np.array([0.1, 0.2, 0.3, 0.4])
    theirs = np.einsum("oihw,i->ohw", kernel, pixel * [1, 1, 1, 256])
    np.testing.assert_allclose(np.einsum("oihw,i->ohw", changed, pixel), theirs, rtol=1e-5)


def test_foldings_leave_what_they_take_as_it_was():
    for case in CASES:
        before = {name: value.copy() for name, value in empty_weights(case).items() if value.size < 10_000}
        given = {**empty_weights(case), **before}
        for value in before.values():
            value.flags.writeable = False
        find("net.pth", given, CASES[case][0])
        assert not any(given[name].any() for name in before) and given.keys() == empty_weights(case).keys()


# --- reading ---


def small(case):
    """The case's weights without the large ones: read, they are only looked at."""
    return {row[0]: published_files.weight(*row) for row in FACTS[case]["tensors"] if np.prod(row[1]) < 40_000}


@pytest.mark.parametrize("case", [case for case in CASES if FACTS[case]["container"] == "state_dict"])
def test_files_are_read_in_the_layout_of_their_time(tmp_path, case):
    made = small(case)
    path = published_files.write(case, tmp_path / "net.pth", made)
    if "best_sad" in FACTS[case]["beside"]:  # a NumPy number, written by Python 2
        with pytest.raises((pickle.UnpicklingError, UnicodeDecodeError)):
            torch.load(path, weights_only=True)
    read = read_weights(path)
    assert list(read) == [name for name in made if not name.endswith("num_batches_tracked")]
    assert all(np.array_equal(read[name], made[name]) for name in read)


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.int64(3)])
@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_either_numpy_are_let_through(tmp_path, number, module):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": {"a": torch.ones(3)}, "measure": number}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"numpy.core.multiarray" in content or b"numpy._core.multiarray" in content
    for written in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        content = content.replace(b"c" + written + b"\n", b"c" + module.encode() + b"\n")
    path.write_bytes(content)
    assert read_weights(path)["a"].tolist() == [1, 1, 1]


class Runs:
    """A pickle of it calls `function` with `arguments` when it is read."""

    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


@pytest.mark.parametrize("old_layout", [True, False])
@pytest.mark.parametrize("harm", [
    lambda path: Runs(os.mkdir, str(path)),
    lambda path: Runs(eval, f"__import__('os').mkdir({str(path)!r})"),
    lambda path: np.array([1, 2]),  # an array is no number: what makes it can make objects, too
    lambda path: np.dtype("O").type,
    lambda path: Path(path),
], ids=["os", "eval", "array", "class", "path"])
def test_nothing_but_numbers_is_let_through(tmp_path, harm, old_layout):
    path, made = tmp_path / "net.pth", tmp_path / "made"
    torch.save({"state_dict": {"a": torch.ones(3)}, "measure": harm(made)}, path,
               _use_new_zipfile_serialization=not old_layout)
    with pytest.raises(UserError, match="net.pth: is not a PyTorch weight file") as error:
        read_weights(path)
    assert "\n" not in str(error.value) and not made.exists()


def test_what_is_let_through_is_not_for_others_to_use(tmp_path):
    torch.save({"a": torch.ones(3), "measure": np.float64(1)}, tmp_path / "net.pth")
    read_weights(tmp_path / "net.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "net.pth", weights_only=True)


@pytest.mark.parametrize("kind", [".pth", ".npz", ".ckpt"])
def test_an_empty_file_is_named_in_one_line(tmp_path, kind):
    path = tmp_path / f"net{kind}"
    path.touch()
    with pytest.raises(UserError, match=f"net{kind}: is not a") as error:
        read_weights(path)
    assert "\n" not in str(error.value)
    assert settings_of(path) == {}  # which says no more of it


def test_a_model_zoo_checkpoint_has_its_prefix_or_not():
    with_prefix = empty_weights("mindspore-model-zoo-indexnet")
    without = {name.removeprefix("model."): value for name, value in with_prefix.items()}
    assert len(without) == 461 and not set(without) & set(with_prefix)
    assert (find("a.ckpt", with_prefix).weights.keys() == find("a.ckpt", without).weights.keys()
            == shapes(Config()).keys())


# --- on the command line ---


def load(*flags):
    return load_config(config_parser("", "ms_impl.predict"), list(flags))[0]


@pytest.fixture(scope="module")
def huochaitiantang(tmp_path_factory):
    """V1.5's file without its large weights, under a name that says nothing."""
    made = {row[0]: np.zeros(row[1], np.float32) for row in FACTS["huo-v1.5-stage1"]["tensors"]}
    return published_files.write("huo-v1.5-stage1", tmp_path_factory.mktemp("huo") / "net.pth", made)


def test_a_program_asks_takes_the_answer_and_sets_what_the_file_needs(huochaitiantang, caplog):
    with pytest.raises(UserError, match="say it with --weights_from"):
        load("--ckpt_url", str(huochaitiantang))
    caplog.set_level("INFO")
    config = load("--ckpt_url", str(huochaitiantang), "--weights_from", "huochaitiantang-v1.5", "--fit", "pad")
    assert (config.model, config.decoder_skips, config.refine, config.fit) == ("dim", True, False, "pad")
    assert config.img_mean == (0.485, 0.456, 0.406, 0)
    assert [line for line in caplog.messages if "V1.5" in line and "decoder_skips True" in line]
    assert network_weights(huochaitiantang, shapes(config), config.weights_from).keys() == shapes(config).keys()


def test_a_config_beside_a_published_file_wins_and_is_told(huochaitiantang, caplog):
    beside = huochaitiantang.with_name("config.yaml")
    beside.write_text("fit: up\n")
    try:
        config = load("--ckpt_url", str(huochaitiantang), "--weights_from", "huochaitiantang-v1.5")
    finally:
        beside.unlink()
    assert (config.fit, config.decoder_skips) == ("up", True)
    assert any("the config.yaml beside it wins: fit up" in line for line in caplog.messages)


def test_training_starts_from_a_whole_network_and_each_stage_keeps_its_own_output(huochaitiantang):
    flags = ["--ckpt_url", str(huochaitiantang), "--weights_from", "huochaitiantang-v1.5"]
    stages = load_stages(config_parser(""), flags)
    assert [(config.stage, config.refine, bool(config.ckpt_url)) for config in stages] == [
        ("encoder_decoder", False, True), ("refine", True, False), ("finetune", True, False)]
    assert all(config.decoder_skips and config.refine_on == "logit" and config.model == "dim" for config in stages)
    (refining,) = load_stages(config_parser(""), [*flags, "--stage", "refine"])
    assert refining.refine and refining.ckpt_url


def test_a_publication_is_not_named_where_there_is_none(tmp_path):
    with pytest.raises(UserError, match="--ckpt_url names no published network to start from"):
        load_stages(config_parser(""), ["--weights_from", "mmagic-dim"])
    with pytest.raises(UserError, match="best.onnx: is no weight file; --weights_from is for .ckpt, "):
        load("--ckpt_url", "best.onnx", "--weights_from", "mmagic-dim")


def test_an_imagenet_file_sets_nothing(tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.ones(64, 3, 3, 3)}, path)
    assert not holds_network(path) and settings_of(path) == {}
    assert load_stages(config_parser(""), ["--ckpt_url", str(path)])[0].model == "indexnet"


def test_golden_files_are_small():
    assert published_files.NAMES.stat().st_size < 30_000 and published_files.CASES.stat().st_size < 450_000
    assert json.loads(gzip.decompress(published_files.NAMES.read_bytes())).keys() == CASES.keys()
