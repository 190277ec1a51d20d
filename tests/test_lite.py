"""MINDIR for MindSpore Lite: only operators that it computes, in the form in which it reads them."""
import dataclasses
import functools
import sys

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn, ops
from mindspore.train.mind_ir_pb2 import AttributeProto, ModelProto

import export
import ms_impl.export
from matting.config import CHOICES, Config, default_values, make_config
from matting.embedded import embedded
from matting.errors import UserError
from ms_impl import lite
from ms_impl.src.dim import CORRECTIONS, Refinement
from ms_impl.src.formulations import RowwiseConvolution, suit_device, suit_export, zero_pad
from ms_impl.src.layers import CONV_OPERATORS, ConvBNReLU, ConvReLU, SeparableConvBNReLU, conv2d
from ms_impl.src.modules import ASPP, DecoderStage, InvertedResidual
from ms_impl.src.resampling import RESAMPLING
from ms_impl.src.utils import save_checkpoint, set_device
from tests.pooling import PoolAndUpsample

IR_3 = "1.1"  # of MINDIR, as MindSpore 2.10 writes it
CHANNELS = 8


@pytest.fixture(scope="module", autouse=True)
def graph_mode():
    set_device(Config(device_target="CPU"))


def model_of(content):
    model = ModelProto()
    model.ParseFromString(content)
    return model


def exported(cell, path, shape):
    """The MINDIR's bytes of a cell in the form in which ms_impl.export exports it."""
    suit_export(cell.set_train(False))
    ms.export(cell, ops.zeros(shape, ms.float32), file_name=str(path / "cell"), file_format="MINDIR")
    return (path / "cell.mindir").read_bytes()


def pooling(resampling, **settings):
    config = dataclasses.replace(Config(), resampling=resampling, **settings)
    return PoolAndUpsample(resampling, CHANNELS, config.network)


class Parts(nn.Cell):
    """Several cells of (B, channels, H, W), exported at once."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.CellList(parts)

    def construct(self, x):
        outputs = ()
        for part in self.parts:
            outputs += (part(x),)
        return outputs


class Decode(nn.Cell):
    """A decoder's stage behind a pooling: (B, channels, H, W) -> the same shape."""

    def __init__(self, resampling, conv_operator):
        super().__init__()
        pool, upsample = RESAMPLING[resampling]
        self.pool = pool(CHANNELS, dataclasses.replace(Config(), resampling=resampling).network)
        self.stage = DecoderStage(CHANNELS, CHANNELS, upsample(), conv_operator, 5)

    def construct(self, x):
        return self.stage(*self.pool(x))


class Correct(nn.Cell):
    """Deep Image Matting's refinement: (B, channels, H, W), of which it takes four -> (B, 1, H, W)."""

    def __init__(self, refine_on):
        super().__init__()
        config = make_config(default_values("dim"))
        self.refinement = Refinement(dataclasses.replace(config, width_mult=0.125).network)
        self.correct = CORRECTIONS[refine_on]()

    def construct(self, x):
        raw = ops.sigmoid(x[:, 3:4])
        return self.correct(x[:, 3:4], raw, self.refinement(x[:, :3], raw))


def index_blocks(kind):
    return [pooling("indexed", index_kind=kind, use_nonlinear=nonlinear, use_context=context)
            for nonlinear in (False, True) for context in (False, True)]


PARTS = {
    **{kind: functools.partial(index_blocks, kind) for kind in CHOICES["index_kind"]},
    "max": lambda: [pooling("max")],
    "bilinear": lambda: [pooling("bilinear")],
    "decoder": lambda: [Decode("indexed", operator) for operator in CONV_OPERATORS],
    "output strides": lambda: [part for stride in ASPP.DILATIONS
                               for part in (InvertedResidual(CHANNELS, CHANNELS, 1, 32 // stride),
                                            InvertedResidual(CHANNELS, CHANNELS, 2, 32 // stride),
                                            ASPP(CHANNELS, CHANNELS, CHANNELS, stride))],
    "Deep Image Matting": lambda: [ConvReLU(CHANNELS, CHANNELS, 7, normalised) for normalised in (False, True)]
                                  + [Correct(correction) for correction in CORRECTIONS],
}


@pytest.mark.parametrize("name", PARTS)
def test_layers_are_computed_by_what_lite_knows(name, tmp_path):
    parts = Parts(PARTS[name]())
    suit_device(parts, "CPU")
    lite.for_lite(exported(parts, tmp_path, (1, CHANNELS, 16, 16)))  # raises where not


class Matting(nn.Cell):
    """(B, 4, H, W) -> (B, 1, H, W), by a layer of every kind."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBNReLU(4, CHANNELS, 3)
        self.pool = pooling("indexed", index_kind="holistic", use_context=False)
        self.dilated = SeparableConvBNReLU(CHANNELS, CHANNELS, 3, dilation=2)
        self.prediction = conv2d(2 * CHANNELS, 1, 3, bias=True)
        suit_device(self, "CPU")

    def construct(self, x):
        x = self.stem(x)
        return self.prediction(ops.concat((x, self.dilated(self.pool(zero_pad(x, 2)[:, :, 2:-2, 2:-2]))), 1))


def padded(x):
    return ops.pad(x, (1, 1, 1, 1))


def averaged(x):
    return ops.avg_pool2d(x, 2, 2)


def interpolated(x):
    return ops.interpolate(x, size=(32, 32), mode="bilinear")


class Foreign(nn.Cell):
    """What Lite refuses, or computes wrongly."""

    def __init__(self, compute):
        super().__init__()
        self.compute = compute

    def construct(self, x):
        return self.compute(x)


@pytest.mark.parametrize(("compute", "operator"), [
    (padded, "Pad"), (averaged, "AvgPool"), (interpolated, "Resize"),
], ids=["pad", "average", "interpolate"])
def test_an_operator_that_lite_does_not_know_is_found(compute, operator, tmp_path):
    content = exported(Foreign(compute), tmp_path, (1, 8, 16, 16))
    with pytest.raises(UserError, match=f"MindSpore Lite does not compute .*{operator}"):
        lite.for_lite(content)


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory):
    """A layer of every kind: as MindSpore writes it, and as Lite reads it."""
    content = exported(Matting(), tmp_path_factory.mktemp("rewritten"), (1, 4, 32, 16))
    return model_of(content), model_of(lite.for_lite(content))


def primitives(model, kind):
    return [{attribute.name: attribute for attribute in primitive.attribute}
            for primitive in model.primitives if primitive.op_type == kind]


def test_a_rewritten_file_is_of_the_version_that_lite_reads(rewritten):
    before, after = rewritten
    assert before.ir_version == IR_3
    assert (after.ir_version, after.mind_ir_version, after.model_version) == ("0.1.1", 1, "2.0.0")


def test_no_operator_keeps_an_input_that_is_an_attribute_for_lite(rewritten):
    before, after = rewritten
    kinds = {"REF::" + primitive.name: primitive.op_type for primitive in after.primitives}
    for node in after.graph.node:
        if node.op_type != "Constant" and lite.OPERATORS[kinds[node.op_type]].inputs is not None:
            assert len(node.input) == lite.OPERATORS[kinds[node.op_type]].inputs, kinds[node.op_type]
    assert not lite.operators(after) & lite.CHAINS.keys() and lite.operators(before) & lite.CHAINS.keys()


def test_attributes_hold_what_were_inputs(rewritten):
    _, after = rewritten
    assert {norm["epsilon"].f for norm in primitives(after, "BatchNorm")} == {np.float32(1e-5)}
    assert {norm["format"].s for norm in primitives(after, "BatchNorm")} == {b"NCHW"}
    assert {join["axis"].i for join in primitives(after, "Concat")} == {0, 1, 2, 3}
    for parts in primitives(after, "Split"):
        assert len(parts["size_splits"].values) == parts["num_split"].i == parts["output_num"].i
    assert all(cut["begin_mask"].type == AttributeProto.INT64 for cut in primitives(after, "StridedSlice"))


def test_operators_come_after_what_they_take(rewritten):
    _, after = rewritten
    known = {entry.name for entry in (*after.graph.input, *after.graph.parameter)}
    for node in after.graph.node:
        assert set(node.input) <= known, node.name
        known |= set(node.output)


@pytest.mark.parametrize("model", CHOICES["model"])
def test_convolutions_row_by_row_are_not_for_lite(model):
    """They end at 544x544 pixels in one thread: `python -m parity.lite "indexnet, large"`."""
    config = dataclasses.replace(make_config(default_values(model)), width_mult=0.25, device_target="CPU")

    def rowwise(for_lite):
        cells = ms_impl.export.exportable(config, for_lite).cells_and_names()
        return [name for name, cell in cells if isinstance(cell, RowwiseConvolution)]

    assert rowwise(False) and not rowwise(True)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Of one convolution, since the networks take longer to compile."""
    monkeypatch.setattr(ms_impl.export, "build", lambda config: conv2d(4, 1, 3))
    monkeypatch.setattr(ms_impl.export, "exportable", lambda config, for_lite: conv2d(4, 1, 3))
    save_checkpoint(conv2d(4, 1, 3), tmp_path / "best.ckpt", Config())
    return tmp_path / "best.ckpt"


def run_export(checkpoint, *flags):
    export.main(["--ckpt_url", str(checkpoint), "--img_size", "64", "32", "--device_target", "CPU", "--runtime", "lite",
                 *flags])


def test_an_export_says_that_lite_did_not_check_it(checkpoint, capsys):
    run_export(checkpoint)
    written = checkpoint.with_name("best.lite.mindir")
    assert f"{written}: {ms_impl.export.UNCHECKED}; difference" in capsys.readouterr().out
    assert model_of(written.read_bytes()).ir_version == lite.IR_VERSION and embedded(written)


@pytest.mark.parametrize(("flags", "message"), [
    (("--dynamic",), "--dynamic: MindSpore Lite 2.0.0 takes one image size only"),
    (("--runtime", "mindspore", "--lite_python", "python3.7"), "--lite_python: checks files for MindSpore Lite"),
    (("--lite_python", "no-such-python"), "no-such-python: No such file or directory; give the interpreter of"),
    (("--lite_python", sys.executable), "does not import mindspore_lite; give the interpreter of"),
])
def test_what_lite_cannot_do_is_one_line(checkpoint, capsys, flags, message):
    with pytest.raises(SystemExit):
        run_export(checkpoint, *flags)
    assert message in capsys.readouterr().err


STAND_IN = """
import numpy as np

class Everything:
    target, cpu, MINDIR = None, property(lambda self: self), None
    def get_inputs(self): return [self]
    def predict(self, inputs): return [self]
    def build_from_file(self, *given): pass
    def set_data_from_numpy(self, batch): self.batch = batch
    def get_data_to_numpy(self): return self.batch[:, :1]

Context = Model = Everything
ModelType = Everything
"""


def test_what_lite_computes_otherwise_is_not_written(checkpoint, tmp_path, monkeypatch, capsys):
    """... as a stand-in for Lite does, which gives its input's first channel."""
    (tmp_path / "mindspore_lite.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SystemExit):
        run_export(checkpoint, "--lite_python", sys.executable)
    assert "best.lite.mindir: not written, since its output would differ" in capsys.readouterr().err
    assert not checkpoint.with_name("best.lite.mindir").exists()
