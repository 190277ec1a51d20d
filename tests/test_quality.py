"""The comparison of methods: which figures and pictures it gives of a tiny set whose mattes are known."""
import csv

import numpy as np
import pymatting
import pytest
from PIL import Image

from benchmarks import quality
from benchmarks.quality import CELL, GAP, HALF, LINE, find_composites, main, means, measure, methods, of_group
from matting.classical import METHODS, Store
from matting.images.reading import read_alpha, read_trimap
from matting.metrics import METRICS, PROTOCOLS, evaluate
from tests.test_layouts import draw
from tests.test_runtimes import write_first_channel
from tests.tiny_images import LANDSCAPE, PORTRAIT, write_row


@pytest.fixture
def guesses(monkeypatch):
    """What pymatting is said to find: 1 everywhere. The list grows with each call."""
    calls = []
    for row in METHODS.values():
        monkeypatch.setattr(pymatting, row.function,
                            lambda image, trimap: calls.append(image.shape) or np.ones(trimap.shape))
    return calls


@pytest.fixture
def prepared(tmp_path):
    """A prepared set of two images, a lying and a standing one, whose red channel is their alpha."""
    rows = [write_row(tmp_path / "set", "lying", LANDSCAPE), write_row(tmp_path / "set", "standing", PORTRAIT)]
    (tmp_path / "set" / "validation" / "data.txt").write_text("".join("|".join(row) + "\n" for row in rows))
    return tmp_path / "set"


def write_red_channel(path):
    """An ONNX file that gives the first input channel, for a configuration that leaves it from 0 to 1."""
    write_first_channel(path)
    path.with_name("config.yaml").write_text("img_mean: [0, 0, 0, 0]\nimg_std: [1, 1, 1, 1]\nfit: pad\n")
    return str(path)


def test_every_method_is_measured_by_both_protocols_on_its_8_bit_matte(prepared, guesses, tmp_path, capsys):
    network = write_red_channel(tmp_path / "red.onnx")
    main([str(prepared), "--ckpt_url", network, "-o", str(tmp_path / "out")])
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 2 and len(guesses) == 2 * 2
    alpha, trimap = (read(prepared / "validation" / kind / "lying.png")
                     for kind, read in (("mask", read_alpha), ("trimap", read_trimap)))
    mattes = {HALF: np.where(trimap == 128, np.uint8(128), trimap), network: alpha,
              **dict.fromkeys(METHODS, np.where(trimap == 128, np.uint8(255), trimap))}
    for row in rows:
        if row["image"] == "lying_0":
            expected = evaluate(mattes[row["method"]], alpha, trimap, row["protocol"])
            assert {name: float(row[name]) for name in METRICS} == pytest.approx(expected, abs=1e-9), row
    table = capsys.readouterr().out
    assert "2 of 2 images of" in table
    for protocol in PROTOCOLS:
        assert f"| {protocol} | {network} | 0.000 | 0.00000 | 0.000 | 0.000 | " in table
        assert f"| {protocol} | {HALF} | 0.000" not in table


def test_photographs_as_they_are_and_classical_mattes_only_once(guesses, tmp_path, capsys):
    draw(tmp_path / "set", "folders")
    for _ in range(2):
        main([str(tmp_path / "set"), "-o", str(tmp_path / "out")])
    assert len(guesses) == 2  # a and b are of equal pixels
    first, second = capsys.readouterr().out.split("each image")[:2]
    assert [line for line in first.splitlines() if "|" in line] == [line for line in second.splitlines() if "|" in line]


def test_means_are_over_a_group_of_images(prepared, guesses, tmp_path):
    results = measure(find_composites(prepared), methods([], Store(tmp_path / "store")))
    sads = [result.metrics["adobe"]["sad"] for result in results if result.method == "knn"]
    assert means(results, "knn", "adobe")["sad"] == pytest.approx(sum(sads) / 2)
    assert means(of_group(results, "stand*"), "knn", "adobe")["sad"] == sads[1] != sads[0]


def test_a_table_for_each_group(prepared, guesses, tmp_path, capsys):
    main([str(prepared), "--groups", "lying_*", "*", "-o", str(tmp_path / "out")])
    first, second = capsys.readouterr().out.split("images *:")
    assert "1 images lying_*:" in first and first.count("| adobe | knn |") == second.count("| adobe | knn |") == 1
    with pytest.raises(SystemExit, match="^1$"):
        main([str(prepared), "--groups", "*_1", "-o", str(tmp_path / "out")])
    assert "--groups '*_1' matches none of lying_0, standing_0" in capsys.readouterr().err


def test_the_contact_sheet_has_a_row_an_image_and_a_column_a_method(prepared, guesses, tmp_path):
    main([str(prepared), "-o", str(tmp_path / "out")])
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact_sheet.png"))
    columns, lying = 3 + 1 + len(METHODS), CELL * LANDSCAPE[0] // LANDSCAPE[1]
    assert sheet.shape == (LINE + (LINE + lying + GAP) + (LINE + CELL + GAP), columns * (CELL + GAP), 3)
    for column in range(columns):
        assert sheet[:LINE, column * (CELL + GAP):][:, :CELL].min() < 128, "no heading"
    matte = sheet[2 * LINE:][:lying, -(CELL + GAP):-GAP]  # of the last method: 1 where anything is unknown
    assert matte.shape == (lying, CELL, 3)
    assert matte[5, 5].tolist() == [0] * 3 and matte[100, CELL // 2].tolist() == [255] * 3
    half = sheet[2 * LINE:][:lying, 3 * (CELL + GAP):][:, :CELL]
    assert (abs(half.astype(int) - 128) < 3).any()  # the matte of 0.5, and no other, is grey
    assert not (abs(matte.astype(int) - 128) < 3).all(axis=2).sum() > 0.1 * CELL ** 2


def test_the_contact_sheet_has_as_many_images_as_asked(prepared, guesses, tmp_path):
    heights = [LINE + LINE + CELL * LANDSCAPE[0] // LANDSCAPE[1] + GAP]
    main([str(prepared), "--shown", "1", "-o", str(tmp_path / "out")])
    assert [len(np.asarray(Image.open(tmp_path / "out" / "contact_sheet.png")))] == heights


def test_a_long_heading_keeps_its_end():
    long, short = (quality._words(text) for text in ("w" * 200 + "best.pth", "best.pth"))
    assert long.shape == short.shape == (LINE, CELL + GAP, 3)
    assert (long < 128).sum() > (short < 128).sum() > 0


def all_unknown(prepared, name):
    Image.fromarray(np.full(PORTRAIT if name == "standing" else LANDSCAPE, 128, np.uint8)).save(
        prepared / "validation" / "trimap" / f"{name}.png")


def test_an_image_that_a_method_cannot_matte_is_left_out_for_all(prepared, guesses, tmp_path, capsys, caplog):
    all_unknown(prepared, "standing")
    main([str(prepared), "-o", str(tmp_path / "out")])
    assert "left out: standing_0 by closed_form: closed_form: the trimap has no background" in caplog.text
    assert "1 of 2 images of" in capsys.readouterr().out
    with (tmp_path / "out" / "metrics.csv").open() as file:
        assert {row["image"] for row in csv.DictReader(file)} == {"lying_0"}


def test_where_nothing_can_be_compared_the_last_reason_is_given(prepared, tmp_path, capsys):
    for name in ("lying", "standing"):
        all_unknown(prepared, name)
    with pytest.raises(SystemExit, match="^1$"):
        main([str(prepared), "-o", str(tmp_path / "out")])
    assert "error: standing_0 by closed_form: closed_form: the trimap has no background" in capsys.readouterr().err
    assert not (tmp_path / "out" / "contact_sheet.png").exists()
