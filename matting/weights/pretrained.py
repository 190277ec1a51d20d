"""ImageNet weights of MobileNetV2 and VGG16 -> the weights of an encoder that sees a trimap, too."""
import re

import numpy as np

from matting.weights.files import read_weights
from matting.weights.foldings import FIRST, biases_into_means
from matting.weights.matching import match
from matting.weights.names import tonylins_names, torchvision_names, vgg_names

CLASSIFIER = re.compile(r"(features\.18\.|classifier\.|head\.|conv\.)")  # what a backbone has beyond the encoder


def mobilenet_weights(config, shapes):
    """As encoder_weights, of config.ckpt_url."""
    return encoder_weights(config.ckpt_url, shapes, [row[3] for row in config.inverted_residual_setting])


def encoder_weights(path, shapes, repeats):
    """ImageNet MobileNetV2 (torchvision's, tonylins' or MindSpore's naming) -> the encoder's weights, strictly.

    shapes: {canonical name: shape} of the encoder. The first convolution's trimap channel is zero.
    """
    weights = {re.sub(r"(features\.\d+\.(?:conv\.\d\.)?)features\.", r"\1", name): value  # MindSpore's model zoo
               for name, value in read_weights(path).items()}
    naming = torchvision_names if "features.2.conv.0.0.weight" in weights else tonylins_names
    canonical = {foreign: name for name, foreign in naming(shapes, repeats).items()}
    weights = {canonical.get(name, name): value for name, value in weights.items() if not CLASSIFIER.match(name)}
    return match(path, with_trimap_channel(weights, "encoder.stages.0.conv.weight"), shapes)


def vgg_weights(config, shapes):
    """ImageNet VGG16 of config.ckpt_url (torchvision's vgg16_bn or vgg16) -> the encoder's weights, strictly.

    shapes: {canonical name: shape} of the encoder. The first convolution's trimap channel is zero. A convolution that
    batch norm follows has no bias here, since the mean would take it away again: vgg16_bn's biases are taken off the
    means.
    """
    path = config.ckpt_url
    biases = {name.replace(".bn.running_mean", ".conv.bias"): name for name in shapes if name.endswith("running_mean")}
    in_file = shapes | {bias: shapes[mean] for bias, mean in biases.items()}
    canonical = {foreign: name for name, foreign in vgg_names(in_file).items()}
    weights = {canonical.get(name, name): value for name, value in read_weights(path).items()
               if not name.startswith("classifier.")}
    weights = match(path, with_trimap_channel(weights, FIRST), in_file)
    return biases_into_means(weights)


def with_trimap_channel(weights, stem):
    """The weights with a fourth input channel, zero, in the convolution called `stem`, should it have three."""
    if stem not in weights or weights[stem].shape[1] != 3:
        return weights
    return weights | {stem: np.pad(weights[stem], ((0, 0), (0, 1), (0, 0), (0, 0)))}
