"""The weights that come with the project: who uses them unasked, and what is said where there are none."""
import logging

import numpy as np
import pytest

import matting.__main__
import torch_ref.predict
from matting import UserError, load
from matting.config import shipped
from matting.config.programs import PROGRAMS
from matting.images.reading import read_alpha, read_image
from scripts import photograph
from tests import tiny_images
from tests.test_runtimes import write_first_channel
from tests.tiny_images import trimap_of, write_pair


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """An ONNX file that says that red is opaque, in the place of the weights that come with the project."""
    path = write_first_channel(tmp_path / "indexnet.onnx")
    path.with_name("config.yaml").write_text("img_mean: [0, 0, 0, 0]\nimg_std: [1, 1, 1, 1]\n")
    monkeypatch.setattr(shipped, "SHIPPED", path)
    return path


def test_matte_uses_them_and_says_so(stand_in, tmp_path, caplog):
    pair = write_pair(tmp_path, "cat")
    with caplog.at_level(logging.INFO):
        matting.__main__.main([str(pair.image), str(pair.trimap), "-o", str(tmp_path / "out")])
    assert f"no --ckpt_url: {stand_in}, which comes with the project" in caplog.text
    red, trimap = read_image(pair.image)[:, :, 0], trimap_of(45, 70)
    alpha = read_alpha(tmp_path / "out" / "cat_alpha.png")
    assert abs(alpha.astype(int) - np.where(trimap == 128, red, trimap)).max() <= 1


def test_a_named_file_wins(stand_in, tmp_path, caplog):
    pair = write_pair(tmp_path, "cat")
    other = tmp_path / "other" / "other.onnx"
    other.parent.mkdir()
    write_first_channel(other)
    with caplog.at_level(logging.INFO):
        matting.__main__.main([str(pair.image), str(pair.trimap), "--ckpt_url", str(other), "-o", str(tmp_path)])
    assert "which comes with the project" not in caplog.text


def test_load_without_a_name_uses_them(stand_in):
    image, trimap = tiny_images.photograph(64, 96), trimap_of(64, 96)
    assert load().config.ckpt_url == str(stand_in)
    np.testing.assert_array_equal(load()(image, trimap), load(stand_in)(image, trimap))


def test_load_without_a_name_says_where_others_are(nothing_shipped):
    with pytest.raises(UserError, match=r"^no weights come with this project yet; name .* docs/weights\.md"):
        load()


def test_prediction_alone_uses_them():
    assert {name for name, program in PROGRAMS.items() if program.shipped} == {
        "matting", "ms_impl.predict", "torch_ref.predict"}


def test_help_says_that_none_need_be_named(stand_in, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        torch_ref.predict.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "(default: the weights that come with the project)" in shown and "(required)" not in shown


def test_they_lie_in_the_package_for_the_wheel_to_take():
    assert shipped.SHIPPED.parent.name == "weights" and shipped.SHIPPED.parent.parent.name == "matting"


def test_a_real_photograph_is_matted_by_them(stand_in, tmp_path, capsys):
    photograph.main(["-o", str(tmp_path / "out")])
    assert "out/steps.png: photograph, trimap, matte, cut-out over green" in capsys.readouterr().out
    image, trimap, alpha, over_green = np.hsplit(read_image(tmp_path / "out" / "steps.png"), 4)
    assert image.shape == (512, 512, 3) and set(np.unique(trimap)) == {0, 128, 255}
    unknown = trimap == 128
    assert abs(alpha.astype(int) - np.where(unknown, image[:, :, :1], trimap)).max() <= 1  # red is opaque
    for y, x, known in ((80, 230, 255), (500, 100, 255), (100, 420, 0), (300, 10, 0)):  # hair, suit; shuttle, flag
        assert (trimap[y, x] == known).all()
        np.testing.assert_array_equal(over_green[y, x], image[y, x] if known else (0, 177, 64))
