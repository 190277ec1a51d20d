"""What the page does for a visitor, without the page: equal to the command line, one line for what goes wrong."""
import base64
import re
import socket
import sys

import numpy as np
import pytest
from PIL import Image

import matting.__main__
from matting import load
from matting.config import shipped
from matting.errors import UserError
from matting.images.reading import read_alpha, read_image
from matting.images.writing import write_png
from matting.trimap.band import Band, trimap_from_mask
from matting.web import __main__ as program
from matting.web import session as sessions
from matting.web.methods import Methods
from matting.web.session import Marks, Session, Wish
from tests.given_files import SIZE, disc, write_mask, write_strokes
from tests.test_runtimes import write_first_channel

WISH = Wish("#ffffff", "model.onnx")


def write_photo(path):
    """An orange disc on green, redder to the right, so that weights that look at red give soft mattes."""
    red = np.tile(np.linspace(110, 195, SIZE[1]), (SIZE[0], 1))
    green = np.where(disc() > 0, 40, 190) + np.random.default_rng(0).integers(0, 12, SIZE)
    write_png(path, np.uint8(np.dstack([red, green, np.full(SIZE, 60)])))


@pytest.fixture
def files(tmp_path):
    """A folder with a photograph, a mask, strokes, and weights that say that red is opaque."""
    for name, write in (("photo.png", write_photo), ("mask.png", write_mask), ("strokes.png", write_strokes),
                        ("model.onnx", write_first_channel)):
        write(tmp_path / name)
    return tmp_path


@pytest.fixture
def session(files, nothing_shipped):
    root = files / "root"
    root.mkdir()
    return Session(root, Methods([files / "model.onnx"]))


def layer(path):
    """A file of strokes as the browser sends it."""
    return {"layer": sessions.LAYER + base64.b64encode(path.read_bytes()).decode(), "box": None}


def result(session, name):
    return next(session.folder.glob(f"results*/{name}"))


def by_command_line(files, *flags):
    """The folder of what matte writes of the same."""
    matting.__main__.main([str(word) for word in (files / "photo.png", *flags, "--ckpt_url", files / "model.onnx",
                                                  "-o", files / "out")])
    return files / "out"


def assert_same_results(session, folder):
    for kind in ("alpha", "cutout", "composite"):
        assert result(session, f"photo_{kind}.png").read_bytes() == (folder / f"photo_{kind}.png").read_bytes(), kind


def test_strokes_give_the_files_of_the_command_line(session, files):
    session.open_photo(files / "photo.png")
    shown, lines = session.matte(Marks.parse(layer(files / "strokes.png")), WISH)
    assert_same_results(session, by_command_line(files, "--strokes", files / "strokes.png"))
    assert len(np.unique(read_alpha(result(session, "photo_alpha.png")))) > 20 and not lines
    assert [view["name"] for view in shown["views"]] == ["Photo", "Trimap", "Matte", "Cut-out", "Composite"]
    assert (shown["height"], shown["width"]) == SIZE


def test_other_strokes_give_other_files(session, files):
    """The control of the comparison above."""
    session.open_photo(files / "photo.png")
    session.matte(Marks.parse({"layer": None, "box": [20, 8, 56, 56]}), WISH._replace(band="12"))
    folder = by_command_line(files, "--strokes", files / "strokes.png")
    with pytest.raises(AssertionError):
        assert_same_results(session, folder)


@pytest.mark.parametrize(("marks", "uploads", "flags"), [
    ({"layer": None, "box": [20, 8, 56, 56]}, [], ["--box", "20,8,56,56"]),
    (None, ["guide"], ["--mask", "mask.png"]),
], ids=["box", "mask"])
def test_a_box_and_a_mask_give_the_files_of_the_command_line(session, files, marks, uploads, flags):
    session.open_photo(files / "photo.png")
    for role in uploads:
        session.take(role, files / "mask.png")
    session.matte(Marks.parse(marks), WISH._replace(band="5", colour="#00b140"))
    given = [files / word if (files / word).exists() else word for word in flags]
    assert_same_results(session, by_command_line(files, *given, "--band", "5", "--background", "#00b140"))


def test_strokes_correct_a_mask(session, files):
    session.open_photo(files / "photo.png")
    session.take("guide", files / "mask.png")
    unknown = np.zeros((*SIZE, 4), np.uint8)
    unknown[:6, :6] = 0, 0, 255, 255
    write_png(files / "corner.png", unknown)
    marks = Marks.parse({**layer(files / "corner.png"), "box": [1, 1, 9, 9]})
    _, lines = session.trimap(marks, WISH._replace(band="4"))
    expected = trimap_from_mask(disc(), SIZE, Band(4, False))
    assert (expected[:6, :6] == 0).all()
    expected[:6, :6] = 128
    np.testing.assert_array_equal(np.array(Image.open(result(session, "photo_trimap.png"))), expected)
    assert lines == ["the box is not used beside a mask"]


def test_another_background_does_not_ask_the_network_again(session, files):
    asked = []
    original = session.methods.alpha
    session.methods.alpha = lambda *arguments: asked.append(1) or original(*arguments)
    session.open_photo(files / "photo.png")
    marks = Marks.parse(layer(files / "strokes.png"))
    session.matte(marks, WISH)
    session.matte(marks, WISH._replace(colour="#000000"))
    assert len(asked) == 1
    assert np.array(Image.open(result(session, "photo_composite.png")))[0, 0].tolist() == [0, 0, 0]
    session.matte(marks, WISH._replace(band="9"))
    session.open_photo(files / "photo.png")
    session.matte(marks, WISH._replace(band="9"))
    assert len(asked) == 3


def test_what_is_no_photograph_is_one_line_without_folders(session, files):
    (files / "text.jpg").write_text("not a photograph")
    with pytest.raises(UserError) as caught:
        session.open_photo(files / "text.jpg")
    line = session.explain(caught.value)
    assert line.startswith("text.jpg: cannot be read as an image (") and str(files) not in line and "\n" not in line
    assert not session.uploads


def test_a_huge_file_is_refused_unopened(session, files, monkeypatch):
    monkeypatch.setattr(sessions, "LARGEST_FILE", 2**10)
    monkeypatch.setattr(sessions, "read_header", None)  # never called
    with pytest.raises(UserError, match="photo.png: has .* KiB; this page takes 1 KiB at most, the command line more"):
        session.open_photo(files / "photo.png")


def test_a_huge_photograph_is_refused_by_its_header(session, files, monkeypatch):
    monkeypatch.setattr(sessions, "LARGEST", SIZE[0] * SIZE[1] - 1)
    monkeypatch.setattr(sessions, "read_photo", None)  # never called
    with pytest.raises(UserError, match="photo.png: has 96x72 pixels; this page takes"):
        session.open_photo(files / "photo.png")


@pytest.mark.parametrize(("marks", "message"), [
    ({"layer": "file:///etc/passwd"}, "reload"), ({"layer": sessions.LAYER + "?"}, "reload"), ([1], "reload"),
    ({"box": [1, 2]}, "reload"), ({"box": "abcd"}, "reload")])
def test_marks_that_the_page_does_not_draw_are_refused(marks, message):
    with pytest.raises(UserError, match=message):
        Marks.parse(marks)


def test_what_is_missing_is_said(session, files):
    with pytest.raises(UserError, match="no photograph yet; open one first"):
        session.matte(Marks(), WISH)
    session.open_photo(files / "photo.png")
    with pytest.raises(UserError, match="paint some of both, draw a box, or give a mask"):
        session.trimap(Marks(), WISH)
    with pytest.raises(UserError, match="other.onnx: is none of model.onnx, closed_form, knn; choose another method"):
        session.matte(Marks.parse(layer(files / "strokes.png")), WISH._replace(method="other.onnx"))


def test_weights_that_come_with_the_project_are_used_unasked(files, monkeypatch):
    """After those that were named, and loaded as matting.load would."""
    monkeypatch.setattr(shipped, "SHIPPED", files / "model.onnx")
    methods = Methods([])
    assert [name for _, name in methods.choices] == ["shipped", "knn", "closed_form"]
    image, trimap = read_image(files / "photo.png"), np.full(SIZE, 128, np.uint8)
    np.testing.assert_array_equal(methods.alpha("shipped", image, trimap), load(files / "model.onnx")(image, trimap))
    named = Methods([files / "model.onnx"])
    assert [name for _, name in named.choices] == ["model.onnx", "shipped", "knn", "closed_form"]


def test_a_fault_of_ours_is_no_line(session):
    assert session.explain(ValueError("x")) is None
    assert "not enough memory" in session.explain(MemoryError())


def test_a_closed_session_leaves_nothing(session, files):
    session.open_photo(files / "photo.png")
    session.matte(Marks.parse(layer(files / "strokes.png")), WISH)
    assert list(session.folder.rglob("*.png"))
    session.close()
    assert not list((files / "root").iterdir())


@pytest.mark.parametrize("flag", ["--host", "--port"])
def test_an_address_that_cannot_be_served_on_is_one_line(flag, capsys):
    """A host that is no name of this machine; a port that another program serves on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        word = {"--host": "192.0.2.1", "--port": str(other.getsockname()[1])}[flag]
        with pytest.raises(SystemExit):
            program.main([flag, word])
    assert re.search(f"error: --host .*{word}.*: cannot be served on .*; choose another", capsys.readouterr().err)


def test_without_gradio_a_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "matting.web.page", raising=False)
    with pytest.raises(SystemExit):
        program.main([])
    assert "the page needs a package more (gradio): pip install '.[web]'" in capsys.readouterr().err
