"""Trimaps as editors write them, and what is no trimap: told apart, with the flag that takes it."""
import cv2
import numpy as np
import pytest

from matting.errors import UserError
from matting.trimap.edited import tidy_trimap


def trimap(size=120, band=12):
    """A disc whose edge is unknown, `band` pixels wide."""
    result = np.zeros((size, size), np.uint8)
    cv2.circle(result, (size // 2, size // 2), size // 3, 255, -1)
    cv2.circle(result, (size // 2, size // 2), size // 3, 128, band)
    result.flags.writeable = False
    return result


def photograph(size=120):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:1:size * 1j, 0:1:size * 1j]
    return np.clip(120 + 80 * np.sin(5 * x + 3 * y) + rng.normal(0, 12, x.shape), 0, 255).astype(np.uint8)


def test_the_nearest_value_by_hand():
    grey = np.array([[0, 1, 63, 64, 127, 128, 129, 191, 192, 254, 255]], np.uint8)
    tidied = tidy_trimap(np.repeat(grey, 2, axis=0))
    assert tidied.trimap[0].tolist() == [0, 0, 0, 128, 128, 128, 128, 128, 255, 255, 255]
    assert tidied.moved == 2 * 8


def test_a_clean_trimap_moves_nothing():
    tidied = tidy_trimap(trimap())
    assert tidied.moved == 0
    np.testing.assert_array_equal(tidied.trimap, trimap())


def test_127_is_unknown():
    written = np.where(trimap() == 128, np.uint8(127), trimap())
    tidied = tidy_trimap(written)
    assert tidied.moved == np.count_nonzero(trimap() == 128)
    np.testing.assert_array_equal(tidied.trimap, trimap())


@pytest.mark.parametrize("band", [6, 12])
def test_smoothed_edges_and_jpeg(band):
    """What was unknown stays so but at its very rim, and what was known is never the other known value."""
    clean = trimap(band=band)
    _, encoded = cv2.imencode(".jpg", cv2.GaussianBlur(clean, (3, 3), 0), [cv2.IMWRITE_JPEG_QUALITY, 80])
    tidied = tidy_trimap(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))
    assert set(np.unique(tidied.trimap)) == {0, 128, 255} and tidied.moved > 500
    assert np.count_nonzero(tidied.trimap != clean) < 0.02 * clean.size
    assert not np.count_nonzero((tidied.trimap == 255) & (clean == 0) | (tidied.trimap == 0) & (clean == 255))


@pytest.mark.parametrize("values", [(0, 128), (128, 255), (128, 128), (0, 255), (0, 0)])
def test_any_two_of_the_three_values_are_a_trimap(values):
    clean = np.repeat(np.array([values], np.uint8), 8, axis=0)
    assert tidy_trimap(clean).moved == 0


def test_a_soft_mask_is_told_apart():
    smooth = cv2.GaussianBlur(np.where(trimap() > 127, np.uint8(255), np.uint8(0)), (9, 9), 0)
    with pytest.raises(UserError, match="looks like a soft mask.*--mask"):
        tidy_trimap(smooth)


def test_a_grey_photograph_is_told_apart():
    with pytest.raises(UserError, match="looks like a grey photograph.*the photograph comes first"):
        tidy_trimap(photograph())
