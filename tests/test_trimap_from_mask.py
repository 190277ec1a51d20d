"""Trimaps from masks: the band around the edge counted by hand, soft masks, other sizes, holes and thin parts."""
import numpy as np
import pytest

from matting.errors import UserError
from matting.trimap.band import Band, trimap_from_mask
from matting.trimap.sizes import resize_trimap, same_aspect

THREE = Band(3, False)


def square(size=40, start=10, stop=30, value=255):
    mask = np.zeros((size, size), np.uint8)
    mask[start:stop, start:stop] = value
    mask.flags.writeable = False
    return mask


def counts(trimap):
    return {value: int(np.count_nonzero(trimap == value)) for value in (0, 128, 255)}


def test_the_band_is_as_wide_as_asked_on_either_side():
    """A square of 20x20, 3 pixels: 14x14 stay object. Outside, rows and columns up to 3 away, and of each corner the
    (1, 1), (1, 2), (2, 1) and (2, 2) steps, whose distances are at most 2.83, while (1, 3) is 3.16 away."""
    trimap = trimap_from_mask(square(), (40, 40), THREE)
    assert counts(trimap) == {255: 14 * 14, 128: 20 * 20 - 14 * 14 + 4 * 3 * 20 + 4 * 4, 0: 1600 - 400 - 240 - 16}
    assert (trimap[13:27, 13:27] == 255).all()
    assert list(trimap[20, 5:15]) == [0, 0, 128, 128, 128, 128, 128, 128, 255, 255]


def test_a_percentage_is_of_the_objects_own_size():
    """10 % of a 20x20 square are 2 pixels, wherever it lies and however large the photograph is."""
    for size in (40, 90):
        trimap = trimap_from_mask(square(size), (size, size), Band(10, True))
        assert counts(trimap)[255] == 16 * 16
        np.testing.assert_array_equal(trimap, trimap_from_mask(square(size), (size, size), Band(2, False)))


def test_soft_pixels_widen_the_band():
    """A ramp of 10 pixels between 0 and 255: all of it, and 3 pixels more on either side, are unknown."""
    ramp = np.zeros((30, 60), np.uint8)
    ramp[:, 25:35] = np.linspace(20, 235, 10)
    ramp[:, 35:] = 255
    row = trimap_from_mask(ramp, ramp.shape, THREE)[15]
    assert list(np.flatnonzero(row == 128)) == list(range(22, 38))
    hard = trimap_from_mask(np.where(ramp > 127, np.uint8(255), np.uint8(0)), ramp.shape, THREE)[15]
    assert np.count_nonzero(hard == 128) == 6


def test_haze_is_not_soft():
    """What JPEG and networks leave where nothing is: up to 12 of 255."""
    hazy = np.where(square() > 0, np.uint8(243), np.uint8(12))
    hazy[0, 0] = 3
    np.testing.assert_array_equal(trimap_from_mask(hazy, (40, 40), THREE), trimap_from_mask(square(), (40, 40), THREE))
    hazy[hazy == 12] = 13
    assert counts(trimap_from_mask(hazy, (40, 40), THREE))[0] == 0


def test_holes_and_thin_parts_do_not_vanish():
    """A hole of one pixel and a hair of one pixel are unknown with all that surrounds them."""
    mask = square().copy()
    mask[20, 20] = 0
    mask[5, 2:38] = 255
    trimap = trimap_from_mask(mask, (40, 40), THREE)
    assert trimap[20, 20] == 128 and trimap[20, 23] == 128 and trimap[20, 24] == 255
    assert (trimap[5, 2:38] == 128).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_thin_parts_survive_reduction(factor):
    """A mask larger than the photograph, with a hair and a slit of one of its pixels."""
    mask = np.zeros((40 * factor, 40 * factor), np.uint8)
    mask[20 * factor:] = 255
    mask[5 * factor, :] = 255
    mask[35 * factor, :] = 0
    trimap = trimap_from_mask(mask, (40, 40), Band(1, False))
    assert (trimap[5] == 128).all() and (trimap[35] == 128).all()
    assert (trimap[2] == 0).all() and (trimap[29] == 255).all()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_small_mask_has_a_band_of_its_own_pixels(factor):
    """An 8-fold reduced mask knows its edge to 8 pixels: so far on either side nothing is known, nor where it fades."""
    small = np.zeros((20, 20), np.uint8)
    small[:, 10:] = 255
    row = trimap_from_mask(small, (20 * factor, 20 * factor), Band(1, False))[10 * factor]
    unknown = np.flatnonzero(row == 128)
    edge = 10 * factor
    assert unknown.min() <= edge - factor and unknown.max() >= edge + factor - 1
    assert len(unknown) <= 4 * factor
    assert row[edge - 2 * factor - 1] == 0 and row[edge + 2 * factor] == 255


def test_the_picture_border_is_no_edge():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 255
    trimap = trimap_from_mask(mask, (40, 40), THREE)
    assert (trimap[:, -1] == 255).all() and (trimap[0, 23:] == 255).all()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 128), (100, 120)])
def test_two_values_are_a_hard_mask(low, high):
    mask = np.where(square() > 0, np.uint8(high), np.uint8(low))
    np.testing.assert_array_equal(trimap_from_mask(mask, (40, 40), THREE), trimap_from_mask(square(), (40, 40), THREE))


@pytest.mark.parametrize(("value", "message"), [(0, "shows no object"), (255, "shows no background")])
def test_a_mask_of_one_kind_is_refused(value, message):
    with pytest.raises(UserError, match=message):
        trimap_from_mask(np.full((20, 20), value, np.uint8), (20, 20))


@pytest.mark.parametrize(("text", "band"), [("12", (12, False)), ("12px", (12, False)), ("2.5%", (2.5, True)),
                                            (" 3 % ", (3, True))])
def test_bands_are_read(text, band):
    assert Band.parse(text) == band


@pytest.mark.parametrize("text", ["", "wide", "-3", "0", "0%", "3 percent", "nan", "inf"])
def test_a_bad_band_is_named(text):
    with pytest.raises(UserError, match="--band .*: neither pixels, such as 12, nor percent"):
        Band.parse(text)


@pytest.mark.parametrize(("size", "reference", "same"), [
    ((100, 150), (1000, 1500), True), ((67, 100), (1000, 1500), True), ((66, 100), (1000, 1500), True),
    ((150, 100), (1000, 1500), False), ((100, 140), (1000, 1500), False), ((1, 1), (3000, 4000), True),
    ((100, 100), (1000, 1500), False)])
def test_the_same_aspect_allows_for_a_rounded_side(size, reference, same):
    assert same_aspect(size, reference) is same


def test_a_trimap_is_enlarged_pixel_by_pixel():
    small = np.array([[0, 128], [128, 255]], np.uint8)
    np.testing.assert_array_equal(resize_trimap(small, (6, 4)), np.kron(small, np.ones((3, 2), np.uint8)))


def test_a_reduced_trimap_loses_no_unknown_pixel():
    large = np.zeros((12, 12), np.uint8)
    large[:, 8:] = 255
    large[1, 1] = 128
    expected = np.zeros((3, 3), np.uint8)
    expected[:, 2] = 255
    expected[0, 0] = 128
    np.testing.assert_array_equal(resize_trimap(large, (3, 3)), expected)
    large[:, 8] = 0  # a pixel that covers both known values is known to be neither
    assert (resize_trimap(large, (3, 3))[:, 2] == 128).all()
