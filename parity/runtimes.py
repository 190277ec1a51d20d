"""One checkpoint in every runtime, each ready to give its taps for a small input and the alpha of any window."""
import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mindspore as ms
import onnx
import onnxruntime
import torch

import ms_impl.export
import ms_impl.registry
import ms_impl.src.utils
import torch_ref.export
import torch_ref.registry
import torch_ref.utils
from matting.config import Config
from matting.errors import UserError
from matting.files import file_kind
from matting.runtimes.onnx import load_graph
from ms_impl.src.formulations import suit_export
from parity.compare import taps
from parity.compiled_taps import Tapped, tensors_of, with_outputs

# Of all modules' outputs those that every runtime gives: stages, encoder index maps, what lies between the halves.
TAPS = re.compile(r"(encoder|decoder)\.stages\.\d+|pools\.\d+\.index\[0\]|context|bridge|prediction"
                  r"|refinement\.(stages|residual)|output")


class Case(NamedTuple):
    """What every runtime is given."""

    config: Config  # its ckpt_url in a folder that graph files may be written into, img_size the windows' size
    shapes: dict  # {tap: shape} for the small input, in order, without the output
    size: tuple  # (height, width) of the small input


class Opened(NamedTuple):
    """A runtime that has the checkpoint."""

    taps: Callable  # (1, 4, h, w) float32 of the small size -> {tap: array}, the output among them
    predict: Callable  # (1, 4, H, W) of the windows' size -> (1, 1, H, W)
    network: object = None  # what computes the taps


def load_reference(config):
    """PyTorch's network with the checkpoint's weights, in evaluation mode."""
    network = torch_ref.registry.build(config).eval()
    torch_ref.utils.load_checkpoint(network, config.ckpt_url, config.weights_from)
    return network


def reference_taps(network, batch):
    """{tap: array} of a network of PyTorch, in order of execution; in double precision where the network is."""
    with torch.no_grad():
        given = torch.from_numpy(batch).to(next(network.parameters()).dtype)
        return _chosen(taps(network, network.named_modules(), given))


def double(network):
    """The same network in double precision: its difference from float32 is rounding."""
    return copy.deepcopy(network).double()


def open_torch(case):
    network = load_reference(case.config)
    return Opened(lambda batch: reference_taps(network, batch), torch_ref.utils.predictor(network), network)


def open_pynative(case):
    network = _load(case.config)
    predict = ms_impl.src.utils.predictor(network)

    def find(batch):
        return _chosen(taps(network, network.cells_and_names(), ms.Tensor(batch)))

    return Opened(_in_mode(ms.PYNATIVE_MODE, find), _in_mode(ms.PYNATIVE_MODE, predict), network)


def open_graph(case):
    whole, tapped = _load(case.config), Tapped(_load(case.config), case.shapes).set_train(False)
    return Opened(_taps_of(tapped, case), ms_impl.src.utils.predictor(whole), tapped)


def open_mindir(case):
    """What python export.py writes; the taps are those of another MINDIR, which was exported with them."""
    network = _load(case.config)
    suit_export(network)
    tapped = Tapped(network, case.shapes).set_train(False)
    path = Path(case.config.ckpt_url).with_name("taps.mindir")
    ms.export(tapped, ms.ops.zeros((1, 4, *case.size), ms.float32), file_name=str(path), file_format="MINDIR")
    graph = ms_impl.src.utils.load_mindir(path)
    file, _ = ms_impl.export.export(case.config, dynamic=False)
    return Opened(_taps_of(graph, case), ms_impl.src.utils.predictor(ms_impl.src.utils.load_mindir(file)), graph)


def open_onnx(case):
    """What python export.py --file_format ONNX --dynamic writes, or the checkpoint where it is that; its taps, too.

    Raises UserError where a checkpoint in ONNX takes one size only or names no modules.
    """
    path = Path(case.config.ckpt_url)
    if file_kind(path) != ".onnx":
        path, _ = torch_ref.export.export(case.config, dynamic=True)
    model = onnx.load(path)
    if any(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]):
        raise UserError(f"{path.name}: takes one size only; convert it first, by python -m matting.convert")
    tensors = tensors_of(model, case.shapes) | {"output": model.graph.output[0].name}
    names = sorted(set(tensors.values()))
    session = onnxruntime.InferenceSession(with_outputs(model, names).SerializeToString(),
                                           providers=["CPUExecutionProvider"])

    def find(batch):
        found = dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))
        return {name: found[tensor] for name, tensor in tensors.items()}

    return Opened(find, load_graph(path), session)


# Each is compared with the first.
RUNTIMES = {
    "PyTorch": open_torch,
    "MindSpore PyNative": open_pynative,
    "MindSpore graph": open_graph,
    "MINDIR": open_mindir,
    "ONNX Runtime": open_onnx,
}


def _load(config):
    network = ms_impl.registry.build(config).set_train(False)
    ms_impl.src.utils.load_checkpoint(network, config.ckpt_url, config.weights_from)
    return network


def _chosen(found):
    return {name: value for name, value in found.items() if TAPS.fullmatch(name)}


def _in_mode(mode, function):
    """The function, run in that mode of MindSpore, and graph mode again afterwards."""

    def run(batch):
        ms.set_context(mode=mode)
        try:
            return function(batch)
        finally:
            ms.set_context(mode=ms.GRAPH_MODE)

    return run


def _taps_of(tapped, case):
    """What a Tapped network, or a graph file of one, gives, by name."""

    def find(batch):
        output, *kept = tapped(ms.Tensor(batch))
        return {name: value.asnumpy() for name, value in zip(case.shapes, kept, strict=True)} | {
            "output": output.asnumpy()}

    return find
