"""Prediction on a user's photographs: pairs, backgrounds, outputs, networks of one size, one line for a bad file."""
import argparse
import sys
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from matting import foreground
from matting.compositing import compose_over
from matting.config import Config
from matting.errors import UserError
from matting.estimation import estimate_alpha
from matting.foreground import announced_if_slow, object_colours
from matting.images.reading import read_alpha
from matting.images.writing import write_png
from matting.programs.batch import run
from matting.programs.inputs import find_sources
from matting.programs.prediction import Job, add_arguments
from matting.programs.results import read_background, scale_to_cover
from matting.runtimes.network import Network
from tests.tiny_images import photograph, trimap_of, write_pair

CONFIG = Config()


def sixty(network_input):
    assert network_input.shape[2] % 32 == network_input.shape[3] % 32 == 0
    return np.full_like(network_input[:, :1], 0.6)


def red_channel(network_input):
    return network_input[:, :1] * np.float32(0.229) + np.float32(0.485)


def job_for(*argv):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Job.of(parser.parse_args([str(word) for word in argv]))


def test_a_pair_of_files_becomes_three_pictures(tmp_path):
    pair = write_pair(tmp_path, "cat")
    run(job_for(pair.image, pair.trimap, "-o", tmp_path / "out", "--background", "#0000ff"),
        lambda: Network(sixty, CONFIG))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cat_alpha.png", "cat_composite.png", "cat_cutout.png"]
    alpha = read_alpha(tmp_path / "out" / "cat_alpha.png")
    trimap = trimap_of(45, 70)
    np.testing.assert_array_equal(alpha, np.where(trimap == 128, 153, trimap))
    cutout, composite = (Image.open(tmp_path / "out" / f"cat_{kind}.png") for kind in ("cutout", "composite"))
    assert (cutout.mode, cutout.size, composite.mode) == ("RGBA", (70, 45), "RGB")
    np.testing.assert_array_equal(np.array(cutout)[:, :, 3], alpha)
    assert (np.array(composite)[trimap == 0] == (0, 0, 255)).all()
    assert abs(np.array(composite)[trimap == 255].astype(int) - photograph(45, 70)[trimap == 255]).max() <= 3


def test_folders_are_paired_by_stem(tmp_path):
    for stem in ("b", "a", "c.d"):
        write_pair(tmp_path, stem)
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    run(job_for(tmp_path / "images", tmp_path / "trimaps", "-o", tmp_path / "out"), lambda: Network(sixty, CONFIG))
    alphas = sorted(path.name for path in (tmp_path / "out").glob("*_alpha.png"))
    assert alphas == ["a_alpha.png", "b_alpha.png", "c.d_alpha.png"]


@pytest.mark.parametrize("removed", ["images", "trimaps"])
def test_an_unpaired_file_is_named(tmp_path, removed):
    for stem in ("a", "b"):
        write_pair(tmp_path, stem)
    (tmp_path / removed / "b.png").unlink()
    with pytest.raises(UserError, match=f"{removed}: has no b; "):
        find_sources(tmp_path / "images", tmp_path / "trimaps")


def test_a_file_and_a_folder_are_no_pair(tmp_path):
    pair = write_pair(tmp_path, "a")
    with pytest.raises(UserError, match="trimaps is a folder, but .*a.png is not; give two files or two folders"):
        find_sources(pair.image, tmp_path / "trimaps")


def test_a_trimap_of_another_size_is_named(tmp_path):
    pair = write_pair(tmp_path, "a")
    write_png(pair.trimap, trimap_of(70, 45))
    with pytest.raises(UserError, match="trimaps/a.png: is 45x70, but .*images/a.png is 70x45"):
        run(job_for(pair.image, pair.trimap), None)


@pytest.mark.parametrize("size", [(1, 1), (45, 70), (64, 96), (70, 45)])
def test_any_size_gives_an_alpha_of_that_size(size):
    trimap = np.full(size, 128, np.uint8)
    alpha = estimate_alpha(sixty, photograph(*size), trimap, CONFIG)
    assert alpha.shape == size and abs(alpha - 0.6).max() < 1e-6


@pytest.mark.parametrize("size", [(45, 70), (70, 45), (200, 120)])
def test_a_network_of_one_size_gives_the_same_alpha_as_one_of_any(size):
    """A network that returns the red channel, bound to 64x96 frames: upright photographs lie in them."""
    def bound(network_input):
        assert network_input.shape == (1, 4, 64, 96)
        return red_channel(network_input)

    image, trimap = photograph(*size), np.full(size, 128, np.uint8)
    alpha = estimate_alpha(bound, image, trimap, CONFIG, size=(64, 96))
    assert alpha.shape == size
    free = estimate_alpha(red_channel, image, trimap, CONFIG)
    border = np.s_[4:-4, 4:-4]  # beyond which resizing mixes in the frame's padding
    assert abs(alpha - free)[border].max() < 0.02
    assert abs(alpha - free[:, ::-1])[border].max() > 0.2


def test_cut_out_has_the_objects_own_colours():
    """A white object with a soft edge on black: the image is grey there, the foreground is not."""
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))
    image = np.repeat(alpha[:, :, None], 3, axis=2)
    background = np.full_like(image, 255)
    foreground = object_colours(image, alpha)
    composed = compose_over(foreground, background, alpha)
    assert foreground[alpha > 64].min() > 230
    assert image[alpha > 64].min() < 80
    assert composed[alpha > 64].min() > 230  # white on white: no halo of the old background


def test_inputs_are_not_altered():
    arrays = photograph(32, 32), trimap_of(32, 32), np.zeros((32, 32, 3), np.uint8)
    for array in arrays:
        array.flags.writeable = False
    image, alpha, background = arrays
    estimate_alpha(sixty, image, alpha, CONFIG)
    compose_over(object_colours(image, alpha), scale_to_cover(background, 32, 32), alpha)


@pytest.mark.parametrize(("text", "colour"), [("white", (255, 255, 255)), ("#00b140", (0, 177, 64)),
                                              ("rgb(1, 2, 3)", (1, 2, 3))])
def test_background_may_be_a_colour(text, colour):
    background = read_background(text).pixels
    assert background.shape == (1, 1, 3)
    assert (scale_to_cover(background, 40, 30) == colour).all()


def test_background_may_be_a_file(tmp_path):
    write_png(tmp_path / "b.png", photograph(20, 30))
    np.testing.assert_array_equal(read_background(str(tmp_path / "b.png")).pixels, photograph(20, 30))


def test_background_that_is_neither_is_named():
    with pytest.raises(UserError, match="--background sky.jpg: neither a file nor a colour"):
        read_background("sky.jpg")


@pytest.mark.parametrize(("height", "width"), [(30, 30), (100, 20), (7, 90), (40, 60)])
def test_background_covers_with_its_middle(height, width):
    """A marked middle stays in the middle, whatever is cut away."""
    picture = np.zeros((41, 61, 3), np.uint8)
    cv2.circle(picture, (30, 20), 12, (255, 255, 255), -1)
    covered = scale_to_cover(picture, height, width)
    assert covered.shape == (height, width, 3)
    y, x = np.nonzero(covered[:, :, 0] > 127)
    assert abs(y.mean() - (height - 1) / 2) <= 1 and abs(x.mean() - (width - 1) / 2) <= 1


@pytest.mark.parametrize(("seconds", "told"), [(0.3, ["compiling"]), (0, [])])
def test_what_takes_long_is_announced_while_it_does(caplog, seconds, told):
    caplog.set_level("INFO")
    with announced_if_slow("compiling", patience=0.1):
        time.sleep(seconds)
        assert caplog.messages == told
    time.sleep(0.2)
    assert caplog.messages == told


def test_the_first_use_of_pymatting_says_that_it_compiles(caplog, monkeypatch, tmp_path):
    """A stand-in that is imported as slowly."""
    caplog.set_level("INFO")
    (tmp_path / "pymatting.py").write_text(
        "import time\ntime.sleep(0.3)\ndef estimate_foreground_ml(image, alpha, return_background):\n"
        "    return image, image\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "pymatting", None)  # so that what is imported in its place is forgotten
    monkeypatch.delitem(sys.modules, "pymatting")
    monkeypatch.setattr(foreground.announced_if_slow.__wrapped__, "__defaults__", (0.1,))
    foreground.estimate_foreground(np.zeros((2, 2, 3), np.float32), np.ones((2, 2), np.float32))
    assert caplog.messages == ["compiling pymatting, which estimates colours: half a minute or more, but only once"]
