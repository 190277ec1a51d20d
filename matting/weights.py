"""Weight files of either framework -> {house name: float32 array}, matched by name, strictly; and back.

The frameworks are imported only inside the functions that read and write their files.
"""
import io
import re
import zipfile
from pathlib import Path

import numpy as np

from matting.errors import UserError
from matting.files import atomic_path
from matting.names import from_mindspore, official_names, to_mindspore, tonylins_names, torchvision_names, vgg_names

CLASSIFIER = re.compile(r"(features\.18\.|classifier\.|head\.|conv\.)")  # what a backbone has beyond the encoder
LISTED = 8  # names of each sort that an error spells out


def read_weights(path):
    """A weight file -> {name as in the file, batch norm in PyTorch's words: array}.

    `.ckpt` is MindSpore's; `.pth`, `.pt`, `.pth.tar` PyTorch's, read with weights_only; `.npz` NumPy's. The prefix
    `module.` and batch counters are dropped. Raises UserError for a missing, damaged or foreign file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a weight file ({', '.join(READERS)})")
    suffix = ".pth.tar" if path.name.endswith(".pth.tar") else path.suffix
    if suffix not in READERS:
        raise UserError(f"{path}: unknown kind of weight file; expected one of {', '.join(READERS)}")
    weights = READERS[suffix](path)
    return {name.removeprefix("module."): value for name, value in weights.items()
            if not name.endswith("num_batches_tracked")}


def write_weights(path, weights):
    """{name, batch norm in PyTorch's words: array} -> a .ckpt, .pth, .pt or .npz file, atomically."""
    path = Path(path)
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: unknown kind of weight file; can be written: {', '.join(WRITERS)}")
    with atomic_path(path) as temporary:
        WRITERS[path.suffix](temporary, weights)


def house_weights(path, shapes):
    """Weights for a whole network from a file in house or official naming, strictly; shapes: {house name: shape}."""
    weights = read_weights(path)
    if any(name.startswith("layer0.") for name in weights):
        house = {official: name for name, official in official_names(shapes).items()}
        weights = {house.get(name, name): value for name, value in weights.items()}
    return match(path, weights, shapes)


def mobilenet_weights(config, shapes):
    """As encoder_weights, of config.ckpt_url."""
    return encoder_weights(config.ckpt_url, shapes, [row[3] for row in config.inverted_residual_setting])


def encoder_weights(path, shapes, repeats):
    """ImageNet MobileNetV2 (torchvision's, tonylins' or MindSpore's naming) -> the encoder's weights, strictly.

    shapes: {house name: shape} of the encoder. The first convolution's trimap channel is zero.
    """
    weights = {re.sub(r"(features\.\d+\.(?:conv\.\d\.)?)features\.", r"\1", name): value  # MindSpore's model zoo
               for name, value in read_weights(path).items()}
    naming = torchvision_names if "features.2.conv.0.0.weight" in weights else tonylins_names
    house = {foreign: name for name, foreign in naming(shapes, repeats).items()}
    weights = {house.get(name, name): value for name, value in weights.items() if not CLASSIFIER.match(name)}
    return match(path, with_trimap_channel(weights, "encoder.stages.0.conv.weight"), shapes)


def vgg_weights(config, shapes):
    """ImageNet VGG16 of config.ckpt_url (torchvision's vgg16_bn or vgg16) -> the encoder's weights, strictly.

    shapes: {house name: shape} of the encoder. The first convolution's trimap channel is zero. A convolution that batch
    norm follows has no bias here, since the mean would take it away again: vgg16_bn's biases are taken off the means.
    """
    path = config.ckpt_url
    biases = {name.replace(".bn.running_mean", ".conv.bias"): name for name in shapes if name.endswith("running_mean")}
    in_file = shapes | {bias: shapes[mean] for bias, mean in biases.items()}
    house = {foreign: name for name, foreign in vgg_names(in_file).items()}
    weights = {house.get(name, name): value for name, value in read_weights(path).items()
               if not name.startswith("classifier.")}
    weights = match(path, with_trimap_channel(weights, "encoder.stages.0.0.conv.weight"), in_file)
    for bias, mean in biases.items():
        weights[mean] = weights[mean] - weights.pop(bias)
    return weights


def with_trimap_channel(weights, stem):
    """The weights with a fourth input channel, zero, in the convolution called `stem`, should it have three."""
    if stem not in weights or weights[stem].shape[1] != 3:
        return weights
    return weights | {stem: np.pad(weights[stem], ((0, 0), (0, 1), (0, 0), (0, 0)))}


def match(path, weights, shapes):
    """The weights in the order of `shapes`; raises UserError listing what is missing, unexpected and mis-shaped."""
    problems = {
        "missing": [name for name in shapes if name not in weights],
        "unexpected": [name for name in weights if name not in shapes],
        "mis-shaped": [f"{name} {weights[name].shape} instead of {tuple(shape)}" for name, shape in shapes.items()
                       if name in weights and weights[name].shape != tuple(shape)],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(names)} {sort}: {', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''}"
                         for sort, names in problems.items() if names)
        raise UserError(f"{path}: holds the weights of another network ({told})")
    return {name: weights[name].astype(np.float32) for name in shapes}


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise UserError(f"{path}: reading it needs PyTorch; pip install torch, or convert the file to .ckpt") from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler and archive reader raise
        raise UserError(f"{path}: is not a PyTorch weight file ({str(error).splitlines()[0]})") from None
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    weights = {name: value.numpy() for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise UserError(f"{path}: holds no named tensors")
    return weights


def _read_mindspore(path):
    import mindspore
    try:
        parameters = mindspore.load_checkpoint(str(path))
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(f"{path}: is not a MindSpore checkpoint ({str(error).splitlines()[0]})") from None
    return {from_mindspore(name): parameter.asnumpy() for name, parameter in parameters.items()}


def _read_numpy(path):
    try:
        with np.load(path) as archive:
            return dict(archive)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is not a NumPy archive ({str(error).splitlines()[0]})") from None


READERS = {".ckpt": _read_mindspore, ".pth": _read_torch, ".pt": _read_torch, ".pth.tar": _read_torch,
           ".npz": _read_numpy}


def _write_torch(path, weights):
    import torch
    content = io.BytesIO()  # torch.save names no file, nor the reason, when a disk is full
    torch.save({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}, content)
    path.write_bytes(content.getbuffer())


def _write_mindspore(path, weights):
    import mindspore
    mindspore.save_checkpoint([{"name": to_mindspore(name), "data": mindspore.Tensor(value)}
                               for name, value in weights.items()], str(path))


def _write_numpy(path, weights):
    np.savez(path, **weights)


WRITERS = {".ckpt": _write_mindspore, ".pth": _write_torch, ".pt": _write_torch, ".npz": _write_numpy}
