"""The way into the network and back out: sizes, normalisation, known pixels, the release's frame."""
import cv2
import numpy as np
import pytest

from matting.config import Config
from matting.errors import UserError
from matting.inference import Frame, network_side, to_alpha, to_network_input, to_uint8

CONFIG = Config()
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
    alpha = to_alpha(red, trimap)
    assert alpha.shape == (45, 70)
    assert abs(255 * alpha - image[:, :, 0]).max() < 1.5
    assert abs(255 * alpha - image[:, ::-1, 0]).max() > 20  # what the comparison would say of a mirrored result


def test_known_pixels_are_exactly_0_or_1():
    trimap = read_only(trimap_of(50, 60))
    output = read_only(np.random.default_rng(0).normal(0.5, 1, (1, 1, 64, 64)).astype(np.float32))
    alpha = to_alpha(output, trimap)
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
        to_alpha(output, trimap_of(32, 32))


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
