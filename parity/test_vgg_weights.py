"""ImageNet VGG16 into Deep Image Matting's encoder, from generated files of exactly torchvision's names and shapes.

No real file is at hand here. What torchvision's network would compute with the generated one is the oracle.
"""
import dataclasses
from itertools import pairwise

import mindspore as ms
import numpy as np
import pytest
import torch
from torch import nn

import ms_impl.src.dim
import ms_impl.src.utils
import torch_ref.dim
import torch_ref.utils
from matting.config import Config
from matting.errors import UserError
from matting.weights.names import to_mindspore, vgg_names
from parity.compare import random_weights, relative_difference

CONFIG = Config(model="dim")
WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")
CLASSIFIER = {"classifier.0.weight": (4096, 25088), "classifier.0.bias": (4096,),
              "classifier.3.weight": (4096, 4096), "classifier.3.bias": (4096,),
              "classifier.6.weight": (1000, 4096), "classifier.6.bias": (1000,)}
ANCHORS = {  # as torchvision.models.vgg16_bn().state_dict() and vgg16()'s have them
    True: {"encoder.stages.0.0.conv.weight": "features.0.weight", "encoder.stages.0.1.bn.running_var":
           "features.4.running_var", "encoder.stages.2.2.conv.weight": "features.20.weight",
           "encoder.stages.4.0.bn.bias": "features.35.bias", "encoder.stages.4.2.bn.weight": "features.41.weight"},
    False: {"encoder.stages.0.0.conv.weight": "features.0.weight", "encoder.stages.1.0.conv.bias": "features.5.bias",
            "encoder.stages.3.1.conv.weight": "features.19.weight", "encoder.stages.4.2.conv.weight":
            "features.28.weight"},
}


def torchvision_features(normalised):
    """The `features` of torchvision's vgg16_bn or vgg16, layer by layer as documented there."""
    layers, width = [], 3
    for out in WIDTHS:
        if out == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(width, out, 3, padding=1), *([nn.BatchNorm2d(out)] if normalised else []), nn.ReLU()]
            width = out
    return nn.Sequential(*layers)


@pytest.fixture(scope="module", params=[True, False], ids=["vgg16_bn", "vgg16"])
def vgg(request, tmp_path_factory):
    """The features, the file of their weights, and the configuration that starts from it."""
    features = torchvision_features(request.param)
    torch_ref.utils.set_weights(features, random_weights(torch_ref.utils.weight_shapes(features)))
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    state |= {name: torch.zeros(1).expand(shape) for name, shape in CLASSIFIER.items()}  # small in the file
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(state, path)
    return features.eval(), state, dataclasses.replace(CONFIG, encoder_batch_norm=request.param, ckpt_url=str(path))


def test_names_are_a_bijection_with_known_anchors(vgg):
    normalised = vgg[2].encoder_batch_norm
    encoder = torch_ref.dim.Encoder(vgg[2].network)
    names = vgg_names([f"encoder.{name}" for name in torch_ref.utils.weight_shapes(encoder)])
    assert len(set(names.values())) == len(names) == 13 * (5 if normalised else 2)
    assert {name: names[name] for name in ANCHORS[normalised]} == ANCHORS[normalised]


def test_encoder_computes_what_torchvisions_network_would(vgg):
    features, _, config = vgg
    network = torch_ref.dim.DeepImageMatting(config.network).eval()
    torch_ref.utils.load_vgg(network, config)
    image = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 4, 64, 96)).astype(np.float32))
    x, pooled = image, image[:, :3]  # whatever the trimap
    pools = [-1, *(number for number, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d))]
    with torch.no_grad():
        for stage, (first, pool) in zip(network.encoder.stages, pairwise(pools), strict=True):
            x, pooled = stage(x), features[first + 1:pool](pooled)
            assert relative_difference(x, pooled) < 1e-5
            x, pooled = features[pool](pooled), features[pool](pooled)
    assert (network.encoder.stages[0][0].conv.weight[:, 3] == 0).all()


def test_both_frameworks_load_the_same(vgg):
    torch_network = torch_ref.dim.DeepImageMatting(vgg[2].network)
    mindspore_network = ms_impl.src.dim.DeepImageMatting(vgg[2].network)
    torch_ref.utils.load_vgg(torch_network, vgg[2])
    ms_impl.src.utils.load_vgg(mindspore_network, vgg[2])
    expected = torch_ref.utils.get_weights(torch_network.encoder)
    found = ms_impl.src.utils.get_weights(mindspore_network.encoder)
    assert len(found) == len(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[f"encoder.{name}"], value)


def test_a_converted_ckpt_loads_as_the_pth(vgg, tmp_path):
    _, state, config = vgg
    norms = {name.rpartition(".")[0] for name in state if name.endswith("running_mean")}
    parameters = []
    for name, value in state.items():
        if name.startswith("features.") and value.is_floating_point():
            path, _, suffix = name.rpartition(".")
            word = to_mindspore(f"bn.{suffix}").removeprefix("bn.") if path in norms else suffix
            parameters.append({"name": f"{path}.{word}", "data": ms.Tensor(value.numpy())})
    ms.save_checkpoint(parameters, str(tmp_path / "vgg.ckpt"))
    loaded = []
    for path in (config.ckpt_url, str(tmp_path / "vgg.ckpt")):
        network = torch_ref.dim.DeepImageMatting(config.network)
        torch_ref.utils.load_vgg(network, dataclasses.replace(config, ckpt_url=path))
        loaded.append(torch_ref.utils.get_weights(network.encoder))
    for name, value in loaded[0].items():
        np.testing.assert_array_equal(loaded[1][name], value)


def test_the_other_vgg_is_refused(vgg):
    _, _, config = vgg
    other = dataclasses.replace(config, encoder_batch_norm=not config.encoder_batch_norm)
    with pytest.raises(UserError, match=r"vgg.pth: holds the weights of another network \(\d+ missing: "):
        torch_ref.utils.load_vgg(torch_ref.dim.DeepImageMatting(other.network), other)
