"""Taps of networks that run no hooks: MindSpore's compiled graphs, MINDIR and ONNX files."""
import re

import mindspore as ms
import onnx
from mindspore import nn, ops

from matting.errors import UserError

OF_TUPLE = "[0]"  # at the end of a tap's name: the first of several outputs


class Recorder(nn.Cell):
    """A cell in the place of another, whose output, or the first of its outputs, it also keeps in a parameter."""

    def __init__(self, cell, name, shape):
        super().__init__(auto_prefix=False)
        self.cell = cell
        self.first = name.endswith(OF_TUPLE)
        self.kept = ms.Parameter(ops.zeros(shape, ms.float32), requires_grad=False)

    def construct(self, *inputs):
        output = self.cell(*inputs)
        ops.assign(self.kept, output[0] if self.first else output)
        return output


class Tapped(nn.Cell):
    """A network that gives its taps, too, compiled or not: (B, 4, H, W) -> (output, tap, tap, ...).

    shapes: {name as compare.taps gives it: shape}, for one size of input. The network's cells are replaced.
    """

    def __init__(self, network, shapes):
        super().__init__(auto_prefix=False)
        recorders = [record(network, name, shape) for name, shape in shapes.items()]
        for name, parameter in network.parameters_and_names():
            parameter.name = name  # which a cell that takes another's place changes
        self.network = network
        self.kept = ms.ParameterTuple([recorder.kept for recorder in recorders])

    def construct(self, x):
        outputs = (self.network(x),)
        for kept in self.kept:
            outputs += (kept.value(),)
        return outputs


def record(network, name, shape):
    """Put a Recorder in the place of the network's cell of that name -> the Recorder."""
    *path, last = name.removesuffix(OF_TUPLE).split(".")
    for part in path:
        network = network[int(part)] if part.isdigit() else getattr(network, part)
    if last.isdigit():
        network[int(last)] = recorder = Recorder(network[int(last)], name, shape)
    else:
        recorder = Recorder(getattr(network, last), name, shape)
        setattr(network, last, recorder)
    return recorder


def tensors_of(model, names):
    """Of an onnx.ModelProto that torch.onnx.export traced: {tap's name: name of its tensor}.

    Nodes are named by the modules that were being called, so not by one whose parts alone are. The last node of a
    module computes its output, or the first of its outputs. Raises UserError where no node is named by a tap's.
    """
    return {name: _tensor_of(model, name) for name in names}


def _tensor_of(model, name):
    for scope in _scopes(name):
        nodes = [node for node in model.graph.node if node.name.startswith(scope)]
        if nodes:
            return nodes[-1].output[0]
    raise UserError(f"the ONNX file has no node that is named by {name}; convert it first, by matting.convert")


def _scopes(name):
    """How names of a module's nodes may start: encoder.stages.1 -> /encoder/stages.1/, /stages.1/."""
    modules = re.split(r"\.(?!\d)", name.removesuffix(OF_TUPLE))
    return ["/" + "/".join(modules[start:]) + "/" for start in range(len(modules))]


def with_outputs(model, tensors):
    """An onnx.ModelProto -> one whose graph gives those tensors, too."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    own = {output.name for output in model.graph.output}
    tapped.graph.output.extend(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
                               for tensor in sorted(set(tensors) - own))
    return tapped
