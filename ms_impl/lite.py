"""MINDIR for MindSpore Lite 2.0.0, from what MindSpore 2.10 writes.

Lite 2.0.0 reads MINDIR as MindSpore 2.0.0 writes it, which keeps as attributes of an operator what 2.10 passes as
further inputs: axis, epsilon and the like. An export may contain OPERATORS and CHAINS alone, which Lite 2.0.0 was seen
to compute rightly.
"""
import json
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mindspore.train.mind_ir_pb2 import AttributeProto, ModelProto, NodeProto, PrimitiveProto, TensorProto

from matting.errors import UserError

IR_VERSION, NUMBER, MINDSPORE = "0.1.1", 1, "2.0.0"  # what MindSpore 2.0.0 writes of itself
REFERENCE = "REF::"  # before the name of a primitive where a node names one
RUNNER = Path(__file__).with_name("lite_runner.py")
TOLERANCE = 1e-4  # as for exports; Lite's fast convolutions round more coarsely, as python -m parity.lite shows
INSTALLATION = "Python 3.7 with pip install mindspore-lite==2.0.0"
LAYOUTS = (b"NCHW", b"NHWC")  # by MindSpore's number
MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
NUMBERS = (AttributeProto.BOOL, AttributeProto.INT64, AttributeProto.FLOAT)


class Operator(NamedTuple):
    """What Lite 2.0.0 takes of an operator: so many inputs, None for any number, and attributes for what follows."""

    inputs: "int | None"
    attributes: tuple = ()


OPERATORS = {
    "Add": Operator(2),
    "BatchNorm": Operator(5, ("is_training", "epsilon", "momentum", "format")),
    "BiasAdd": Operator(2, ("format",)),
    "BroadcastTo": Operator(1, ("shape",)),
    "Cast": Operator(2),
    "Concat": Operator(1, ("axis",)),
    "Conv2D": Operator(2),
    "Depend": Operator(2),
    "Equal": Operator(2),
    "Exp": Operator(1),
    "Load": Operator(2),
    "MakeTuple": Operator(None),
    "Maximum": Operator(2),
    "Minimum": Operator(2),
    "Mul": Operator(2),
    "ReLU": Operator(1),
    "ReLU6": Operator(1),
    "RealDiv": Operator(2),
    "ReduceMean": Operator(2, ("keep_dims",)),
    "Reshape": Operator(2),
    "Sigmoid": Operator(1),
    "Split": Operator(1, ("axis", "output_num")),
    "Stack": Operator(1),
    "StridedSlice": Operator(4, MASKS),
    "Sub": Operator(2),
    "Transpose": Operator(2),
    "TupleGetItem": Operator(2),
    "UpdateState": Operator(None),
}
CHAINS = {"Muls": ("Mul",), "ClampScalar": ("Maximum", "Minimum")}  # with one number each, and the operators instead
CONSTANT = "Constant"


def for_lite(content):
    """A whole MINDIR file's bytes, as MindSpore 2.10 writes it -> the same network as Lite 2.0.0 reads it.

    Raises UserError, naming them, where it contains operators that Lite does not compute.
    """
    model = ModelProto()
    model.ParseFromString(content)
    unknown = sorted(operators(model) - OPERATORS.keys() - CHAINS.keys())
    if unknown:
        raise UserError(f"MindSpore Lite does not compute {', '.join(unknown)}; let ms_impl/src/formulations.py say it "
                        f"by {', '.join(OPERATORS)}")
    if model.ir_version != IR_VERSION:
        _Rewriting(model).run()
    return model.SerializeToString()


def operators(model):
    """The names of the operators that a ModelProto's graph contains."""
    kinds = {REFERENCE + primitive.name: primitive.op_type for primitive in model.primitives}
    return {kinds.get(node.op_type, node.op_type) for node in model.graph.node} - {CONSTANT}


def check_python(python):
    """Raise UserError unless that interpreter has MindSpore Lite."""
    try:
        done = subprocess.run([python, "-c", "import mindspore_lite, numpy"], capture_output=True)
    except OSError as error:
        raise UserError(f"{python}: {error.strerror}; give the interpreter of {INSTALLATION}") from None
    if done.returncode:
        raise UserError(f"{python}: does not import mindspore_lite; give the interpreter of {INSTALLATION}")


def run(python, path, batch, threads=1, runs=1):
    """What Lite, in the environment of that interpreter, makes of a (B, 4, H, W) -> outputs and seconds of all runs.

    Raises UserError where Lite refuses the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, output = Path(folder, "given.npy"), Path(folder, "output.npy")
        np.save(given, batch)
        done = subprocess.run([python, RUNNER, path, given, output, str(threads), str(runs)], capture_output=True,
                              text=True)
        if done.returncode or not output.is_file():
            reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise UserError(f"{path}: is refused by MindSpore Lite of {python}: {reason}")
        return np.load(output), json.loads(done.stdout.strip().splitlines()[-1])


def predictor(python, path):
    """A MINDIR as a function from arrays to arrays, run by Lite as `run` does; raises what that raises."""

    def predict(batch):
        outputs, _ = run(python, path, batch)
        return outputs[0]

    return predict


class _Rewriting:
    """One graph on its way from one version to the other."""

    def __init__(self, model):
        self.model = model
        self.constants = {node.output[0]: node.attribute[0] for node in model.graph.node if node.op_type == CONSTANT}
        self.old = {REFERENCE + primitive.name: primitive for primitive in model.primitives}
        self.sources = {node.output[0]: node for node in model.graph.node}
        self.nodes, self.primitives = [], {}

    def run(self):
        for node in self.model.graph.node:
            primitive = self.old.get(node.op_type)
            kind = primitive.op_type if primitive else node.op_type
            if kind in CHAINS:
                self.unchain(node, CHAINS[kind])
            elif kind == CONSTANT:
                self.nodes.append(node)
            else:
                self.keep(node, primitive or PrimitiveProto(name=kind, op_type=kind))
        del self.model.graph.node[:], self.model.primitives[:]
        self.model.graph.node.extend(self.nodes)
        self.model.primitives.extend(self.primitives.values())
        self.model.ir_version, self.model.mind_ir_version, self.model.model_version = IR_VERSION, NUMBER, MINDSPORE

    def keep(self, node, primitive):
        """The node with its further inputs as attributes of a primitive."""
        operator = OPERATORS[primitive.op_type]
        attributes = {attribute.name: attribute for attribute in primitive.attribute}
        if operator.inputs is not None:
            for position, given in enumerate(node.input[operator.inputs:]):
                name = operator.attributes[position]
                attributes[name] = AttributeProto()
                attributes[name].CopyFrom(self.constants[given])
                attributes[name].name = name
            del node.input[operator.inputs:]
        for name in {"format"} & attributes.keys():
            if attributes[name].type in NUMBERS:
                attributes[name] = AttributeProto(name=name, type=AttributeProto.STRING, s=LAYOUTS[attributes[name].i])
        for name, value in self.derived(primitive.op_type, node, attributes).items():
            attributes[name] = value
        self.add(node, primitive.op_type, attributes.values())

    def derived(self, kind, node, attributes):
        """Attributes that 2.0.0 derives from the others."""
        if kind == "Concat":
            count = len(self.sources[node.input[0]].input)
            return {"N": _integer("N", count), "inputNums": _integer("inputNums", count)}
        if kind == "Split":
            sizes = [value.tensors[0].dims[attributes["axis"].i] for value in node.attribute[0].values]
            return {"num_split": _integer("num_split", len(sizes)), "size_splits": _integers("size_splits", sizes)}
        if kind == "Exp":
            return {name: AttributeProto(name=name, type=AttributeProto.FLOAT, f=value)
                    for name, value in (("base", -1), ("scale", 1), ("shift", 0))}  # e to the power of 1 x + 0
        return {}

    def unchain(self, node, kinds):
        """Operators with a number each in place of one with all of them."""
        x, *numbers = node.input
        for position, kind in enumerate(kinds):
            output = node.output[0] if position == len(kinds) - 1 else f"{node.output[0]}:{kind}"
            scalar = NodeProto(name=f"{output}:number", op_type=CONSTANT, output=[f"{output}:number"])
            scalar.attribute.append(_scalar(self.constants[numbers[position]]))
            step = NodeProto(name=output, input=[x, scalar.output[0]], output=[output], domain=node.domain)
            step.attribute.extend(node.attribute)
            self.nodes.append(scalar)
            self.add(step, kind, ())
            x = output

    def add(self, node, kind, attributes):
        """The node, by a primitive of its own or one that is equal to it."""
        primitive = PrimitiveProto(op_type=kind, instance_name=kind)
        primitive.attribute.extend(sorted(attributes, key=lambda attribute: attribute.name))
        key = primitive.SerializeToString()
        if key not in self.primitives:
            primitive.name = f"{kind}:{len(self.primitives)}"
            self.primitives[key] = primitive
        node.op_type = REFERENCE + self.primitives[key].name
        del node.node_attr[:]
        self.nodes.append(node)


def _integer(name, value):
    return AttributeProto(name=name, type=AttributeProto.INT64, i=value)


def _integers(name, values):
    attribute = AttributeProto(name=name, type=AttributeProto.TUPLE)
    attribute.values.extend(AttributeProto(type=AttributeProto.INT64, ints=[value]) for value in values)
    return attribute


def _scalar(number):
    """The number of a constant as a constant tensor of one float32."""
    value = number.f if number.type == AttributeProto.FLOAT else number.i
    tensor = TensorProto(data_type=TensorProto.FLOAT, name="value0", raw_data=np.float32(value).tobytes())
    attribute = AttributeProto(name="value", type=AttributeProto.TENSORS)
    attribute.tensors.append(tensor)
    return attribute
