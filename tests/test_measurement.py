"""python -m matting.evaluate: mattes in files against true ones, paired by name."""
import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks import baseline_metrics
from benchmarks.metrics import make_mattes
from matting import metrics
from matting.dataset.matte_files import find_matte_files
from matting.errors import UserError
from matting.evaluate import main
from matting.images.fast_decoders import decode_fast_grey
from matting.images.reading import read_matte
from matting.images.writing import write_png
from matting.programs.measurement import measure
from tests.damage import shrink, truncate
from tests.test_metrics import GOLDEN, RELATIVE, protocols

SIZE = (60, 90)
ROLES = ("predicted", "true", "trimap")
NAMES = ("cat_0", "cat_1", "dog")  # of predictions; the cat's true matte and trimap are of both


def levels(matte, most=255, kind=np.uint8):
    return np.rint(most * matte).astype(kind)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """predicted/NAME_alpha.png, true/NAME.png, trimap/NAME.png."""
    root = tmp_path_factory.mktemp("mattes")
    for role in ROLES:
        (root / role).mkdir()
    for seed, name in enumerate(NAMES):
        prediction, alpha, trimap = make_mattes(np.random.default_rng(seed // 2), SIZE)
        write_png(root / "predicted" / f"{name}_alpha.png", levels(np.clip(prediction + 0.1 * seed, 0, 1)))
        write_png(root / "predicted" / f"{name}_cutout.png", np.zeros((*SIZE, 4), np.uint8))
        write_png(root / "true" / f"{name.partition('_')[0]}.png", levels(alpha))
        write_png(root / "trimap" / f"{name.partition('_')[0]}.png", trimap)
    return root


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "set")


def folders(root):
    return [str(root / role) for role in ROLES]


def rows(folder):
    with (Path(folder) / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def expected(root, name, protocol):
    true = name.partition("_")[0]
    mattes = (np.array(Image.open(path)) / np.float32(255) for path in (root / "predicted" / f"{name}_alpha.png",
                                                                      root / "true" / f"{true}.png"))
    return baseline_metrics.evaluate(*mattes, np.array(Image.open(root / "trimap" / f"{true}.png")), protocol)


# --- what is measured ---------------------------------------------------------

def test_folders_are_measured_as_the_transcription_measures_each(root, capsys):
    main([*folders(root), "--protocol", "release", "-o", str(root / "out"), "--num_workers", "2"])
    measured = rows(root / "out")
    assert [row["name"] for row in measured] == list(NAMES)
    for row in measured:
        values = expected(root, row["name"], "release")
        assert {name: float(row[name]) for name in row if name != "name"} == pytest.approx({
            "SAD (thousands)": values["sad"], "MSE": values["mse"], "MSE (x 1000)": 1000 * values["mse"],
            "Grad (thousands)": values["grad"] / 100, "Conn (thousands)": values["conn"],
            "Grad (tens)": values["grad"]}, rel=1e-6)
    report = json.loads((root / "out" / "metrics.json").read_text())
    means = {name: np.mean([float(row[name]) for row in measured]) for name in measured[0] if name != "name"}
    assert report["means"] == pytest.approx(means) and report["protocol"] == "release"
    worst = max(measured, key=lambda row: float(row["SAD (thousands)"]))["name"]
    assert report["worst"][0] == worst and report["region"] == "unknown pixels of the trimap"
    printed = capsys.readouterr().out
    assert "release protocol, unknown pixels of the trimap" in printed and f"worst: {worst} (SAD" in printed


def test_without_a_trimap_the_whole_image_counts(root, capsys):
    """SAD by hand: 0.5 written as 128 against 0 in 60 x 90 pixels."""
    write_png(root / "a.png", np.full(SIZE, 128, np.uint8))
    write_png(root / "b.png", np.zeros(SIZE, np.uint8))
    main([str(root / "a.png"), str(root / "b.png"), "--protocol", "adobe", "-o", str(root / "out")])
    row, = rows(root / "out")
    assert float(row["SAD (thousands)"]) == pytest.approx(5400 * 128 / 255 / 1000)
    assert float(row["MSE (x 1000)"]) == pytest.approx(1000 * (128 / 255) ** 2) and "Grad (tens)" not in row
    assert "whole image" in capsys.readouterr().out


def test_16_bit_mattes_are_measured_as_fine_as_they_are(root):
    fine = np.full(SIZE, 1000, np.uint16)
    Image.fromarray(fine).save(root / "a.png")
    write_png(root / "b.png", np.zeros(SIZE, np.uint8))
    assert read_matte(root / "a.png").max() == np.float32(1000 / 65535)
    main([str(root / "a.png"), str(root / "b.png"), "-o", str(root / "out")])
    assert float(rows(root / "out")[0]["SAD (thousands)"]) == pytest.approx(5400 * 1000 / 65535 / 1000)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@protocols
def test_whole_numbers_are_mattes_in_python_too(kind, protocol):
    prediction, alpha, trimap = make_mattes(np.random.default_rng(0), SIZE)
    most = np.iinfo(kind).max
    values = metrics.evaluate(levels(prediction, most, kind), levels(alpha, most, kind), trimap, protocol)
    assert values == pytest.approx(metrics.evaluate(prediction, alpha, trimap, protocol), rel=1e-5)
    everywhere = metrics.evaluate(prediction, alpha, np.full(SIZE, 128, np.uint8), protocol)
    assert metrics.evaluate(prediction, alpha, None, protocol) == everywhere


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="shared/data/metric-golden is not beside this checkout")
@protocols
def test_golden_set_is_reproduced_from_its_files(tmp_path, protocol):
    with (GOLDEN / "values.csv").open() as file:
        printed = {row["case"]: row for row in csv.DictReader(file)}
    for role, kind in zip(ROLES, ("pred", "alpha", "trimap"), strict=True):
        (tmp_path / role).mkdir()
        for case in printed:
            (tmp_path / role / f"{case}_{kind}.png").symlink_to(GOLDEN / f"{case}_{kind}.png")
    per_thousand = {"release": 100, "adobe": 1}[protocol]
    for result in measure(find_matte_files(*folders(tmp_path)), protocol, 1):
        values = {name: float(printed[result["name"]][f"{protocol}_{name}"]) for name in metrics.METRICS}
        found = (result["SAD (thousands)"], result["MSE"], per_thousand * result["Grad (thousands)"],
                 result["Conn (thousands)"])
        assert found == pytest.approx(tuple(values.values()), rel=RELATIVE[protocol]), result["name"]
        assert found != pytest.approx(tuple(1.00002 * value for value in values.values()), rel=RELATIVE[protocol])


# --- which files belong together ----------------------------------------------

def test_each_composite_has_its_own_trimap_where_there_is_one(root):
    shutil.copy(root / "trimap" / "cat.png", root / "trimap" / "cat_0.png")
    found = {files.name: files.trimap.name for files in find_matte_files(*folders(root))}
    assert found == {"cat_0": "cat_0.png", "cat_1": "cat.png", "dog": "dog.png"}


def fill(value):
    return lambda path: write_png(path, np.full(SIZE, value, np.uint8))


def colour(path):
    write_png(path, np.dstack([np.full(SIZE, value, np.uint8) for value in (1, 2, 3)]))


def twin(path):
    shutil.copy(path, path.with_name("cat.webp"))


def file_instead(path):
    shutil.rmtree(path)
    path.touch()


FAULTS = {  # what is wrong: (file, what is done to it, the line)
    "no true matte": ("true/dog.png", Path.unlink, "true: has no dog, which .*predicted has; add what is missing"),
    "no trimap": ("trimap/cat.png", Path.unlink, "trimap: has no cat_0, cat_1, which .*predicted has; add"),
    "no prediction": ("predicted/dog_alpha.png", Path.unlink, "predicted: has no dog, which .*true has; add"),
    "two of one name": ("true/cat.png", twin, "cat.webp: has the same name as .*cat.png; keep one of them"),
    "another size": ("predicted/dog_alpha.png", shrink, "dog_alpha.png: is 40x36, but .*true/dog.png is 90x60"),
    "a trimap of another size": ("trimap/dog.png", shrink, "trimap/dog.png: is 40x36, but .*true/dog.png is 90x60"),
    "damaged": ("predicted/cat_1_alpha.png", truncate, "cat_1_alpha.png: cannot be read as an image"),
    "no image": ("true/cat.png", lambda path: path.write_text("no image"), "cat.png: cannot be read as an image"),
    "in colour": ("predicted/cat_0_alpha.png", colour, "cat_0_alpha.png: is a colour image; a matte or trimap has one"),
    "no trimap's values": ("trimap/cat.png", fill(127), "trimap/cat.png: has the values 127; a trimap holds 0"),
    "nothing unknown": ("trimap/cat.png", fill(255), r"trimap/cat.png: has no unknown pixel \(128\)"),
    "no folder": ("true", shutil.rmtree, "true: no such file or folder"),
    "a file for a folder": ("true", file_instead,
                            "predicted is a folder, but .*true is not; give files only or folders only"),
    "an empty folder": ("trimap", lambda path: [file.unlink() for file in path.iterdir()], "trimap: holds no .jpg"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line_and_nothing_is_written(root, fault):
    file, damage, line = FAULTS[fault]
    damage(root / file)
    with pytest.raises(UserError, match=line) as caught:
        measure(find_matte_files(*folders(root)), "adobe", 2)
    assert "\n" not in str(caught.value)


def test_a_fault_ends_the_program_with_that_line(root, capsys):
    (root / "true" / "dog.png").unlink()
    with pytest.raises(SystemExit, match="^1$"):
        main([*folders(root), "-o", str(root / "out")])
    assert "true: has no dog" in capsys.readouterr().err and not (root / "out").exists()


@pytest.mark.parametrize(("arguments", "line"), [
    ((np.zeros((2, 3)), np.zeros((2, 4)), None, "adobe"), "must be of one size"),
    ((np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 2)), "adobe"), "must be of one size"),
    ((np.zeros((2, 3)), np.zeros((2, 3)), None, "matlab"), "protocol 'matlab' is not one of release, adobe"),
])
def test_arrays_that_do_not_fit_are_named(arguments, line):
    with pytest.raises(UserError, match=line):
        metrics.evaluate(*arguments)


# --- grey files, quickly --------------------------------------------------------

@pytest.mark.parametrize("options", [None, [16, 6], [16, 0]], ids=["as OpenCV writes", "level 6", "level 0"])
def test_grey_png_has_pillows_pixels(tmp_path, options):
    """Rows of differences to the left, which are added up here, rows of all filters, and plain rows."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8)
    pixels[10:30] = np.arange(70)
    cv2.imwrite(str(tmp_path / "a.png"), pixels, options or [])
    np.testing.assert_array_equal(decode_fast_grey(tmp_path / "a.png"), pixels)
    content = (tmp_path / "a.png").read_bytes()
    for place in range(8, len(content), 97):  # a bit flipped: refused
        damaged = bytearray(content)
        damaged[place] ^= 4
        (tmp_path / "b.png").write_bytes(damaged)
        assert decode_fast_grey(tmp_path / "b.png") is None
    Image.fromarray(np.dstack([pixels] * 3)).save(tmp_path / "c.png")
    assert decode_fast_grey(tmp_path / "c.png") is None
