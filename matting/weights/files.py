"""Weight files of either framework -> {canonical name: float32 array}, matched by name, strictly; and back.

The frameworks are imported only inside the functions that read and write their files. `.npz` asks for no library, which
`.safetensors` would.
"""
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np

from matting.embedded import NAME, embed
from matting.errors import UserError, unreadable
from matting.files import atomic_path, file_kind
from matting.weights.names import from_mindspore, to_mindspore
from matting.weights.onnx_tensors import read_onnx

# Beside weights, public projects keep metrics as NumPy numbers; a file of Python 2 has them as bytes in its strings,
# which latin1 alone reads.
NUMPY_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # of NumPy 1 and 2
NUMBERS = ("f2", "f4", "f8", "i4", "i8")


def read_weights(path):
    """A weight file -> {name as in the file, batch norm in PyTorch's words: array}.

    `.ckpt` is MindSpore's; `.pth`, `.pt`, `.pth.tar` PyTorch's, read with weights_only, Python 2's included; `.npz`
    NumPy's; `.onnx` a graph that keeps its weights' names. The prefix `module.` and batch counters are dropped. Raises
    UserError for a missing, damaged or foreign file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a weight file ({', '.join(READERS)})")
    kind = file_kind(path)
    if kind not in READERS:
        raise UserError(f"{path}: unknown kind of weight file; expected one of {', '.join(READERS)}")
    weights = READERS[kind](path)
    return {name.removeprefix("module."): value for name, value in weights.items()
            if not name.endswith("num_batches_tracked")}


def write_weights(path, weights, text=""):
    """{name, batch norm in PyTorch's words: array} -> a .ckpt, .pth, .pt or .npz file, atomically.

    text: the configuration that is to be in it, if any.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: unknown kind of weight file; can be written: {', '.join(WRITERS)}")
    with atomic_path(path) as temporary:
        WRITERS[path.suffix](temporary, weights)
        if text:
            embed(temporary, text)


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise UserError(f"{path}: reading it needs PyTorch; pip install torch, or convert the file to .ckpt") from None
    scalar = np.float64(0).__reduce__()[0]  # what a pickle calls to make a NumPy number
    numbers = [*((scalar, name) for name in NUMPY_SCALAR), np.dtype, *(type(np.dtype(kind)) for kind in NUMBERS)]
    try:
        with torch.serialization.safe_globals(numbers), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "pickle_load_args", UserWarning)  # says that the encoding does nothing
            content = torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
    except Exception as error:  # torch.load raises whatever its unpickler and archive reader raise
        raise unreadable(path, "a PyTorch weight file", error) from None
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    weights = {name: value.numpy() for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise UserError(f"{path}: holds no named tensors")
    return weights


def _read_mindspore(path):
    try:
        import mindspore
    except ImportError:
        raise UserError(f"{path}: reading it needs MindSpore; pip install mindspore, or convert it to .pth") from None
    try:
        parameters = mindspore.load_checkpoint(str(path))
    except (ValueError, RuntimeError, OSError) as error:
        raise unreadable(path, "a MindSpore checkpoint", error) from None
    return {from_mindspore(name): parameter.asnumpy() for name, parameter in parameters.items()}


def _read_numpy(path):
    try:
        with np.load(path) as archive:
            return {name: archive[name] for name in archive.files if name != NAME}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise unreadable(path, "a NumPy archive", error) from None


READERS = {".ckpt": _read_mindspore, ".pth": _read_torch, ".pt": _read_torch, ".pth.tar": _read_torch,
           ".npz": _read_numpy, ".onnx": read_onnx}


def _write_torch(path, weights):
    import torch
    content = io.BytesIO()  # torch.save names no file, nor the reason, when a disk is full
    torch.save({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}, content)
    path.write_bytes(content.getbuffer())


def _write_mindspore(path, weights):
    import mindspore
    mindspore.save_checkpoint([{"name": to_mindspore(name), "data": mindspore.Tensor(value)}
                               for name, value in weights.items()], str(path))
    path.chmod(0o644)  # MindSpore lets its owner alone read it, and nobody write


def _write_numpy(path, weights):
    np.savez(path, **weights)


WRITERS = {".ckpt": _write_mindspore, ".pth": _write_torch, ".pt": _write_torch, ".npz": _write_numpy}
