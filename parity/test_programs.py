"""The same checkpoint in both programs: evaluated on the same folder, PNG files and metrics; exported, and run."""
import dataclasses
import json
import shutil

import mindspore as ms
import numpy as np
import onnx
import onnxruntime
import pytest

import export
import matting.programs.evaluation
import ms_impl.eval
import ms_impl.registry
import ms_impl.src.utils
import torch_ref.eval
import torch_ref.registry
import torch_ref.utils
from matting.config import RESOLVED_NAME, make_config, read_yaml, save_config
from matting.dataset.data_list import SEPARATOR
from matting.images.reading import read_alpha
from matting.metrics import METRICS
from matting.programs.export import relative_difference
from matting.runtimes.onnx import load_graph, predictor
from ms_impl.src.formulations import suit_export
from parity.compare import assert_equal
from parity.networks import SHORT, network_pair
from tests.pooling import PoolAndUpsample
from tests.tiny_images import LANDSCAPE, PORTRAIT, write_row

LEVELS = 1  # by which a pixel of two mattes may differ: float noise at a rounding border
DIFFERING = 0.002  # share of pixels that may; noise of 3e-6 of the range lies on a border between levels as rarely
DIGITS = 5e-5  # relative difference of metrics
EXPORTED = 1e-5  # difference of the outputs over their maximum


@pytest.fixture(scope="module")
def place(config, tmp_path_factory):
    """A folder with a prepared validation set and a checkpoint, whose mattes hold more than 0 and 1."""
    place = tmp_path_factory.mktemp("programs")
    rows = [write_row(place, "lying", LANDSCAPE), write_row(place, "standing", PORTRAIT)]
    (place / "validation" / "data.txt").write_text("\n".join(SEPARATOR.join(row) for row in rows))
    config = dataclasses.replace(config, img_size=(60, 96), device_target="CPU", **SHORT)
    save_config(config, place)
    pair = network_pair(config.network)
    last = pair.weights["prediction.1.weight"]
    pair.load(pair.weights | {"prediction.1.weight": abs(last) / abs(last).sum() / 3})  # of ReLU6: outputs up to 2
    torch_ref.utils.save_checkpoint(pair.torch, place / "best.pth")
    return place


def evaluate(program, place, logs):
    """{image: matte}, {metric: mean}."""
    program.main(["--device_target", "CPU", "--img_size", "60", "96", "--ckpt_url", str(place / "best.pth"),
                  "--data_dir", str(place), "--logs_dir", str(logs)])
    return ({path.stem: read_alpha(path) for path in sorted(logs.glob("*.png"))},
            json.loads((logs / "metrics.json").read_text())["means"])


@pytest.fixture(scope="module")
def of_mindspore(place, tmp_path_factory):
    return evaluate(ms_impl.eval, place, tmp_path_factory.mktemp("mindspore"))


def assert_same_evaluation(actual, reference):
    """Raise AssertionError naming the first matte, then the first metric, that differs by more than it may."""
    (mattes, means), (true_mattes, true_means) = actual, reference
    assert mattes.keys() == true_mattes.keys() and true_mattes
    for name, matte in true_mattes.items():
        levels = abs(mattes[name].astype(int) - matte)
        count = np.count_nonzero(levels)
        assert levels.max() <= LEVELS and count <= DIFFERING * levels.size, (
            f"{name}.png: {count} of {levels.size} pixels differ, by up to {levels.max()} levels")
    for name in METRICS:
        assert means[name] == pytest.approx(true_means[name], rel=DIGITS), f"{name}: {means[name]}"


def test_both_programs_write_the_same_mattes_and_metrics(place, of_mindspore, tmp_path):
    reference = evaluate(torch_ref.eval, place, tmp_path)
    assert_same_evaluation(of_mindspore, reference)
    assert all(len(np.unique(matte)) > 3 for matte in reference[0].values())  # more than the trimap


def assert_exported_equal(exported, place, sizes, frameworks=(ms_impl, torch_ref), weights="best.pth"):
    """Raise AssertionError naming the framework whose output for place's weights is not the exported graph's."""
    config = make_config(read_yaml(place / RESOLVED_NAME))
    for framework in frameworks:
        network = framework.registry.build(config)
        framework.registry.load_checkpoint(network, place / weights)
        difference = relative_difference(framework.registry.predictor(network), exported, sizes)
        assert difference <= EXPORTED, f"{framework.__name__}: max|d|/max|ref| {difference:.1e} > {EXPORTED:.0e}"


def run_export(place, folder, *flags):
    """Export place's checkpoint into the folder."""
    shutil.copytree(place, folder, dirs_exist_ok=True)
    export.main(["--device_target", "CPU", "--img_size", "60", "96", *flags, "--ckpt_url", str(folder / "best.pth")])


@pytest.mark.parametrize("flags, sizes", [
    ((), [(64, 96)]),
    pytest.param(("--dynamic",), [(64, 96), (96, 32)], marks=pytest.mark.full),
], ids=["fixed", "dynamic"])
def test_an_exported_graph_is_equal_to_the_reference(place, tmp_path, flags, sizes):
    run_export(place, tmp_path, *flags)
    exported = ms_impl.src.utils.predictor(ms_impl.src.utils.load_mindir(tmp_path / "best.mindir"))
    assert_exported_equal(exported, place, sizes, [torch_ref])


@pytest.fixture(scope="module")
def onnx_files(place, tmp_path_factory):
    """{name: ONNX file of place's checkpoint}."""
    folders = {"fixed": tmp_path_factory.mktemp("fixed"), "dynamic": tmp_path_factory.mktemp("dynamic")}
    run_export(place, folders["fixed"], "--file_format", "ONNX")
    run_export(place, folders["dynamic"], "--file_format", "ONNX", "--dynamic")
    return {name: folder / "best.onnx" for name, folder in folders.items()}


@pytest.mark.parametrize("name, sizes", [("fixed", [(64, 96)]), ("dynamic", [(64, 96), (96, 32)])])
def test_an_onnx_file_is_equal_to_both_frameworks(place, onnx_files, pynative, name, sizes):
    assert_exported_equal(load_graph(onnx_files[name]), place, sizes)


def test_an_onnx_file_with_one_percent_more_in_a_weight_is_found(place, onnx_files, tmp_path):
    model = onnx.load(onnx_files["fixed"])
    weight, = (weight for weight in model.graph.initializer if weight.name == "prediction.1.weight")
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1.01), weight.name))
    onnx.save(model, tmp_path / "best.onnx")
    with pytest.raises(AssertionError, match="^torch_ref: "):
        assert_exported_equal(load_graph(tmp_path / "best.onnx"), place, [(64, 96)], [torch_ref])


def test_both_frameworks_read_an_onnx_file_of_half_the_size(place, tmp_path, pynative):
    run_export(place, tmp_path, "--file_format", "ONNX", "--half")
    exported = load_graph(tmp_path / "best.onnx")
    assert_exported_equal(exported, tmp_path, [(64, 96)], weights="best.onnx")
    with pytest.raises(AssertionError, match="^torch_ref: "):  # rounding is found
        assert_exported_equal(exported, tmp_path, [(64, 96)], [torch_ref])


@pytest.mark.parametrize("kind", ["indexed", "max"])
def test_mindspores_own_onnx_exporter_writes_pooling_and_upsampling(config, tmp_path, kind):
    cell = PoolAndUpsample(kind, 8, config.network).set_train(False)
    x = np.random.default_rng(0).standard_normal((1, 8, 16, 24)).astype(np.float32)
    expected = {"output": cell(ms.Tensor(x)).asnumpy()}
    suit_export(cell)
    ms.onnx.export(cell, ms.ops.zeros(x.shape), file_name=str(tmp_path / "pool.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "pool.onnx")
    assert_equal({"output": predictor(session)(x)}, expected, EXPORTED)


@pytest.mark.full
def test_mindspores_own_onnx_exporter_writes_the_network(place, tmp_path):
    network = ms_impl.registry.build(make_config(read_yaml(place / RESOLVED_NAME))).set_train(False)
    ms_impl.src.utils.load_checkpoint(network, place / "best.pth")
    ms.onnx.export(network, ms.ops.zeros((1, 4, 64, 96)), file_name=str(tmp_path / "best.onnx"))
    assert_exported_equal(load_graph(tmp_path / "best.onnx"), place, [(64, 96)])


# --- negative controls: each plants a bug in the reference's program ---


def input_changed(change):
    """A plant: the reference's network gets change(batch)."""
    def plant(monkeypatch):
        load_network = torch_ref.eval.load_network

        def load_changed(config):
            network = load_network(config)
            return dataclasses.replace(network, predict=lambda batch: network.predict(change(batch)))

        monkeypatch.setattr(torch_ref.eval, "load_network", load_changed)
    return plant


def bgr(batch):
    return np.ascontiguousarray(batch[:, [2, 1, 0, 3]])


def trimap_as_a_colour(batch):
    mean, spread = np.float32(0.485), np.float32(0.229)
    return np.concatenate([batch[:, :3], (batch[:, 3:] - mean) / spread], 1)


def truncated(monkeypatch):
    monkeypatch.setattr(matting.programs.evaluation, "to_uint8", lambda alpha: (255 * alpha).astype(np.uint8))


PLANTED = {"BGR": input_changed(bgr), "trimap as a colour": input_changed(trimap_as_a_colour),
           "truncated PNG": truncated}


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_bug_is_found(place, of_mindspore, tmp_path, monkeypatch, planted):
    PLANTED[planted](monkeypatch)
    with pytest.raises(AssertionError, match=r"^lying_0\.png: \d+ of \d+ pixels differ"):
        assert_same_evaluation(of_mindspore, evaluate(torch_ref.eval, place, tmp_path))
