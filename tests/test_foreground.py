"""The object's own colours: in windows as in one piece, where they show and nowhere else."""
import numpy as np
import pytest

import matting.foreground
from data.objects import draw_object
from matting.compositing import composite_uint8
from matting.foreground import REACH, estimate_foreground, object_colours

BRIGHT = (236, 240, 247)


def over(colour, foreground, alpha):
    return composite_uint8(foreground, np.broadcast_to(np.uint8(colour), foreground.shape), alpha)


def edge(size=64):
    """A red object on the right, its edge 8 pixels soft from column 28, photographed before blue."""
    alpha = np.zeros((size, size), np.uint8)
    alpha[:, 28:36] = np.rint(np.linspace(28, 227, 8))
    alpha[:, 36:] = 255
    return over((0, 0, 255), np.full((size, size, 3), (255, 0, 0), np.uint8), alpha), alpha


def test_soft_pixels_get_the_objects_colours():
    image, alpha = edge()
    colours = object_colours(image, alpha)
    soft = (alpha > 0) & (alpha < 255)
    assert image[soft][:, 2].mean() > 100  # the blue that shone through
    assert (colours[soft] >= (250, 0, 0)).all() and (colours[soft] <= (255, 5, 5)).all()


def test_opaque_pixels_keep_the_photographs():
    image, alpha = edge()
    image = image.copy()
    image[:, 40:] = np.random.default_rng(0).integers(0, 256, (64, 24, 3))
    np.testing.assert_array_equal(object_colours(image, alpha)[:, 36:], image[:, 36:])


def test_what_is_transparent_holds_colour_near_the_object_only():
    image, alpha = edge()
    colours = object_colours(image, alpha)
    assert (colours[:, 28 - REACH:28, 0] > 250).all()
    assert (colours[:, :28 - REACH] == 0).all()


@pytest.mark.parametrize("value", [0, 255])
def test_a_matte_of_one_value_needs_no_estimate(value):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    alpha = np.full((20, 30), value, np.uint8)
    np.testing.assert_array_equal(object_colours(image, alpha), image if value else np.zeros_like(image))


@pytest.mark.parametrize("kind", ["hair", "lace"])
def test_windows_are_no_worse_than_the_whole(kind, monkeypatch):
    """Against the colours that the object was drawn in, seen over black."""
    alpha, drawn = draw_object(kind, 300, 300, np.random.default_rng(3))
    image = over(BRIGHT, drawn, alpha)
    whole = np.rint(255 * estimate_foreground(image / np.float32(255), alpha / np.float32(255))).astype(np.uint8)
    monkeypatch.setattr(matting.foreground, "WINDOW", 128)
    monkeypatch.setattr(matting.foreground, "MARGIN", 32)
    windows = object_colours(image, alpha)
    soft = (alpha > 0) & (alpha < 255)
    truth, of_whole, of_windows, of_image = (over((0, 0, 0), colours, alpha)[soft].astype(float)
                                             for colours in (drawn, whole, windows, image))
    error = abs(of_windows - truth).mean()
    assert error < abs(of_whole - truth).mean() + 1
    assert error < 0.7 * abs(of_image - truth).mean()


def test_inputs_are_not_altered():
    image, alpha = edge()
    image.flags.writeable = alpha.flags.writeable = False
    object_colours(image, alpha)
