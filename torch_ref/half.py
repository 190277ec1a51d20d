"""ONNX files of half the size: kernels rest in half precision, under their names, and are computed with in single.

ONNX Runtime widens them once, when it opens the file, and computes as fast as otherwise. By their names the weights are
read again (matting.weights.onnx_tensors).
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch.onnx import TrainingMode

from matting.errors import UserError

# Every weight stays what it is, under its name: the exporter otherwise multiplies batch norms into kernels.
NAMED = {"training": TrainingMode.PRESERVE, "do_constant_folding": False}
WIDENED = "{}.widened"


def rounded(weights):
    """{name: float32 array} -> as such a file holds them: kernels to half precision, the rest, which is small, not.

    Raises UserError where a kernel exceeds what half precision can hold.
    """
    with np.errstate(over="ignore"):  # which is infinite below
        halves = {name: value.astype(np.float16) if value.ndim > 1 else value for name, value in weights.items()}
    for name, value in halves.items():
        if not np.isfinite(value).all():
            raise UserError(f"{name}: exceeds {np.finfo(np.float16).max:.0f}, the most of half precision; export "
                            "without --half")
    return {name: value.astype(np.float32) for name, value in halves.items()}


def halve(path, weights):
    """Let the kernels of an ONNX file, rounded before, rest in half precision, a node each making them single again.

    weights: {name: array}, all that the file is to hold. Of equal ones the exporter keeps the first, and computes the
    others by nodes that copy it.
    """
    model = onnx.load(path)
    missing = weights.keys() - {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(numpy_helper.from_array(weights[name], name) for name in sorted(missing))
    kernels = {tensor.name: tensor for tensor in model.graph.initializer
               if len(tensor.dims) > 1 and tensor.data_type == TensorProto.FLOAT}
    for name, tensor in kernels.items():
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name))
    nodes = [helper.make_node("Cast", [name], [WIDENED.format(name)], to=TensorProto.FLOAT) for name in kernels]
    nodes.extend(node for node in model.graph.node if not missing & set(node.output))
    for node in nodes[len(kernels):]:
        node.input[:] = [WIDENED.format(name) if name in kernels else name for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
