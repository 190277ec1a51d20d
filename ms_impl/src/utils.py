"""What every MindSpore program needs: the device, weights in and out, and a network as a plain function."""
import logging
import os
from pathlib import Path

import mindspore as ms
from mindspore import nn
from mindspore.train.mind_ir_pb2 import ModelProto

from matting.config import text_for_weights
from matting.embedded import embed
from matting.errors import UserError, unreadable
from matting.files import atomic_path
from matting.weights.matching import network_weights
from matting.weights.names import from_mindspore
from matting.weights.pretrained import mobilenet_weights, vgg_weights
from ms_impl import ISA_VARIABLE, onednn_capped
from ms_impl.versions import choose_device

log = logging.getLogger(__name__)


def set_device(config):
    """Choose graph mode and the configured device; raises UserError where the device is not there."""
    ms.set_context(mode=ms.GRAPH_MODE)
    if config.device_target == "CPU":
        if onednn_capped:
            log.info("%s=%s set: this processor's AVX-512 convolutions are slow in MindSpore",
                     ISA_VARIABLE, os.environ[ISA_VARIABLE])
        choose_device("CPU")
        return
    logging.disable(logging.CRITICAL)  # a missing device makes MindSpore list every library it looked for
    try:
        choose_device(config.device_target, config.device_id)
        ms.ops.zeros(1).asnumpy()  # the first operation is what finds the device
    except (RuntimeError, ValueError):
        raise UserError(f"no usable {config.device_target} device {config.device_id} here; run with "
                        "--device_target CPU, or with DEVICE_TARGET=CPU before a script") from None
    finally:
        logging.disable(logging.NOTSET)


def weight_shapes(network):
    """A network's parameters and running statistics -> {canonical name: shape}."""
    return {from_mindspore(parameter.name): parameter.shape for parameter in network.get_parameters()}


def get_weights(network):
    """A network's parameters and running statistics -> {canonical name: array}, which training leaves alone."""
    return {from_mindspore(parameter.name): parameter.asnumpy().copy() for parameter in network.get_parameters()}


def set_weights(network, weights):
    """Put {canonical name: array} into the network's parameters and statistics, every one of them."""
    for parameter in network.get_parameters():
        parameter.set_data(ms.Tensor(weights[from_mindspore(parameter.name)]))


def load_mobilenet(network, config):
    """ImageNet MobileNetV2 of config.ckpt_url into IndexNet's encoder, strictly by name."""
    set_weights(network.encoder, mobilenet_weights(config, weight_shapes(network.encoder)))


def load_vgg(network, config):
    """ImageNet VGG16 of config.ckpt_url into Deep Image Matting's encoder, strictly by name."""
    set_weights(network.encoder, vgg_weights(config, weight_shapes(network.encoder)))


def load_checkpoint(network, path, weights_from=""):
    """A whole network's weights, of this project or a published file's, strictly by name; see network_weights."""
    set_weights(network, network_weights(path, weight_shapes(network), weights_from))


def save_checkpoint(network, path, config=None):
    """Write the network's weights as a MindSpore .ckpt, atomically, and into it its configuration, if that is given."""
    parameters = [{"name": parameter.name, "data": parameter} for parameter in network.get_parameters()]
    with atomic_path(path) as temporary:
        ms.save_checkpoint(parameters, str(temporary))
        temporary.chmod(0o644)  # MindSpore lets its owner alone read it, and nobody write
        if config:
            embed(temporary, text_for_weights(config))


def load_mindir(path):
    """An exported graph, ready to call; raises UserError where it cannot be read."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; write one with python export.py --ckpt_url CHECKPOINT")
    try:
        return nn.GraphCell(ms.load(str(path)))
    except (RuntimeError, ValueError) as error:
        raise unreadable(path, "a MINDIR file", error) from None


def fixed_size(path):
    """(height, width) of the only images that a .mindir takes; None for a dynamic one."""
    model = ModelProto()
    model.ParseFromString(Path(path).read_bytes())
    height, width = model.graph.input[0].tensor[0].dims[2:]
    return None if height < 0 else (height, width)


def predictor(network):
    """A network as a function from arrays to arrays, in evaluation mode."""
    network.set_train(False)

    def predict(batch):
        return network(ms.Tensor(batch)).asnumpy()

    return predict
