"""What natural image matting is, without a framework: NumPy and OpenCV.

    from matting import load
    matting = load("best.ckpt", device="CPU")
    alpha = matting(image, trimap)
"""
from matting.errors import UserError

__all__ = ["UserError", "load"]


def load(path, device="CPU", **settings):
    """The network in a weight file, ready to run: matting.runtimes.network.Network, a function of image and trimap.

    path: .ckpt or .mindir (run by MindSpore, whose device is chosen for the whole program), .pth, .pt or .pth.tar
    (PyTorch), .npz (MindSpore, or PyTorch without it), .onnx (ONNX Runtime). device: CPU, GPU or Ascend. settings: keys
    of default_config.yaml that differ from what the config.yaml beside the file, or in it, says; weights_from, where a
    published file does not tell what it is. Raises UserError.
    """
    from matting.config import CHECKPOINT_KEYS, brought, make_config  # here: importing matting takes no time
    from matting.runtimes.table import load_network

    chosen = brought(path, CHECKPOINT_KEYS, settings.get("weights_from", ""))
    return load_network(make_config({**chosen, "device_target": device, **settings, "ckpt_url": str(path)}))
