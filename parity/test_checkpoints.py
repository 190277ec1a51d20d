"""Weights in and out: name maps are bijections with hard-coded anchors, and nothing loads into the wrong place."""
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
from matting import convert
from matting.config import Config, save_config, trained_with
from matting.embedded import embedded
from matting.errors import UserError
from matting.weights.files import read_weights
from matting.weights.matching import match, network_weights
from matting.weights.names import (
    MINDSPORE_SUFFIXES,
    canonical_names,
    from_mindspore,
    official_names,
    to_mindspore,
    tonylins_names,
    torchvision_names,
)
from matting.weights.pretrained import encoder_weights

CONFIG = Config()
REPEATS = [row[3] for row in CONFIG.inverted_residual_setting]
OFFICIAL_ANCHORS = {
    "encoder.stages.0.conv.weight": "layer0.0.weight",
    "encoder.stages.1.0.depthwise.bn.running_var": "layer1.0.conv.1.running_var",
    "encoder.stages.1.0.project.conv.weight": "layer1.0.conv.3.weight",
    "encoder.stages.4.3.expand.bn.bias": "layer4.3.conv.1.bias",
    "encoder.stages.7.0.project.bn.weight": "layer7.0.conv.7.weight",
    "pools.0.index.branches.0.conv.weight": "index0.indexnet1.0.weight",
    "pools.6.index.branches.3.bn.running_mean": "index6.indexnet4.1.running_mean",
    "pools.2.index.branches.1.mix.weight": "index2.indexnet2.3.weight",
    "context.branches.0.conv.weight": "dconv_pp.aspp1.atrous_conv.0.weight",
    "context.branches.3.pointwise.bn.bias": "dconv_pp.aspp4.atrous_conv.4.bias",
    "context.branches.4.project.conv.weight": "dconv_pp.global_avg_pool.1.weight",
    "context.project.bn.weight": "dconv_pp.bottleneck_conv.1.weight",
    "decoder.stages.0.fuse.conv.weight": "decoder_layer6.dconv.0.weight",
    "decoder.stages.6.fuse.bn.running_mean": "decoder_layer0.dconv.1.running_mean",
    "prediction.0.conv.weight": "pred.0.0.weight",
    "prediction.1.weight": "pred.1.weight",
}
TORCHVISION_ANCHORS = {
    "encoder.stages.0.bn.weight": "features.0.1.weight",
    "encoder.stages.1.0.depthwise.conv.weight": "features.1.conv.0.0.weight",
    "encoder.stages.1.0.project.bn.bias": "features.1.conv.2.bias",
    "encoder.stages.2.1.expand.conv.weight": "features.3.conv.0.0.weight",
    "encoder.stages.7.0.project.conv.weight": "features.17.conv.2.weight",
}
TONYLINS_ANCHORS = {
    "encoder.stages.1.0.depthwise.conv.weight": "features.1.conv.0.weight",
    "encoder.stages.2.1.expand.conv.weight": "features.3.conv.0.weight",
    "encoder.stages.7.0.project.bn.running_var": "features.17.conv.7.running_var",
}


def shapes(**settings):
    with torch.device("meta"):  # without values
        network = torch_ref.model.IndexNet(dataclasses.replace(CONFIG, **settings).network)
    return torch_ref.utils.weight_shapes(network)


def encoder_shapes():
    return {name: shape for name, shape in shapes().items() if name.startswith("encoder.")}


def random_weights(names, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape, np.float32) for name, shape in names.items()}


def backbone(naming, head="classifier.1.weight"):
    """A generated ImageNet file in a foreign naming, three input channels, with a classifier."""
    canonical = random_weights(encoder_shapes())
    foreign = {other: canonical[name] for name, other in naming(encoder_shapes(), REPEATS).items()}
    foreign["features.0.0.weight"] = foreign["features.0.0.weight"][:, :3]
    return canonical, foreign | {"features.18.0.weight": np.ones((1, 1), np.float32), head: np.ones(1, np.float32)}


def save_torch(path, weights):
    torch.save({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}, path)
    return path


def assert_same(actual, expected):
    assert list(actual) == list(expected)
    assert all(np.array_equal(actual[name], expected[name]) for name in expected)


def test_official_release_has_461_names_one_for_each_of_ours():
    names = official_names(shapes())
    assert len(names) == len(set(names.values())) == 461
    assert {canonical: names[canonical] for canonical in OFFICIAL_ANCHORS} == OFFICIAL_ANCHORS


@pytest.mark.parametrize("kind, nonlinear, aspp, operator", list(itertools.product(
    ("holistic", "depthwise_o2o", "depthwise_m2o"), (False, True), (False, True), ("std_conv", "dep_sep_conv"))))
def test_name_map_is_a_bijection_for_every_variant(kind, nonlinear, aspp, operator):
    canonical = shapes(index_kind=kind, use_nonlinear=nonlinear, apply_aspp=aspp, conv_operator=operator)
    official = official_names(canonical)
    assert len(set(official.values())) == len(canonical)
    assert canonical_names(official.values()) == {name: ours for ours, name in official.items()}


def test_holistic_blocks_have_one_branch_in_the_official_naming():
    name = "pools.3.index.branches.0.conv.weight"
    assert official_names(shapes(index_kind="holistic"))[name] == "index3.indexnet.0.weight"
    assert official_names(shapes(index_kind="holistic", use_nonlinear=False))[name] == "index3.indexnet.weight"


@pytest.mark.parametrize("naming, anchors",
                         [(torchvision_names, TORCHVISION_ANCHORS), (tonylins_names, TONYLINS_ANCHORS)])
def test_backbone_names_are_a_bijection_with_known_anchors(naming, anchors):
    names = naming(encoder_shapes(), REPEATS)
    assert len(set(names.values())) == len(names) == 255
    assert {canonical: names[canonical] for canonical in anchors} == anchors


def test_mindspore_names_are_a_bijection_and_are_the_networks_own():
    network = ms_impl.src.model.IndexNet(CONFIG.network)
    assert {to_mindspore(name) for name in shapes()} == {parameter.name for parameter in network.get_parameters()}
    assert all(from_mindspore(to_mindspore(name)) == name for name in shapes())


@pytest.mark.parametrize("naming", [torchvision_names, tonylins_names])
def test_backbone_loads_with_a_zero_trimap_channel(tmp_path, naming):
    canonical, foreign = backbone(naming)
    loaded = encoder_weights(save_torch(tmp_path / "net.pth", foreign), encoder_shapes(), REPEATS)
    canonical["encoder.stages.0.conv.weight"][:, 3] = 0
    assert_same(loaded, canonical)


def test_backbone_loads_from_mindspores_model_zoo_naming(tmp_path):
    canonical, foreign = backbone(torchvision_names, head="head.1.weight")
    parameters = []
    for name, value in foreign.items():
        parts = name.split(".")
        if len(parts) == 6 or parts[1] == "0":  # a convolution or norm inside a ConvBNReLU cell
            parts.insert(-2, "features")
        parts[-1] = MINDSPORE_SUFFIXES[parts[-1]] if value.ndim == 1 and parts[0] != "head" else parts[-1]
        parameters.append({"name": ".".join(parts), "data": ms.Tensor(value)})
    path = tmp_path / "mobilenet.ckpt"
    ms.save_checkpoint(parameters, str(path))
    canonical["encoder.stages.0.conv.weight"][:, 3] = 0
    assert_same(encoder_weights(path, encoder_shapes(), REPEATS), canonical)


def test_official_checkpoint_loads_with_module_prefix_and_counters(tmp_path):
    canonical = random_weights(shapes())
    official = {f"module.{name}": torch.from_numpy(canonical[ours]) for ours, name in official_names(canonical).items()}
    official["module.layer0.1.num_batches_tracked"] = torch.tensor(7)
    path = tmp_path / "indexnet.pth.tar"
    torch.save({"state_dict": official, "epoch": 30}, path)
    assert_same(network_weights(path, shapes()), canonical)


def test_checkpoints_cross_the_frameworks_bit_exactly(tmp_path):
    first = ms_impl.src.model.IndexNet(CONFIG.network)
    ms_impl.src.utils.save_checkpoint(first, tmp_path / "a.ckpt")
    second = torch_ref.model.IndexNet(CONFIG.network)
    torch_ref.utils.load_checkpoint(second, tmp_path / "a.ckpt")
    torch_ref.utils.save_checkpoint(second, tmp_path / "b.pth")
    third = ms_impl.src.model.IndexNet(CONFIG.network)
    ms_impl.src.utils.load_checkpoint(third, tmp_path / "b.pth")
    assert_same(ms_impl.src.utils.get_weights(third), ms_impl.src.utils.get_weights(first))


def test_foreign_weights_are_refused_with_all_three_lists():
    wanted = {"a": (1,), "b": (2,), "c": (3,)}
    weights = {"b": np.zeros(2), "c": np.zeros(4), "d": np.zeros(1)}
    with pytest.raises(UserError) as error:
        match("net.pth", weights, wanted)
    assert str(error.value) == ("net.pth: holds the weights of another network (1 missing: a; 1 unexpected: d; "
                                "1 mis-shaped: c (4,) instead of (3,))")


def test_another_networks_backbone_is_refused(tmp_path):
    path = save_torch(tmp_path / "vgg.pth", {"features.0.weight": np.ones((64, 3, 3, 3), np.float32)})
    with pytest.raises(UserError, match=r"vgg.pth: holds the weights of another network \(255 missing: "):
        encoder_weights(path, encoder_shapes(), REPEATS)


@pytest.mark.parametrize("name, content, message", [
    ("absent.pth", None, "no such file"),
    ("net.bin", b"x", "unknown kind of weight file"),
    ("net.pth", b"not a zip", "is not a PyTorch weight file"),
    ("net.ckpt", b"not a protobuf", "is not a MindSpore checkpoint"),
    ("net.npz", b"not a zip", "is not a NumPy archive"),
])
def test_bad_weight_files_are_named_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        network_weights(path, shapes())
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Dangerous:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "net.pth"
    torch.save({"x": Dangerous()}, path)
    with pytest.raises(UserError, match="is not a PyTorch weight file"):
        network_weights(path, shapes())


@pytest.mark.parametrize("settings", [
    {}, {"index_kind": "holistic", "use_nonlinear": False}, {"index_kind": "holistic"},
    {"index_kind": "depthwise_o2o", "use_nonlinear": False, "apply_aspp": False, "conv_operator": "dep_sep_conv"},
    {"resampling": "max", "conv_operator": "dep_sep_conv"},
], ids=str)
def test_conversion_there_and_back_is_bit_exact(tmp_path, settings):
    canonical = random_weights(shapes(width_mult=0.25, **settings))
    official = {official: canonical[name] for name, official in official_names(canonical).items()}
    save_torch(tmp_path / "release.pth.tar", {f"module.{name}": value for name, value in official.items()})
    paths = [str(tmp_path / name) for name in ("release.pth.tar", "a.ckpt", "b.npz", "c.pth", "d.ckpt")]
    for source, target in itertools.pairwise(paths):
        convert.main([source, target])
        assert_same(read_weights(target), canonical)
    convert.main([paths[-1], str(tmp_path / "back.pth"), "--official"])
    assert_same(read_weights(tmp_path / "back.pth"), official)


def test_a_converted_checkpoint_is_the_networks_own(tmp_path):
    network = torch_ref.model.IndexNet(CONFIG.network)
    torch_ref.utils.save_checkpoint(network, tmp_path / "a.pth")
    convert.main([str(tmp_path / "a.pth"), str(tmp_path / "a.ckpt")])
    other = ms_impl.src.model.IndexNet(CONFIG.network)
    ms_impl.src.utils.set_weights(other, random_weights(shapes()))
    ms_impl.src.utils.load_checkpoint(other, tmp_path / "a.ckpt")
    assert ms.load_checkpoint(str(tmp_path / "a.ckpt")).keys() == {weight.name for weight in other.get_parameters()}
    found = ms_impl.src.utils.get_weights(other)
    assert all(np.array_equal(found[name], value) for name, value in torch_ref.utils.get_weights(network).items())


def test_conversion_keeps_the_configuration(tmp_path):
    """That in the file, also through --official; before it, that in the config.yaml beside the file."""
    network = torch_ref.model.IndexNet(CONFIG.network)
    torch_ref.utils.save_checkpoint(network, tmp_path / "a.pth", dataclasses.replace(CONFIG, img_scale=1023, seed=3))
    for source, target in itertools.pairwise(("a.pth", "b.ckpt", "c.npz", "d.pt", "e.pth")):
        convert.main([str(tmp_path / source), str(tmp_path / target), *(["--official"] if target == "e.pth" else [])])
        told = trained_with(tmp_path / target)
        assert (told["img_scale"], told["seed"]) == (1023, 3)
    assert_same(network_weights(tmp_path / "e.pth", shapes()), torch_ref.utils.get_weights(network))
    (tmp_path / "beside").mkdir()
    save_config(dataclasses.replace(CONFIG, img_scale=65535), tmp_path)
    convert.main([str(tmp_path / "a.pth"), str(tmp_path / "beside" / "a.ckpt")])
    assert trained_with(tmp_path / "beside" / "a.ckpt")["img_scale"] == 65535


def test_conversion_of_a_file_without_configuration_adds_none(tmp_path):
    save_torch(tmp_path / "a.pth", random_weights(shapes(width_mult=0.25)))
    convert.main([str(tmp_path / "a.pth"), str(tmp_path / "a.npz")])
    assert embedded(tmp_path / "a.npz") == ""


def test_what_cannot_be_converted_is_named_in_one_line(tmp_path, capsys):
    source = save_torch(tmp_path / "vgg.pth", {"features.0.weight": np.ones((64, 3, 3, 3), np.float32)})
    for target, flags, message in (("a.onnx", (), "a.onnx: unknown kind of weight file; can be written: .ckpt, .pth"),
                                   ("a.ckpt", ("--official",), "vgg.pth: is not a whole IndexNet (no rule for")):
        with pytest.raises(SystemExit):
            convert.main([str(source), str(tmp_path / target), *flags])
        assert message in capsys.readouterr().err
        assert not (tmp_path / target).exists()
