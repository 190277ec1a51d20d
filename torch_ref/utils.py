"""What every PyTorch program needs: the device, weights in and out, and a network as a plain function."""
import io
from pathlib import Path

import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

from matting.errors import UserError
from matting.files import atomic_path
from matting.programs.export import of_one_size
from matting.weights.matching import network_weights
from matting.weights.pretrained import mobilenet_weights, vgg_weights


def find_device(config):
    """The configured torch.device; raises UserError where it is not there."""
    if config.device_target == "CPU":
        return torch.device("cpu")
    if config.device_target != "GPU" or config.device_id >= torch.cuda.device_count():
        raise UserError(f"no usable {config.device_target} device {config.device_id} here; run with "
                        "--device_target CPU")
    return torch.device("cuda", config.device_id)


def weight_shapes(network):
    """A network's parameters and running statistics -> {canonical name: shape}; batch counters left out."""
    return {name: tuple(value.shape) for name, value in _floats(network).items()}


def get_weights(network):
    """A network's parameters and running statistics -> {canonical name: array}, which training leaves alone."""
    return {name: value.cpu().numpy().copy() for name, value in _floats(network).items()}


def set_weights(network, weights):
    """Put {canonical name: array} into the network's parameters and statistics, every one of them."""
    with torch.no_grad():
        for name, value in _floats(network).items():
            value.copy_(torch.from_numpy(weights[name]))


def load_mobilenet(network, config):
    """ImageNet MobileNetV2 of config.ckpt_url into IndexNet's encoder, strictly by name."""
    _set_encoder(network, mobilenet_weights(config, _encoder_shapes(network)))


def load_vgg(network, config):
    """ImageNet VGG16 of config.ckpt_url into Deep Image Matting's encoder, strictly by name."""
    _set_encoder(network, vgg_weights(config, _encoder_shapes(network)))


def load_checkpoint(network, path):
    """A whole network's weights, in canonical or official naming, strictly by name."""
    set_weights(network, network_weights(path, weight_shapes(network)))


def save_checkpoint(network, path):
    """Write the network's weights as a PyTorch .pth, atomically."""
    content = io.BytesIO()  # torch.save names no file, nor the reason, when a disk is full
    torch.save(network.state_dict(), content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_onnx(path):
    """An exported graph as a function from arrays to arrays, on the CPU; raises UserError where it cannot be read."""
    session = _onnx_session(path)

    def predict(batch):
        return session.run(None, {session.get_inputs()[0].name: batch})[0]

    return predict


def fixed_size(path):
    """(height, width) of the only images that an .onnx takes; None for a dynamic one and for checkpoints."""
    if Path(path).suffix != ".onnx":
        return None
    sides = tuple(_onnx_session(path).get_inputs()[0].shape[2:])
    return sides if all(isinstance(side, int) for side in sides) else None  # a dynamic side has a name instead


def predictor(network):
    """A network as a function from arrays to arrays, in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device

    def predict(batch):
        with torch.inference_mode():
            return network(torch.from_numpy(batch).to(device)).cpu().numpy()

    return predict


def load_onnx_predictor(path):
    """An exported graph as a function; it raises UserError for sizes that it was not exported for."""
    return of_one_size(load_onnx(path), path, fixed_size(path))


def _floats(network):
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}


def _encoder_shapes(network):
    return {f"encoder.{name}": shape for name, shape in weight_shapes(network.encoder).items()}


def _set_encoder(network, weights):
    set_weights(network.encoder, {name.removeprefix("encoder."): value for name, value in weights.items()})


def _onnx_session(path):
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; write one with python export.py --file_format ONNX "
                        "--ckpt_url CHECKPOINT")
    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf) as error:
        raise UserError(f"{path}: is not an ONNX file ({str(error).splitlines()[0]})") from None
