"""What every PyTorch program needs: the device, weights in and out, and a network as a plain function."""
import io

import torch

from matting.config import text_for_weights
from matting.embedded import embed
from matting.errors import UserError
from matting.files import atomic_path
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


def load_checkpoint(network, path, weights_from=""):
    """A whole network's weights, of this project or a published file's, strictly by name; see network_weights."""
    set_weights(network, network_weights(path, weight_shapes(network), weights_from))


def save_checkpoint(network, path, config=None):
    """Write the network's weights as a PyTorch .pth, atomically, and into it its configuration, if that is given."""
    content = io.BytesIO()  # torch.save names no file, nor the reason, when a disk is full
    torch.save(network.state_dict(), content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())
        if config:
            embed(temporary, text_for_weights(config))


def predictor(network):
    """A network as a function from arrays to arrays, in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device

    def predict(batch):
        with torch.inference_mode():
            return network(torch.from_numpy(batch).to(device)).cpu().numpy()

    return predict


def _floats(network):
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}


def _encoder_shapes(network):
    return {f"encoder.{name}": shape for name, shape in weight_shapes(network.encoder).items()}


def _set_encoder(network, weights):
    set_weights(network.encoder, {name.removeprefix("encoder."): value for name, value in weights.items()})
