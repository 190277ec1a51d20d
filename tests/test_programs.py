"""The programs from checkpoint to pictures: evaluate, export, predict, as their users call them."""
import shutil
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
import torch

import export
import matting.programs.export
import ms_impl.eval
import ms_impl.export
import ms_impl.predict
import torch_ref.eval
import torch_ref.export
import torch_ref.predict
import torch_ref.utils
from matting import convert, load
from matting.config import Config, save_config, values_of
from matting.dataset.data_list import SEPARATOR
from matting.embedded import embedded
from matting.errors import UserError
from matting.images.reading import read_alpha
from matting.runtimes.onnx import fixed_size, open_session
from matting.runtimes.table import RUNTIMES
from ms_impl import lite
from ms_impl.src import utils
from ms_impl.src.model import IndexNet
from tests.tiny_images import LANDSCAPE, PORTRAIT, photograph, trimap_of, write_pair, write_row
from torch_ref.model import IndexNet as TorchIndexNet

SMALL = {  # compiles in seconds
    "index_kind": "holistic", "use_context": False, "use_nonlinear": False, "apply_aspp": False,
    "decoder_kernel_size": 3, "device_target": "CPU", "img_size": [60, 96],
    "inverted_residual_setting": [[1, 32, 16, 1, 1, 1], [2, 16, 24, 1, 2, 1], [2, 24, 32, 1, 2, 1],
                                  [2, 32, 64, 1, 2, 1], [2, 64, 96, 1, 1, 1], [2, 96, 160, 1, 2, 1],
                                  [2, 160, 320, 1, 1, 1]],
}
CPU = ("--device_target", "CPU")
FRAME = ("--img_size", "60", "96")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a prepared validation set, a photograph, and a checkpoint of each framework."""
    place = tmp_path_factory.mktemp("programs")
    rows = [write_row(place, "lying", LANDSCAPE), write_row(place, "standing", PORTRAIT)]
    (place / "validation" / "data.txt").write_text("\n".join(SEPARATOR.join(row) for row in rows))
    write_pair(place, "cat", (77, 50))
    config = Config(**SMALL)
    ms.set_seed(5)  # with which mattes are not black and white
    torch.manual_seed(5)
    for folder in ("ms", "torch"):
        (place / folder).mkdir()
        save_config(config, place / folder)
    utils.save_checkpoint(IndexNet(config.network), place / "ms" / "best.ckpt", config)
    torch_ref.utils.save_checkpoint(TorchIndexNet(config.network), place / "torch" / "best.pth", config)
    return place


@pytest.fixture(scope="module")
def mindir(place):
    """The MINDIR that the documented command writes beside the checkpoint."""
    export.main([*CPU, *FRAME, "--ckpt_url", str(place / "ms" / "best.ckpt")])
    return place / "ms" / "best.mindir"


def evaluate(program, place, checkpoint, logs, *flags):
    program.main([*CPU, *(flags or FRAME), "--ckpt_url", str(checkpoint), "--data_dir", str(place),
                  "--logs_dir", str(logs)])
    return {path.stem: read_alpha(path) for path in logs.glob("*.png")}


def predict(program, place, checkpoint, folder):
    program.main([*CPU, "--ckpt_url", str(checkpoint), str(place / "images" / "cat.png"),
                  str(place / "trimaps" / "cat.png"), "-o", str(folder)])
    assert sorted(path.name for path in folder.iterdir()) == [
        "cat_alpha.png", "cat_composite.png", "cat_cutout.png"]
    return read_alpha(folder / "cat_alpha.png")


def test_export_matches_checkpoint(place, mindir, tmp_path):
    assert utils.fixed_size(mindir) == (64, 96)  # img_size, rounded up
    assert mindir.stat().st_mode & 0o777 == 0o644
    of_checkpoint = evaluate(ms_impl.eval, place, place / "ms" / "best.ckpt", tmp_path / "a")
    of_mindir = evaluate(ms_impl.eval, place, mindir, tmp_path / "b")
    assert of_checkpoint.keys() == {"lying_0", "standing_0"}
    for name, alpha in of_checkpoint.items():
        np.testing.assert_array_equal(of_mindir[name], alpha)
    assert len(np.unique(of_checkpoint["lying_0"])) > 3  # more than the trimap


def test_an_export_is_computed_by_what_lite_knows(mindir):
    lite.for_lite(mindir.read_bytes())  # raises where not


def test_evaluation_says_which_size_an_export_takes(place, mindir, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate(ms_impl.eval, place, mindir, tmp_path, "--img_size", "96", "96")
    message = "best.mindir: takes inputs of 96x64 only, not 96x96; pass --img_size 64 96"
    assert message in capsys.readouterr().err


def test_an_export_of_fixed_size_mattes_photographs_of_any(place, mindir, tmp_path):
    assert predict(ms_impl.predict, place, mindir, tmp_path).shape == (77, 50)


def test_a_dynamic_export_mattes_as_the_checkpoint_does(place, tmp_path):
    expected = predict(ms_impl.predict, place, place / "ms" / "best.ckpt", tmp_path / "a")
    checkpoint = shutil.copytree(place / "ms", tmp_path / "ms") / "best.ckpt"
    export.main([*CPU, *FRAME, "--dynamic", "--ckpt_url", str(checkpoint)])
    dynamic = checkpoint.with_suffix(".mindir")
    assert utils.fixed_size(dynamic) is None
    np.testing.assert_array_equal(predict(ms_impl.predict, place, dynamic, tmp_path / "b"), expected)


@pytest.mark.parametrize("difference", [2e-5, np.nan])
def test_an_export_that_differs_is_not_written(place, monkeypatch, capsys, difference):
    monkeypatch.setattr(ms_impl.export.ms, "export", lambda *_, file_name, **__: Path(file_name).touch())
    monkeypatch.setattr(ms_impl.export, "load_mindir", lambda path: IndexNet)
    monkeypatch.setattr(ms_impl.export, "predictor", lambda network: network)
    monkeypatch.setattr(torch_ref.export.torch.onnx, "export", lambda network, example, path, **_: path.touch())
    monkeypatch.setattr(torch_ref.export, "load_graph", lambda path: IndexNet)
    monkeypatch.setattr(matting.programs.export, "relative_difference", lambda *_: difference)
    before = sorted((place / "ms").iterdir())
    for file_format in export.PROGRAMS:
        with pytest.raises(SystemExit) as ended:
            export.main(["--file_format", file_format, *CPU, "--ckpt_url", str(place / "ms" / "best.ckpt")])
        assert ended.value.code == 1
        assert "would differ from the checkpoint's by" in capsys.readouterr().err
        assert sorted((place / "ms").iterdir()) == before


def one_pixel_more(batch):
    changed = batch.copy()
    changed[0, 0, 0, 0] += 1
    return changed


def test_differences_are_relative_to_the_maximum():
    sizes = (32, 32), (64, 32)
    double = matting.programs.export.relative_difference(lambda batch: batch, lambda batch: 1.5 * batch, sizes)
    assert double == pytest.approx(0.5)
    assert matting.programs.export.relative_difference(np.copy, np.copy, sizes) == 0
    assert matting.programs.export.relative_difference(np.zeros_like, np.zeros_like, sizes) == 0
    assert matting.programs.export.relative_difference(np.zeros_like, np.copy, sizes) > 1
    assert matting.programs.export.relative_difference(np.copy, one_pixel_more, sizes) > 0.1
    assert matting.programs.export.relative_difference(np.copy, one_pixel_more, sizes, np.median) == 0
    for not_finite in ((32, 32), (64, 32)):
        broken = matting.programs.export.relative_difference(
            np.copy, lambda batch, size=not_finite: batch * np.nan if batch.shape[2:] == size else batch, sizes)
        assert np.isnan(broken)


def test_a_graph_lies_beside_its_checkpoint():
    names = {"logs/best.ckpt": "logs/best.onnx", "official.pth.tar": "official.onnx", "a.b.pth": "a.b.onnx"}
    for checkpoint, expected in names.items():
        assert str(matting.programs.export.graph_path(checkpoint, ".onnx")) == expected


@pytest.fixture(scope="module")
def onnx_file(place):
    """The ONNX file that the documented command writes beside the checkpoint, here one of MindSpore's."""
    export.main(["--file_format", "ONNX", *CPU, *FRAME, "--ckpt_url", str(place / "ms" / "best.ckpt")])
    return place / "ms" / "best.onnx"


def test_an_onnx_file_evaluates_as_its_checkpoint_does(place, onnx_file, tmp_path):
    assert fixed_size(open_session(onnx_file)) == (64, 96)
    of_checkpoint = evaluate(torch_ref.eval, place, place / "ms" / "best.ckpt", tmp_path / "a")
    of_onnx = evaluate(torch_ref.eval, place, onnx_file, tmp_path / "b")
    assert of_checkpoint.keys() == of_onnx.keys() == {"lying_0", "standing_0"}
    for name, alpha in of_checkpoint.items():
        assert np.abs(of_onnx[name].astype(int) - alpha).max() <= 1  # float noise where rounding decides
    assert len(np.unique(of_checkpoint["lying_0"])) > 3


def test_an_onnx_file_of_fixed_size_mattes_photographs_of_any_but_evaluates_one(place, onnx_file, tmp_path, capsys):
    assert predict(torch_ref.predict, place, onnx_file, tmp_path / "a").shape == (77, 50)
    with pytest.raises(SystemExit):
        evaluate(torch_ref.eval, place, onnx_file, tmp_path / "b", "--img_size", "96", "96")
    assert "best.onnx: takes inputs of 96x64 only, not 96x96" in capsys.readouterr().err


@pytest.fixture(scope="module")
def files(place, mindir, onnx_file, tmp_path_factory):
    """{kind: weight file}, each alone in a folder, all of them with the weights of the MindSpore checkpoint."""
    files = {kind: tmp_path_factory.mktemp("alone") / f"best{kind}" for kind in RUNTIMES}
    for source in (place / "ms" / "best.ckpt", mindir, onnx_file):
        shutil.copy(source, files[source.suffix])
    for kind in (".npz", ".pth", ".pt"):
        convert.main([str(files[".ckpt"]), str(files[kind])])
    shutil.copy(files[".pth"], files[".pth.tar"])
    return files


@pytest.fixture(scope="module")
def of_checkpoint(files):
    """Random network input, and what the MindSpore checkpoint makes of it."""
    batch = np.random.default_rng(0).standard_normal((1, 4, 64, 96)).astype(np.float32)
    return batch, load(files[".ckpt"], device="CPU").predict(batch)


@pytest.mark.parametrize("kind", RUNTIMES)
def test_one_file_is_enough_from_python(files, of_checkpoint, kind):
    """Network, configuration, fixed size and runtime are found from it; its output is the checkpoint's."""
    image, trimap = photograph(64, 96), trimap_of(64, 96)
    batch, output = of_checkpoint
    network = load(files[kind], device="CPU")
    expected = Config(**SMALL)
    assert (network.config.network, network.config.img_mean) == (expected.network, expected.img_mean)
    assert network.size == ((64, 96) if kind in (".mindir", ".onnx") else None)
    alpha = network(image, trimap)
    assert alpha.shape == (64, 96) and alpha.dtype == np.float32 and 0 <= alpha.min() <= alpha.max() <= 1
    np.testing.assert_array_equal(alpha[trimap != 128], (trimap == 255)[trimap != 128])
    assert len(np.unique(alpha)) > 3
    assert np.abs(network.predict(batch) - output).max() <= 1e-5 * np.abs(output).max()


@pytest.mark.parametrize("kind", RUNTIMES)
def test_no_weight_file_tells_whose_machine_it_comes_from(files, kind):
    text = embedded(files[kind])
    assert values_of(text, kind)["index_kind"] == "holistic"
    assert "device_target" not in text and "ckpt_url" not in text and str(files[".ckpt"].parent) not in text


def test_a_checkpoint_may_be_read_by_others(files):
    assert files[".ckpt"].stat().st_mode & 0o777 == 0o644


def test_a_damaged_onnx_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "best.onnx"
    with pytest.raises(UserError, match=r"best\.onnx: no such file"):
        open_session(path)
    path.write_bytes(b"not a graph")
    with pytest.raises(UserError, match=r"best\.onnx: is not an ONNX file") as error:
        open_session(path)
    assert "\n" not in str(error.value)


def test_the_reference_evaluates_and_predicts(place, tmp_path):
    checkpoint = place / "torch" / "best.pth"
    assert evaluate(torch_ref.eval, place, checkpoint, tmp_path / "a").keys() == {"lying_0", "standing_0"}
    assert predict(torch_ref.predict, place, checkpoint, tmp_path / "b").shape == (77, 50)


PROGRAMS = [ms_impl.eval, ms_impl.export, ms_impl.predict, torch_ref.eval, torch_ref.export, torch_ref.predict]


def pair_for(program, place):
    """What a program takes beside flags."""
    return [str(place / kind / "cat.png") for kind in ("images", "trimaps")] if "predict" in program.__name__ else []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_checkpoint_is_asked_for(place, program, tmp_path, capsys, nothing_shipped):
    for flags, message in (([], "--ckpt_url is missing"),
                           (["--ckpt_url", str(tmp_path / "none.ckpt")], "none.ckpt: no such file")):
        with pytest.raises(SystemExit):
            program.main([*CPU, "--data_dir", str(place), *flags, *pair_for(program, place)])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bad_checkpoint_is_named_in_one_line(place, program, tmp_path, capsys):
    folder = place / ("ms" if program.__name__.startswith("ms") else "torch")
    best, = folder.glob("best.[cp]*")
    shutil.copy(folder / "config.yaml", tmp_path)
    damaged = tmp_path / best.name
    damaged.write_bytes(best.read_bytes()[:-9999])
    another = ["--apply_aspp", "True"]
    for checkpoint, flags, message in ((damaged, [], "is not a "), (best, another, "holds the weights of another")):
        with pytest.raises(SystemExit, match="^1$"):
            program.main([*CPU, *FRAME, "--data_dir", str(place), "--logs_dir", str(tmp_path / "logs"),
                          "--ckpt_url", str(checkpoint), *flags, *pair_for(program, place)])
        line, = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {checkpoint}: {message}")
