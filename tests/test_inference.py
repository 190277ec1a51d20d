"""The way into the network and back out: sizes, normalisation, known pixels, the release's frame."""
import cv2
import numpy as np
import pytest

from matting.config import Config
from matting.errors import UserError
from matting.inference import FITS, Frame, network_side, to_alpha, to_network_input, to_uint8

CONFIG = Config()
FITTED = {fit: Config(fit=fit) for fit in FITS}
FRAME = (1080, 1620)


def smooth(height, width, channels=3):
    """(H, W, C) uint8 that survives resizing: no symmetry, no detail."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    planes = [np.sin(1 + channel + 2 * y + x) for channel in range(channels)]
    return np.rint(127 + 100 * np.dstack(planes)).astype(np.uint8)


def trimap_of(height, width):
    trimap = np.zeros((height, width), np.uint8)
    trimap[height // 4:, width // 4:] = 128
    trimap[height // 2:, width // 2:] = 255
    return trimap


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("side", "expected"), [(1, 32), (32, 32), (33, 64), (1080, 1088), (1620, 1632)])
def test_sides_become_multiples_of_32(side, expected):
    assert network_side(side) == expected


def test_network_input_by_hand():
    image = np.zeros((32, 64, 3), np.uint8)
    image[0, 0] = 255, 51, 0
    network_input = to_network_input(read_only(image), read_only(trimap_of(32, 64)), CONFIG)
    assert network_input.shape == (1, 4, 32, 64) and network_input.dtype == np.float32
    np.testing.assert_allclose(network_input[0, :3, 0, 0],
                               [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225], rtol=1e-6)
    np.testing.assert_allclose(network_input[0, 3, [0, 8, 16], [0, 16, 32]], [0, 128 / 255, 1], rtol=1e-6)


def test_odd_sizes_are_resized_up_and_back():
    """A network that returns its red channel returns the image's, to a grey level, at the image's size."""
    image, trimap = smooth(45, 70), np.full((45, 70), 128, np.uint8)
    network_input = to_network_input(image, trimap, CONFIG)
    assert network_input.shape == (1, 4, 64, 96)
    assert set(np.unique(network_input[0, 3])) == {np.float32(128 / 255)}
    red = network_input[:, :1] * 0.229 + 0.485
    alpha = to_alpha(red, trimap, CONFIG)
    assert alpha.shape == (45, 70)
    assert abs(255 * alpha - image[:, :, 0]).max() < 1.5
    assert abs(255 * alpha - image[:, ::-1, 0]).max() > 20  # what the comparison would say of a mirrored result


@pytest.mark.parametrize(("size", "up", "down", "down_linear"), [
    ((64, 96), (64, 96), (64, 96), (64, 96)),
    ((45, 70), (64, 96), (32, 64), (32, 64)),
    ((20, 95), (32, 96), (32, 64), (32, 64)),
    ((31, 1650), (32, 1664), (32, 1632), (32, 1600)),
])
def test_each_fit_has_its_sizes(size, up, down, down_linear):
    sizes = {"up": up, "resize": up, "down": down, "down_linear": down_linear, "pad": up}
    assert {fit: to_network_input(read_only(smooth(*size)), read_only(trimap_of(*size)), config).shape[2:]
            for fit, config in FITTED.items()} == sizes


@pytest.mark.parametrize("fit", FITS)
def test_every_fit_brings_the_image_back(fit):
    """As test_odd_sizes_are_resized_up_and_back, and an image that fits is the same by all of them."""
    image, trimap = smooth(45, 70), np.full((45, 70), 128, np.uint8)
    red = to_network_input(image, trimap, FITTED[fit])[:, :1] * 0.229 + 0.485
    alpha = to_alpha(red, trimap, FITTED[fit])
    assert alpha.shape == (45, 70)
    assert abs(255 * alpha - image[:, :, 0]).max() < (1e-4 if fit == "pad" else 3)
    image, trimap = smooth(64, 96), trimap_of(64, 96)
    np.testing.assert_array_equal(to_network_input(image, trimap, FITTED[fit]), to_network_input(image, trimap, CONFIG))


def test_padding_by_hand():
    """Reflected about the last pixel, which is not repeated; the trimap likewise."""
    image, trimap = np.zeros((30, 31, 3), np.uint8), np.full((30, 31), 128, np.uint8)
    image[28, 0], image[29, 29] = 10, 20
    trimap[0, 29], trimap[27, 4] = 0, 255
    padded = to_network_input(read_only(image), read_only(trimap), FITTED["pad"])[0]
    assert padded.shape == (4, 32, 32)
    red = np.rint((padded[0] * 0.229 + 0.485) * 255)
    assert (red[28, 0], red[30, 0], red[29, 29], red[29, 31]) == (10, 10, 20, 20) and red.sum() == 60
    np.testing.assert_allclose(padded[3, [0, 0, 27, 31], [29, 31, 4, 4]], [0, 0, 1, 1])
    known = padded[3] != np.float32(128 / 255)
    assert known.sum() == 4


def test_the_trimap_mixes_in_no_fit_but_down_linear():
    trimap = read_only(trimap_of(45, 70))
    values = {fit: len(np.unique(to_network_input(smooth(45, 70), trimap, config)[0, 3]))
              for fit, config in FITTED.items()}
    assert values.pop("down_linear") > 3 and set(values.values()) == {3}


def test_what_is_cubic_overshoots_an_edge_and_what_is_linear_does_not():
    image, trimap = np.full((45, 70, 3), 50, np.uint8), np.full((45, 70), 128, np.uint8)
    image[:, 35:] = 200
    edge = np.full((1, 1, 32, 64), 0.25, np.float32)
    edge[..., 32:] = 0.75
    for fit, overshoots in {"up": True, "down": True, "down_linear": False}.items():
        red = np.rint((to_network_input(image, trimap, FITTED[fit])[0, 0] * 0.229 + 0.485) * 255)
        assert (red.max() > 200 and red.min() < 50) == overshoots, fit
        assert (to_alpha(edge, trimap, FITTED[fit]).max() > 0.752) == overshoots, fit


def test_known_pixels_are_exactly_0_or_1():
    trimap = read_only(trimap_of(50, 60))
    output = read_only(np.random.default_rng(0).normal(0.5, 1, (1, 1, 64, 64)).astype(np.float32))
    alpha = to_alpha(output, trimap, CONFIG)
    assert alpha.dtype == np.float32
    np.testing.assert_array_equal(alpha[trimap == 0], 0)
    np.testing.assert_array_equal(alpha[trimap == 255], 1)
    assert alpha.min() == 0 and alpha.max() == 1
    assert len(np.unique(alpha[trimap == 128])) > 100


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_output_that_is_not_finite_is_refused(value):
    output = np.full((1, 1, 32, 32), 0.5, np.float32)
    output[0, 0, 3, 4] = value
    with pytest.raises(UserError, match="not finite"):
        to_alpha(output, trimap_of(32, 32), CONFIG)


def test_alpha_is_rounded_to_grey_levels():
    np.testing.assert_array_equal(to_uint8(np.float32([0, 0.4 / 255, 0.6 / 255, 0.5, 1])), [0, 0, 1, 128, 255])


@pytest.mark.parametrize(("size", "fitted", "transposed"), [
    ((1080, 1620), (1080, 1620), False),
    ((500, 1000), (810, 1620), False),  # wider than the frame: enlarged 1.62 times
    ((1000, 1100), (1080, 1188), False),  # narrower than the frame: enlarged 1.08 times
    ((1000, 500), (810, 1620), True),
    ((3240, 2160), (1080, 1620), True),
    ((700, 700), (1080, 1080), False),
    ((2, 9000), (1, 1620), False),
])
def test_images_are_fitted_into_the_frame(size, fitted, transposed):
    frame = Frame(size, FRAME)
    assert (frame.fitted_size, frame.transposed) == (fitted, transposed)


@pytest.mark.parametrize("size", [(60, 90), (90, 60), (31, 100), (100, 31), (50, 50)])
def test_extract_undoes_place(size):
    """What comes back is the image itself, resized: not mirrored, not turned, nothing of the padding."""
    frame = Frame(size, (108, 162))
    image = read_only(smooth(*size))
    placed = frame.place(image)
    assert placed.shape == (108, 162, 3) and placed.dtype == np.uint8
    extracted = frame.extract(placed)
    height, width = sorted(frame.fitted_size, reverse=size[0] > size[1])
    assert extracted.shape == (height, width, 3)
    expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    assert abs(extracted - expected).max() <= 1
    assert abs(extracted[:, ::-1] - expected).max() > 20
    assert np.count_nonzero(placed) == np.count_nonzero(extracted)  # zeros elsewhere


def test_trimaps_stay_trimaps_in_the_frame():
    trimap = read_only(trimap_of(90, 61))
    frame = Frame(trimap.shape, (108, 162))
    assert set(np.unique(frame.place(trimap, cv2.INTER_NEAREST))) == {0, 128, 255}
