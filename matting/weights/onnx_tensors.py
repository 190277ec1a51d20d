"""The weights in an ONNX file, by the names that they have there, read without a library."""
import io

import numpy as np

from matting.errors import UserError, unreadable
from matting.protobuf import contents, numbers

GRAPH, INITIALIZER = 7, 5  # fields: of a model, of its graph
SIDE, TYPE, NAME, VALUES = 1, 2, 8, 9  # of a tensor
FLOATS = {1: np.dtype("<f4"), 10: np.dtype("<f2")}  # types of tensors that weights may have
NAMELESS = "onnx::"  # what PyTorch's exporter calls kernels into which it multiplied a batch norm


def read_onnx(path):
    """An ONNX file -> {name: float32 array} of the floating-point tensors in its graph.

    Raises UserError where it is none, holds none, or has other weights than the network's own.
    """
    try:
        with path.open("rb") as file:
            tensors = [io.BytesIO(tensor) for graph in contents(file, GRAPH)
                       for tensor in contents(io.BytesIO(graph), INITIALIZER)]
        weights = dict(map(_named, filter(_holds_floats, tensors)))
    except (EOFError, KeyError, ValueError) as error:
        raise unreadable(path, "an ONNX file", error) from None
    if not weights or any(name.startswith(NAMELESS) for name in weights):
        raise UserError(f"{path}: is a graph for running, without weights by their names; take the checkpoint that it "
                        "was exported from, or export that with --half, which keeps the names")
    return weights


def _holds_floats(tensor):
    """Whether a tensor's message holds floating-point numbers, all in one field, as exporters write them."""
    return bool(FLOATS.keys() & set(numbers(tensor, TYPE))) and any(contents(tensor, VALUES))


def _named(tensor):
    """Such a message -> the tensor's name, its values as float32."""
    (kind,), (name,), (values,) = numbers(tensor, TYPE), contents(tensor, NAME), contents(tensor, VALUES)
    values = np.frombuffer(values, FLOATS[kind])
    return name.decode(), values.reshape(tuple(numbers(tensor, SIDE))).astype(np.float32)
