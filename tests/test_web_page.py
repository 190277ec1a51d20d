"""The page as it is served: without a browser, and in Chromium, which opens, paints with the mouse, downloads."""
import base64
import io
import re
import urllib.error

import numpy as np
import psutil
import pytest
from PIL import Image

import matting.__main__
from matting.web.session import LAYER
from tests.browser import CHROMIUM, Visitor, open_browser
from tests.given_files import SIZE, write_mask, write_strokes
from tests.plain_visitor import PlainVisitor
from tests.test_runtimes import write_first_channel
from tests.test_web import layer, write_photo
from tests.waiting import wait_until
from tests.watched_site import open_site

pytest.importorskip("gradio", reason="Gradio is not installed: pip install '.[web]'")
HURDLE = 1  # seconds by which mattes are slowed where two visitors ask at once
TERMINATED = 143
FILES = 7  # of a visitor: photograph, as it is shown, strokes, trimap, matte, cut-out, composite
EXTENT = np.tile(SIZE[::-1], 2)
OBJECT, BACKGROUND, UNKNOWN = [(.45, .45), (.55, .55)], [(.05, .05), (.95, .05)], [(.3, .5), (.4, .5)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name, write in (("photo.png", write_photo), ("mask.png", write_mask), ("strokes.png", write_strokes),
                        ("model.onnx", write_first_channel)):
        write(folder / name)
    (folder / "text.jpg").write_text("not a photograph")
    with open_site(folder, "--ckpt_url", folder / "model.onnx") as site:
        yield site


@pytest.fixture
def plain(site):
    plain = PlainVisitor(site)
    yield plain
    plain.leave()


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright", reason="Playwright is not installed: pip install playwright")
    if not CHROMIUM:
        pytest.skip("no Chromium here: apt install chromium, or set CHROMIUM to one")
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visitor(browser, site):
    visitor = Visitor(browser, site.address)
    yield visitor
    visitor.leave()
    assert not visitor.complaints


def by_command_line(site, out, *flags):
    """The alpha that matte writes."""
    matting.__main__.main([str(word) for word in (site.folder / "photo.png", *flags, "--ckpt_url",
                                                  site.folder / "model.onnx", "-o", out)])
    return np.array(Image.open(out / "photo_alpha.png"))


def painted(marks, path):
    """The file of the layer, for the command line."""
    path.write_bytes(base64.b64decode(marks["layer"].removeprefix(LAYER)))
    return path


# --- without a browser -------------------------------------------------------

def test_strokes_give_the_matte_of_the_command_line(site, plain, tmp_path):
    _, photo, _, said = plain.upload("photo", site.folder / "photo.png")
    assert (photo["height"], photo["width"]) == SIZE and not said
    shown, said = plain.cut_out(layer(site.folder / "strokes.png"))
    url = next(file["url"] for file in shown["downloads"] if file["name"] == "Matte")
    matte = np.array(Image.open(io.BytesIO(plain.get(url).read())))
    strokes = "--strokes", site.folder / "strokes.png"
    np.testing.assert_array_equal(matte, by_command_line(site, tmp_path, *strokes))
    assert len(np.unique(matte)) > 20 and not said


def test_unusable_files_are_refused_at_once_in_one_line(site, plain):
    """Their boxes are emptied; what was there is gone."""
    for box in ("photo", "guide_file", "picture"):
        shown, *_, said = plain.upload(box, site.folder / "text.jpg")
        assert shown is None
        assert re.fullmatch('<p class="error">text.jpg: cannot be read as an image [^\n]*</p>', said)
    _, said = plain.cut_out(None)
    assert "no photograph yet; open one first" in said


def test_a_colour_names_no_file(site, plain):
    """Else a visitor could look at whatever the machine holds."""
    plain.upload("photo", site.folder / "photo.png")
    _, said = plain.cut_out(layer(site.folder / "strokes.png"), colour=str(site.folder / "photo.png"))
    assert 'class="error"' in said and "neither a file nor a colour" in said


def test_files_of_the_machine_are_not_served(site, plain):
    for path in (site.folder / "photo.png", site.folder / "tmp", "/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            plain.get(f"gradio_api/file={path}")


def test_the_page_names_nothing_from_outside(site, plain):
    page = plain.get("").read().decode()
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(links) > 2 and not [link for link in links if re.match("(https?:)?//", link)
                                   and not link.startswith(site.address)]


def test_it_listens_on_this_machine_alone(site):
    listened = [connection.laddr for connection in psutil.Process(site.process.pid).net_connections()
                if connection.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listened} == {"127.0.0.1"}


def test_what_a_visitor_uploaded_goes_when_they_leave(site):
    """All but what others uploaded; the empty files that stay are Gradio's."""
    first, second = PlainVisitor(site), PlainVisitor(site)
    for person in (first, second):
        person.upload("photo", site.folder / "photo.png")
        person.cut_out(layer(site.folder / "strokes.png"))
    assert len(site.files()) == 2 * FILES + 1
    first.leave()
    wait_until(lambda: len(site.files()) == FILES + 1, 30, f"{site.files()} stayed")
    second.leave()
    wait_until(lambda: not site.files(), 30, f"{site.files()} stayed")


# --- in a browser ------------------------------------------------------------

def test_a_painted_photograph_gives_the_matte_of_the_command_line(site, visitor, tmp_path):
    visitor.open(site.folder / "photo.png")
    visitor.paint(object=OBJECT, background=BACKGROUND, unknown=UNKNOWN)
    visitor.press("cut_out", "Matte")
    name, matte = visitor.download("Matte")
    strokes = painted(visitor.marks, tmp_path / "strokes.png")
    assert name == "photo_alpha.png" and matte.shape == SIZE and len(np.unique(matte)) > 20
    np.testing.assert_array_equal(matte, by_command_line(site, tmp_path / "out", "--strokes", strokes))
    colours = {tuple(colour) for colour in np.array(Image.open(strokes)).reshape(-1, 4) if colour[3] == 255}
    assert colours == {(0, 255, 0, 255), (255, 0, 0, 255), (0, 0, 255, 255)}
    # the control: other strokes, another matte
    visitor.do("undo")
    other = painted(visitor.marks, tmp_path / "other.png")
    assert (by_command_line(site, tmp_path / "other", "--strokes", other) != matte).any()


def test_undo_redo_clear_and_the_eraser(site, visitor):
    visitor.open(site.folder / "photo.png")
    visitor.paint(object=OBJECT, background=BACKGROUND)
    both = visitor.marks["layer"]
    visitor.do("undo")
    visitor.do("undo")
    assert visitor.marks == {"layer": None, "box": None}
    for _ in range(2):
        visitor.page.keyboard.press("Control+y")
    assert visitor.marks["layer"] == both
    visitor.do("clear")
    assert visitor.marks["layer"] is None
    visitor.page.keyboard.press("Control+z")
    assert visitor.marks["layer"] == both
    visitor.paint(eraser=[(0, .05), (1, .05)])
    assert visitor.marks["layer"] not in (None, both)


def test_a_box_is_drawn_in_the_photographs_pixels_though_zoomed(site, visitor, tmp_path):
    visitor.open(site.folder / "photo.png")
    visitor.paint(box=[(.15, .1), (.85, .9)])
    box = visitor.marks["box"]
    assert np.abs(box - EXTENT * [.15, .1, .7, .8]).max() <= 1
    visitor.press("cut_out", "Matte")
    expected = by_command_line(site, tmp_path, "--box", ",".join(map(str, box)))
    np.testing.assert_array_equal(visitor.download("Matte")[1], expected)
    stage = visitor.page.locator(".stage").bounding_box()
    visitor.page.mouse.move(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    visitor.page.mouse.wheel(0, -300)
    visitor.page.wait_for_function("document.querySelector('.sheet').style.transform.includes('scale(2')")
    visitor.drag((.4, .4), (.6, .6))
    assert np.abs(visitor.marks["box"] - EXTENT * [.4, .4, .2, .2]).max() <= 1


def test_a_mask_is_loaded_and_all_views_are_shown(site, visitor, tmp_path):
    visitor.open(site.folder / "photo.png")
    visitor.page.click("#guides button")
    visitor.upload("guide_file", site.folder / "mask.png")
    visitor.page.wait_for_selector("#guide_file :text('mask')")
    visitor.press("show_trimap", "Trimap")
    assert set(np.unique(visitor.download("Trimap")[1])) == {0, 128, 255}
    visitor.press("cut_out", "Matte")
    np.testing.assert_array_equal(visitor.download("Matte")[1],
                                  by_command_line(site, tmp_path, "--mask", site.folder / "mask.png"))
    for title in ("Photo", "Trimap", "Matte", "Composite", "Cut-out"):
        visitor.show(title)
        assert visitor.page.locator(".pane img").nth(1).get_attribute("alt") == title
    assert visitor.page.locator(".window.checked").count()
    assert visitor.download("Cut-out")[1].shape == (*SIZE, 4)


def test_what_goes_wrong_is_a_line_in_the_page(site, visitor):
    visitor.page.click("#cut_out")
    assert visitor.message("error") == "no photograph yet; open one first"
    visitor.upload("photo", site.folder / "text.jpg")
    line = visitor.page.wait_for_selector("#message .error:has-text('text.jpg')").inner_text()
    assert line.startswith("text.jpg: cannot be read as an image (") and "\n" not in line


def test_nothing_is_fetched_from_outside_and_nothing_sent(site, visitor):
    """The browser's requests, and whom the program itself called since it started; examples come with marks."""
    names = visitor.page.locator("#examples img").evaluate_all("images => images.map(image => image.dataset.name)")
    assert len(names) >= 2
    for name in names:
        visitor.open_example(name)
    visitor.press("show_trimap", "Trimap")
    outside = [url for url in visitor.requested if not url.startswith((site.address, "data:", "blob:"))]
    assert len(visitor.requested) > 10 and not outside
    assert site.called == {"127.0.0.1"}  # Gradio's look at its own page: calls are noted


def test_two_at_once_wait_their_turn(browser, site, visitor):
    other, before = Visitor(browser.browser.new_context(), site.address), len(site.matted)
    for person in (visitor, other):
        person.open(site.folder / "photo.png")
        person.paint(object=OBJECT, background=BACKGROUND)
    other.paint(unknown=UNKNOWN)
    with site.slowed(HURDLE):
        for person in (visitor, other):
            person.page.click("#cut_out")
        other.page.wait_for_selector("text=/queue/")
        for person in (visitor, other):
            person.page.wait_for_selector(".downloads a:has-text('Matte')")
    assert site.matted[before:] == ["begin", "end"] * 2
    assert (visitor.download("Trimap")[1] != other.download("Trimap")[1]).any()
    other.leave()


# --- the end ------------------------------------------------------------------

def test_the_ended_program_leaves_nothing(site):
    """The last of this file, since the page is gone then."""
    wait_until(lambda: not site.files(), 30, f"{site.files()} stayed, though all closed their browsers")
    person = PlainVisitor(site)
    person.upload("photo", site.folder / "photo.png")
    assert site.files()
    assert site.stop() == TERMINATED
    assert not list((site.folder / "tmp").iterdir())
    assert not [path for path in site.files("home") if path.stem == "photo" or "onnxruntime" in str(path)]
