"""ONNX files of half the size: what they hold, that they compute the same, which files are read for weights."""
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

import export
from matting import convert, load
from matting.config import make_config, text_for_weights
from matting.embedded import embedded
from matting.errors import UserError
from matting.weights.files import read_weights, write_weights
from matting.weights.published import holds_network
from tests.small_network import NETWORK
from tests.test_runtimes import write_first_channel
from torch_ref.half import rounded
from torch_ref.registry import build
from torch_ref.utils import get_weights

CONFIGS = {"indexnet": NETWORK | {"width_mult": 0.25},
           "dim": {"model": "dim", "width_mult": 0.125, "bridge": "conv3x3"}}
EXPORT = ("--file_format", "ONNX", "--dynamic", "--img_size", "64", "96")
BATCH = np.random.default_rng(0).standard_normal((1, 4, 64, 96)).astype(np.float32)


of_indexnet = pytest.mark.parametrize("checkpoint", ["indexnet"], indirect=True)


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request, tmp_path_factory):
    """A .pth with its configuration inside."""
    torch.manual_seed(0)
    config = make_config({**CONFIGS[request.param], "device_target": "CPU", "img_size": [64, 96]})
    path = tmp_path_factory.mktemp(request.param) / "best.pth"
    write_weights(path, get_weights(build(config)), text_for_weights(config))
    return path


@pytest.fixture(scope="module")
def half(checkpoint):
    export.main([*EXPORT, "--half", "--ckpt_url", str(checkpoint)])
    return checkpoint.with_suffix(".onnx")


def test_it_holds_rounded_kernels_in_two_bytes_a_number_and_all_by_name(checkpoint, half):
    kernels = [tensor for tensor in onnx.load(half).graph.initializer if len(tensor.dims) > 1]
    assert kernels and {len(tensor.raw_data) / np.prod(tensor.dims) for tensor in kernels} == {2}
    weights, read = read_weights(checkpoint), read_weights(half)
    assert read.keys() == weights.keys()
    for name, value in weights.items():
        expected = value.astype(np.float16) if value.ndim > 1 else value
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], expected.astype(np.float32), err_msg=name)
    assert holds_network(half)
    assert embedded(half) == embedded(checkpoint) != ""


def test_it_computes_in_single_precision_what_its_weights_compute(half, tmp_path):
    convert.main([str(half), str(tmp_path / "again.pth")])
    expected, computed = (load(path).predict(BATCH) for path in (tmp_path / "again.pth", half))
    # of unpooling the median pixel: rounding decides between nearly equal maxima
    assert np.median(np.abs(computed - expected)) <= 1e-5 * np.abs(expected).max() > 0


@pytest.fixture(scope="module")
def usual(checkpoint, tmp_path_factory):
    """IndexNet as ONNX without --half."""
    path = tmp_path_factory.mktemp("usual") / "best.pth"
    path.write_bytes(checkpoint.read_bytes())
    export.main([*EXPORT, "--ckpt_url", str(path)])
    return path.with_suffix(".onnx")


@of_indexnet
def test_the_runtime_computes_by_the_same_graph(half, usual, tmp_path):
    """Once opened: no batch norm and no widening is left, and as many convolutions as in the usual export."""
    left = []
    for path in (half, usual):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(tmp_path / "opened.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        nodes = [node.op_type for node in onnx.load(tmp_path / "opened.onnx").graph.node]
        left.append({kind: nodes.count(kind) for kind in ("Conv", "FusedConv", "BatchNormalization", "Cast")})
    assert left[0] == left[1] and left[0]["BatchNormalization"] == 0 and left[0]["FusedConv"] > 9


@of_indexnet
def test_a_graph_whose_kernels_are_not_the_networks_is_refused(usual):
    with pytest.raises(UserError, match=r"best\.onnx: is a graph for running.*--half, which keeps the names"):
        read_weights(usual)


@of_indexnet
def test_a_changed_kernel_is_read_and_damage_is_named(half, tmp_path):
    model = onnx.load(half)
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, tmp_path / "changed.onnx")
    before, after = read_weights(half), read_weights(tmp_path / "changed.onnx")
    assert [name for name in before if (before[name] != after[name]).any()] == [tensor.name]
    (tmp_path / "cut.onnx").write_bytes(half.read_bytes()[:-99999])
    (tmp_path / "text.onnx").write_text("not a graph")
    for name in ("cut.onnx", "text.onnx"):
        with pytest.raises(UserError, match=f"{name}: is not an ONNX file"):
            read_weights(tmp_path / name)
    with pytest.raises(UserError, match="first.onnx: is a graph for running, without weights by their names"):
        read_weights(write_first_channel(tmp_path / "first.onnx"))


@of_indexnet
def test_it_does_not_replace_itself(half, capsys):
    before = half.read_bytes()
    with pytest.raises(SystemExit, match="^1$"):
        export.main([*EXPORT, "--ckpt_url", str(half)])
    assert "best.onnx: would be replaced by its own export" in capsys.readouterr().err
    assert half.read_bytes() == before


def test_what_half_precision_cannot_hold_is_refused():
    weights = {"a": np.full((2, 2), 65504, np.float32), "b": np.full(2, 1e5, np.float32)}
    kept = rounded(weights)
    assert kept["a"].max() == 65504 and kept["b"].max() == np.float32(1e5)
    with pytest.raises(UserError, match="^a: exceeds 65504, the most of half precision; export without --half"):
        rounded({"a": np.full((2, 2), 65600, np.float32)})
