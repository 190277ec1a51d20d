"""Certificates: a checkpoint in every runtime; a difference that is planted in one is found, and named."""
import contextlib
import dataclasses
import json
import re
from pathlib import Path

import mindspore as ms
import numpy as np
import onnx
import pytest
import torch

import ms_impl.src.dim
import ms_impl.src.model
import torch_ref.dim
import torch_ref.export
import torch_ref.model
import torch_ref.utils
from matting import convert
from matting.config import Config, IndexNetConfig
from matting.errors import UserError
from matting.images.writing import write_png
from matting.weights.files import read_weights, write_weights
from ms_impl.src.resampling import IndexedPool
from parity import runtimes
from parity.certificate import Certificate, Column, Matte, Picture, to_html, to_json
from parity.certify import SIZE, closest_maxima, far_from_ties, main
from parity.compare import Difference, differences, taps
from parity.compiled_taps import Tapped
from parity.networks import SMALL, network_pair
from parity.runtimes import RUNTIMES, Case, reference_taps
from tests import published_files
from tests.tiny_images import photograph, trimap_of

NARROW = Config(model="dim", width_mult=0.0625, refine=False, device_target="CPU")  # compiles in a second
NETWORKS = {"indexnet": (ms_impl.src.model.IndexNet, torch_ref.model.IndexNet),
            "dim": (ms_impl.src.dim.DeepImageMatting, torch_ref.dim.DeepImageMatting)}
PLANTED = "decoder.stages.1"  # the tap where a weight is changed
WEIGHT = f"{PLANTED}.fuse.conv.weight"
MORE = 1.01  # what it is multiplied by
BRIGHTER = 3 / 255  # what is added to an alpha


def write_checkpoint(path, config):
    """Of weights in which no mistake can hide; .pth, or whatever the suffix says."""
    pair = network_pair(config.network, networks=NETWORKS[config.model])
    source = path.with_suffix(".pth")
    torch_ref.utils.save_checkpoint(pair.torch, source, config)
    if source != path:
        convert.main([str(source), str(path)])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a checkpoint, a photograph and its trimap."""
    place = tmp_path_factory.mktemp("certificate")
    write_checkpoint(place / "best.pth", NARROW)
    write_png(place / "photo.png", photograph(*SIZE))
    write_png(place / "trimap.png", trimap_of(*SIZE))
    return place


@pytest.fixture(scope="module")
def opened():
    """A function: (runtime, Case) -> Opened, of the same files each time."""
    found = {}

    def open_once(name, case):
        if name not in found:
            found[name] = RUNTIMES[name](case)
        return found[name]

    return open_once


@pytest.fixture(scope="module")
def rows(opened):
    """RUNTIMES whose rows open once, and compute once what they are asked again."""
    results = {}

    def remembering(name, kind, function):
        def remembered(batch):
            key = name, kind, batch.tobytes()
            if key not in results:
                results[key] = function(batch)
            return results[key]
        return remembered

    def row(name):
        def open_row(case):
            one = opened(name, case)
            return one._replace(**{kind: remembering(name, kind, getattr(one, kind)) for kind in ("taps", "predict")})
        return open_row

    return {name: row(name) for name in RUNTIMES}


def certified(place, output, rows):
    """What the program writes as JSON, and the status that it ends with."""
    status = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtimes, "RUNTIMES", rows)
        try:
            main([*(str(place / name) for name in ("best.pth", "photo.png", "trimap.png")), "-o", str(output)])
        except SystemExit as ended:
            status = ended.code
    return json.loads(output.with_suffix(".json").read_text()), status


def test_every_runtime_is_compared_at_every_tap_and_on_every_photograph(place, rows, tmp_path):
    found, status = certified(place, tmp_path / "best.html", rows)
    assert status == 0 and found["within"] and not found["faults"] and found["remark"] == ""
    assert found["recognised as"] == "a file of this project" and found["file"] == "best.pth"
    assert [runtime["name"] for runtime in found["runtimes"]] == [*RUNTIMES][1:]
    stages = {half: [f"{half}.stages.{stage}" for stage in range(5)] for half in ("encoder", "decoder")}
    names = [*stages["encoder"], "bridge", *stages["decoder"], "prediction", "output"]
    for runtime in found["runtimes"]:
        assert [tap["name"] for tap in runtime["taps"]] == names
        assert all(0 < tap["difference"] < 1e-5 for tap in runtime["taps"]), runtime
        matte, = runtime["mattes"]
        assert matte["photograph"] == "photo.png" and matte["unknown"] == np.count_nonzero(trimap_of(*SIZE) == 128)
    assert [tap["name"] for tap in found["rounding"]] == names


# --- negative controls ---


@contextlib.contextmanager
def in_torch(name, case, opened):
    """The runtime with one weight that is larger."""
    one = opened(name, case)
    values = one.network.get_parameter(WEIGHT).data
    values *= MORE
    yield one
    values /= MORE


@contextlib.contextmanager
def in_mindspore(name, case, opened):
    one = opened(name, case)
    weight, = (weight for weight in one.network.get_parameters() if weight.name.replace(".cell", "") == WEIGHT)
    values = weight.asnumpy().copy()
    weight.set_data(ms.Tensor(values * np.float32(MORE)))
    yield one
    weight.set_data(ms.Tensor(values))


@contextlib.contextmanager
def in_file(name, case, opened):
    path = Path(case.config.ckpt_url).resolve().with_name("changed.pth")
    weights = read_weights(path.with_name("best.pth"))
    write_weights(path, weights | {WEIGHT: weights[WEIGHT] * np.float32(MORE)})
    yield RUNTIMES[name](case._replace(config=dataclasses.replace(case.config, ckpt_url=str(path))))


PLANTS = {"PyTorch": in_torch, "MindSpore PyNative": in_mindspore, "MindSpore graph": in_mindspore,
          "MINDIR": in_mindspore, "ONNX Runtime": in_file}


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_differs_in_one_runtime_is_found_where_it_does(place, rows, opened, tmp_path, capsys, name):
    """A weight in what computes the taps, and the alpha of what mattes the photographs."""
    with contextlib.ExitStack() as stack:
        def planted(case):
            one = stack.enter_context(PLANTS[name](name, case, opened))
            return one._replace(predict=lambda batch: rows[name](case).predict(batch) + np.float32(BRIGHTER))

        found, status = certified(place, tmp_path / "best.html", rows | {name: planted})
    assert status == 1 and not found["within"]
    error, = capsys.readouterr().err.splitlines()
    assert f"best.html: written; above a budget: {[*found['faults']][0]} (" in error
    assert [*found["faults"]] == ([*RUNTIMES][1:] if name == "PyTorch" else [name])
    for in_taps, in_matte in found["faults"].values():
        assert re.match(rf"{PLANTED} differs by \d\.\de-\d\d of its maximum", in_taps)
        assert re.match(r"photo\.png by 3 levels at most, at \d+ of 3072 pixels", in_matte)
    blame = "all others agree with one another, so that the fault is PyTorch's"
    assert found["remark"] == (blame if name == "PyTorch" else "")


def test_what_a_runtime_refuses_is_a_fault(place, rows, tmp_path):
    def refusing(case):
        raise UserError("best.mindir: not written")

    found, status = certified(place, tmp_path / "best.html", {"PyTorch": rows["PyTorch"], "MINDIR": refusing})
    assert status == 1 and found["faults"] == {"MINDIR": ["best.mindir: not written"]}
    assert "best.mindir: not written" in (tmp_path / "best.html").read_text()


# --- parts ---


def test_recorded_taps_are_those_of_hooks(pynative):
    """Line by line, which compiles nothing."""
    pair = network_pair(NARROW.network, networks=NETWORKS["dim"])
    batch = np.random.default_rng(0).standard_normal((1, 4, 32, 64)).astype(np.float32)
    names = [name for name in reference_taps(pair.torch, batch) if name != "output"]
    expected = pair.mindspore_taps(batch)
    output, *kept = Tapped(pair.mindspore, {name: expected[name].shape for name in names})(ms.Tensor(batch))
    np.testing.assert_array_equal(output.asnumpy(), expected["output"])
    for name, value in zip(names, kept, strict=True):
        np.testing.assert_array_equal(value.asnumpy(), expected[name], err_msg=name)


def test_of_several_outputs_the_first_is_recorded(pynative):
    pool = IndexedPool(8, IndexNetConfig())
    batch = ms.Tensor(np.random.default_rng(0).standard_normal((1, 8, 4, 6)).astype(np.float32))
    expected = taps(pool, pool.cells_and_names(), batch)["index[0]"]
    outputs, kept = Tapped(pool, {"index[0]": expected.shape})(batch)
    assert len(outputs) == 3
    np.testing.assert_array_equal(kept.asnumpy(), expected)


def test_a_checkpoint_in_onnx_is_run_itself(tmp_path, monkeypatch):
    """With a weight that is changed in the file alone, whose difference is found; what has no taps is refused."""
    config = dataclasses.replace(NARROW, ckpt_url=str(write_checkpoint(tmp_path / "best.pth", NARROW)))
    network = runtimes.load_reference(config)
    batch = far_from_ties(network, config)
    expected = reference_taps(network, batch)
    path = tmp_path / torch_ref.export.export(config, dynamic=True)[0]
    monkeypatch.setattr(torch_ref.export, "export", None)
    shapes = {name: value.shape for name, value in expected.items() if name != "output"}
    case = Case(dataclasses.replace(config, ckpt_url=str(path)), shapes, batch.shape[2:])

    def found():
        return differences(runtimes.open_onnx(case).taps(batch), expected)

    assert len(found()) == len(expected) and max(tap.relative for tap in found()) < 1e-5
    model = onnx.load(path)
    kernel = next(node.input[1] for node in model.graph.node
                  if node.op_type == "Conv" and node.name.startswith("/decoder/stages.1/"))
    weight, = (weight for weight in model.graph.initializer if weight.name == kernel)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(MORE), kernel))
    onnx.save(model, path)
    assert next(tap.name for tap in found() if tap.relative > 1e-4) == PLANTED
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"no node that is named by encoder\.stages\.0; convert it first"):
        found()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 32
    onnx.save(model, path)
    with pytest.raises(UserError, match="best.onnx: takes one size only; convert it first"):
        found()


def test_pooled_cells_are_as_near_as_their_two_largest_values():
    """By hand: 8 - 6 of 8; equal zeros and what vanishes beside 8 do not count."""
    cells = torch.tensor([[[[8., 6, 0, 0], [1, 2, 0, 0], [1e-6, 1e-6, 4, 1], [0, 0, 0, 1]]]]).numpy()
    assert closest_maxima(torch.nn.MaxPool2d(2, 2), cells) == 0.25


def test_the_input_is_one_that_rounding_tips_no_maximum_of():
    network = network_pair(NARROW.network, networks=NETWORKS["dim"]).torch
    assert closest_maxima(network, far_from_ties(network, NARROW)) > 1e-5


FOUND = Certificate(
    "a<b>.pth", {"SHA-256": "0"}, {"model": "dim"}, "PyTorch",
    [Difference("stem", 1e-7, 1), Difference("out", 2e-7, 1)],
    [Column("MINDIR", [Difference("stem", 2e-6, 1), Difference("out", 3e-6, 1)], [Matte(1, 1, 500)]),
     Column("ONNX Runtime", [Difference("stem", 3e-4, 1), Difference("out", np.inf, 1)], [Matte(1, 2, 500)]),
     Column("Lite", [], [], "refused <it>")],
    [Picture("p.png", *(np.zeros(shape, np.uint8) for shape in ((8, 9, 3), (8, 9), (8, 9))))],
    "Drawn.", {"Python": "3"})


def test_the_page_says_what_is_above_which_budget():
    page = to_html(FOUND)
    assert "Above a budget: ONNX Runtime, Lite" in page and "a&lt;b&gt;.pth" in page and "refused &lt;it&gt;" in page
    assert "ONNX Runtime: stem differs by 3.0e-04 of its maximum; p.png by 1 level at most, at 2 of 500 pixels." in page
    assert "MINDIR: stem" not in page
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import", page)  # nothing but itself
    within = to_html(FOUND._replace(columns=FOUND.columns[:1]))
    assert "Equal in every runtime, within every budget" in within and "Above" not in within


def test_the_json_has_the_same_figures():
    found = json.loads(to_json(FOUND))
    assert found["within"] is False and [*found["faults"]] == ["ONNX Runtime", "Lite"]
    assert found["runtimes"][1]["taps"] == [{"name": "stem", "difference": 3e-4}, {"name": "out", "difference": None}]
    assert found["runtimes"][0]["mattes"] == [{"photograph": "p.png", "levels": 1, "differing": 1, "unknown": 500}]


@pytest.mark.parametrize(("arguments", "message"), [
    ("none.pth", "none.pth: no such file; give a weight file"),
    ("photo.png", "photo.png: is no checkpoint; give the one it was made from, a file of .ckpt, .pth"),
    ("text.pth", "text.pth: is not a PyTorch weight file"),
    ("part.pth", "part.pth"),
    ("best.pth none.png trimap.png", "none.png: no such file"),
    ("best.pth photo.png known.png", "known.png: has no unknown pixel (128), so that nothing would be compared"),
    ("best.pth photo.png small.png", "small.png: is 10x30, but"),
    ("best.pth -o page.txt", "-o page.txt: name a page, PAGE.html"),
    ("best.pth -o photo.png/page.html", "photo.png"),
    ("best.pth --weights_from nobody", "nobody"),
])
def test_what_cannot_be_certified_is_one_line(place, rows, monkeypatch, capsys, arguments, message):
    (place / "text.pth").write_text("no weights")
    write_weights(place / "part.pth", {"encoder.stages.0.conv.weight": np.ones((4, 4, 3, 3), np.float32)})
    write_png(place / "known.png", 0 * trimap_of(*SIZE))
    write_png(place / "small.png", trimap_of(30, 10))
    monkeypatch.setattr(runtimes, "RUNTIMES", rows)
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    line, = capsys.readouterr().err.splitlines()
    assert ended.value.code == 1 and line.startswith("error: ") and message in line


def test_each_photograph_has_its_trimap(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["best.pth", "photo.png"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and "photo.png: has no trimap; give each photograph with its trimap" in line


# --- whole programs, in make parity-full ---


@pytest.mark.full
@pytest.mark.parametrize(("settings", "suffix"), [(Config(**SMALL), ".ckpt"), (Config(**SMALL), ".pth"),
                                                (Config(model="dim", width_mult=0.125), ".ckpt")])
def test_checkpoints_of_both_kinds_are_certified_without_photographs(tmp_path, settings, suffix):
    main([str(write_checkpoint(tmp_path / f"best{suffix}", settings)), "-o", str(tmp_path / "best.html")])
    found = json.loads((tmp_path / "best.json").read_text())
    assert found["runtimes"][0]["mattes"][0]["photograph"] == "drawn"


@pytest.mark.full
@pytest.mark.parametrize("case", ["mmagic-dim-stage3", "mindspore-model-zoo-indexnet", "huo-v1.4-stage1"])
def test_published_files_are_recognised(tmp_path, case):
    file, = published_files.facts()[case]["published"][:1]
    main([str(published_files.write(case, tmp_path / file)), "-o", str(tmp_path / "best.html")])
    assert "by its" in json.loads((tmp_path / "best.json").read_text())["recognised as"]
