"""What natural image matting is, without a framework: NumPy and OpenCV.

    from matting import load
    matting = load("best.ckpt", device="CPU")  # without a name: the weights that come with the project
    alpha = matting(image, trimap)
"""
from matting.errors import UserError

__all__ = ["UserError", "load"]


def load(path=None, device="CPU", **settings):
    """The network in a weight file, ready to run: matting.runtimes.network.Network, a function of image and trimap.

    path: .ckpt or .mindir (run by MindSpore, whose device is chosen for the whole program), .pth, .pt or .pth.tar
    (PyTorch), .npz (MindSpore, or PyTorch without it), .onnx (ONNX Runtime); None: the weights that come with the
    project. device: CPU, GPU or Ascend. settings: keys
    of default_config.yaml that differ from what the config.yaml beside the file, or in it, says; weights_from, where a
    published file does not tell what it is. Raises UserError.
    """
    from matting.config import CHECKPOINT_KEYS, brought, default_weights, make_config  # here: importing takes no time
    from matting.runtimes.table import load_network

    path = path or default_weights()
    chosen = brought(path, CHECKPOINT_KEYS, settings.get("weights_from", ""))
    return load_network(make_config({**chosen, "device_target": device, **settings, "ckpt_url": str(path)}))
