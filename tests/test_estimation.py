"""Any size in bounded memory: when a photograph is reduced, what is then decided, and that the result is full size."""
import tracemalloc

import numpy as np
import pytest

from matting.config import Config
from matting.errors import UserError
from matting.estimation import LEAST, REACH, Scale, check_scale, estimate_alpha, reduction_for

CONFIG = Config()


def strip(width, size=(1500, 2000)):
    """Unknown is a strip of so many columns in the middle: background to its left, foreground to its right."""
    trimap = np.zeros(size, np.uint8)
    left = (size[1] - width) // 2
    trimap[:, left:left + width], trimap[:, left + width:] = 128, 255
    trimap.flags.writeable = False
    return trimap


def edge(size=(1500, 2000)):
    """A photograph whose red is its alpha: an edge of 40 pixels in the middle."""
    ramp = np.clip((np.arange(size[1]) - size[1] / 2) / 40 + 0.5, 0, 1)
    image = np.zeros((*size, 3), np.uint8)
    image[:, :, 0] = np.rint(255 * ramp)
    return image


class Red:
    """A network that returns the red channel, and remembers what it was given."""

    def __init__(self):
        self.sizes = []

    def __call__(self, batch):
        self.sizes.append(batch.shape[2:])
        return batch[:, :1] * np.float32(0.229) + np.float32(0.485)


@pytest.mark.parametrize(("width", "expected"), [
    (2 * REACH - 4, 1), (160, REACH / 80), (1900, LEAST / 2000), (2000, LEAST / 2000)])
def test_photographs_are_reduced_where_a_wide_region_is_unknown(width, expected):
    """The middle of a strip of 160 columns is 80 from what is known."""
    assert abs(reduction_for(strip(width)) - expected) < 0.02


def test_small_photographs_are_not_reduced():
    assert reduction_for(np.full((400, LEAST), 128, np.uint8)) == 1
    assert reduction_for(strip(10), max_side=500) == 0.25
    assert reduction_for(strip(10), max_side=5000) == 1


def test_a_wide_region_is_seen_reduced():
    """600 unknown columns of 2000, reduced to 120 of 400; a strip of 90 columns is seen at full size."""
    network, direct = Red(), Red()
    alpha = estimate_alpha(network, edge(), strip(600), CONFIG, scale=Scale(tile=1024))
    assert network.sizes == [(LEAST * 3 // 4 // 32 * 32 + 32, LEAST // 32 * 32 + 32)]
    assert alpha.shape == (1500, 2000) and abs(alpha - edge()[:, :, 0] / 255).max() < 0.03
    estimate_alpha(direct, edge(), strip(90), CONFIG, scale=Scale(tile=1024))
    assert set(direct.sizes) == {(1024, 1024)}


def test_max_side_bounds_what_the_network_sees():
    network = Red()
    alpha = estimate_alpha(network, edge(), strip(600), CONFIG, scale=Scale(max_side=500))
    assert network.sizes == [(384, 512)]
    assert alpha.shape == (1500, 2000) and abs(alpha - edge()[:, :, 0] / 255).max() < 0.03


@pytest.mark.parametrize("known", [0, 255])
def test_what_is_known_everywhere_is_its_own_matte(known):
    alpha = estimate_alpha(None, edge((30, 40)), np.full((30, 40), known, np.uint8), CONFIG)
    assert alpha.dtype == np.float32 and (alpha == known / 255).all()


def test_sides_that_no_network_takes_are_named():
    assert check_scale(128, 0) == Scale(128, 0)
    with pytest.raises(UserError, match="--tile 100: must be 128 pixels or more"):
        check_scale(100, 0)
    with pytest.raises(UserError, match="--max_side 20: must be 32 pixels or more, or 0"):
        check_scale(1280, 20)


def peak_bytes(function):
    """What NumPy and OpenCV's arrays take at most, besides those that are there."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_photograph_of_24_megapixels_takes_little_more_than_its_matte():
    """17 bytes a pixel beside the photograph; in one pass the network's input alone has 16, and its making more."""
    def bytes_a_pixel(size, tile):
        image, trimap = np.zeros((*size, 3), np.uint8), strip(80, size)
        return peak_bytes(lambda: estimate_alpha(Red(), image, trimap, CONFIG, scale=Scale(tile))) / trimap.size

    assert bytes_a_pixel((4000, 6000), 512) < 17 < 30 < bytes_a_pixel((800, 1200), 2048)
