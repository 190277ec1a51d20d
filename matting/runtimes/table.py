"""Which runtime each kind of weight file asks for.

matting imports no framework, and neither ms_impl nor torch_ref. Here, and nowhere else, it knows them by name, and
imports the one whose file is to be loaded.
"""
import importlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

from matting.errors import UserError
from matting.files import file_kind


class Runtime(NamedTuple):
    """What runs a kind of weight files."""

    library: str  # as Python imports it
    module: str  # of ours, whose load_network(config) gives the Network of config.ckpt_url
    installation: str  # the command that brings the library


ONNX_RUNTIME = Runtime("onnxruntime", "matting.runtimes.onnx", "pip install onnxruntime")
MINDSPORE = Runtime("mindspore", "ms_impl.registry", "pip install mindspore==2.10.0 'numpy<2'")
PYTORCH = Runtime("torch", "torch_ref.registry", "pip install torch")

RUNTIMES = {  # kind of file: what runs it, the first that is installed
    ".onnx": (ONNX_RUNTIME,),
    ".ckpt": (MINDSPORE,),
    ".mindir": (MINDSPORE,),
    ".pth": (PYTORCH,),
    ".pt": (PYTORCH,),
    ".pth.tar": (PYTORCH,),
    ".npz": (MINDSPORE, PYTORCH),
}


def load_network(config):
    """The Network of config.ckpt_url, in the runtime that the file asks for.

    Raises UserError where that is not installed, and where the file or the configured device is unusable.
    """
    path = Path(config.ckpt_url)
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a weight file ({', '.join(RUNTIMES)})")
    candidates = RUNTIMES.get(file_kind(path))
    if not candidates:
        raise UserError(f"{path}: unknown kind of weight file; expected one of {', '.join(RUNTIMES)}")
    runtime = next(filter(_is_installed, candidates), None)
    if not runtime:
        raise UserError(f"{path}: is run by {' or '.join(row.library for row in candidates)}, which is not installed; "
                        f"{candidates[0].installation}, or have it exported as .onnx where it was trained")
    return importlib.import_module(runtime.module).load_network(config)


def _is_installed(runtime):
    return importlib.util.find_spec(runtime.library) is not None
