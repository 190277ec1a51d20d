"""What is done to a training sample, against hand-computed numbers and a direct transcription of the specification."""
import cv2
import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import distance_transform_edt

from matting.compositing import cover_background, cover_background_crop
from matting.dataset.foreground_cache import DecodedForeground
from matting.transforms import (
    NEAREST,
    draw_crop,
    draw_flip,
    draw_radius,
    enlarged_size,
    fit,
    fit_trimap,
    normalise,
    to_float,
)
from matting.trimap import TRIMAP_RULES, make_trimap, trimap_within
from tests.tiny_data import matte, photograph, tiny_config

SIZE, SCALES = 64, (1, 1.5, 2)


def foreground(height, width):
    return DecodedForeground.measure(np.zeros((height, width, 3), np.uint8), matte(height, width), "distance")


def distances(height, width):
    alpha = matte(height, width)
    return distance_transform_edt((alpha == 0) | (alpha == 255))


def transcribed(distance, rng, radii=(1, 19)):
    """The specification's sentences in their order, on the whole image -> radius, side, centre row, centre column.

    The centre is moved so that the crop lies inside.
    """
    radius = rng.integers(radii[0], radii[1] + 1)
    unknown = distance <= radius
    sides = [side for side in (64, 96, 128) if side <= min(distance.shape)]
    side = sides[rng.integers(len(sides))]
    rows, columns = np.nonzero(unknown)
    pixel = rng.integers(len(rows))
    return radius, side, *(np.clip(centre[pixel], side // 2, size - side // 2)
                           for centre, size in zip((rows, columns), distance.shape, strict=True))


def drawn(decoded, rng):
    """The same from the code under test."""
    radius = draw_radius(rng)
    rows, columns = draw_crop(decoded, radius, SIZE, SCALES, rng)
    assert rows.stop - rows.start == columns.stop - columns.start
    return radius, rows.stop - rows.start, (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2


@pytest.mark.parametrize("size", [(150, 200), (100, 130), (64, 300)])
def test_choices_equal_the_specification_draw_by_draw(size):
    distance, decoded = distances(*size), foreground(*size)
    for seed in range(300):
        assert drawn(decoded, np.random.default_rng(seed)) == transcribed(distance, np.random.default_rng(seed))


def test_choices_have_the_documented_distribution():
    """From unlike seeds; a narrower range of radii does not pass for the documented one."""
    distance, decoded, rng, unlike = distances(140, 200), foreground(140, 200), *np.random.default_rng(1).spawn(2)
    ours = [drawn(decoded, rng) for _ in range(3000)]
    assert same_distribution(ours, [transcribed(distance, unlike) for _ in range(3000)])
    assert not same_distribution(ours, [transcribed(distance, unlike, radii=(1, 15)) for _ in range(3000)])
    radii, sides, *_ = zip(*ours, strict=True)
    assert stats.chisquare(np.bincount(radii, minlength=20)[1:]).pvalue > 1e-4
    assert stats.chisquare([sides.count(side) for side in (64, 96, 128)]).pvalue > 1e-4


def same_distribution(ours, theirs):
    """Radius, side, centre row and centre column, each by a two-sample Kolmogorov-Smirnov test."""
    return all(stats.ks_2samp(a, b).pvalue > 1e-4
               for a, b in zip(np.transpose(ours), np.transpose(theirs), strict=True))


def test_every_unknown_pixel_is_equally_likely():
    decoded = foreground(20, 30)
    unknown = make_trimap(decoded.alpha, 2) == 128
    rng, counts = np.random.default_rng(3), np.zeros((20, 30))
    for _ in range(50 * unknown.sum()):
        counts[decoded.unknown_pixel(2, rng)] += 1
    assert not counts[~unknown].any()
    assert stats.chisquare(counts[unknown]).pvalue > 1e-4


def test_only_sizes_that_fit_are_drawn():
    rng, decoded = np.random.default_rng(0), foreground(100, 300)
    assert {drawn(decoded, rng)[1] for _ in range(50)} == {64, 96}


def test_part_of_the_distances_gives_part_of_the_trimap():
    decoded, crop = foreground(90, 120), (slice(11, 75), slice(30, 94))
    for radius in (1, 7, 19):
        part = trimap_within(decoded.alpha[crop], decoded.distance[crop], radius)
        assert np.array_equal(part, make_trimap(decoded.alpha, radius)[crop])


def test_trimaps_do_not_depend_on_threads():
    """OpenCV gives 5.0000005 for 5 with one thread; the reference is SciPy's exact transform."""
    alpha = np.zeros((200, 300), np.uint8)
    alpha[np.random.default_rng(0).random(alpha.shape) < 0.002] = 100
    exact = distance_transform_edt(alpha == 0)
    threads = cv2.getNumThreads()
    try:
        for count in (1, 2):
            cv2.setNumThreads(count)
            for radius in range(1, 20):
                assert np.array_equal(make_trimap(alpha, radius) == 128, exact <= radius)
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize(("size", "enlarged"), [
    ((320, 900), (320, 900)), ((319, 638), (500, 1000)), ((640, 160), (2000, 500)), ((300, 200), (750, 500))])
def test_short_sides_under_320_become_500(size, enlarged):
    assert enlarged_size(*size, input_size=320) == enlarged


def test_enlarging_follows_the_input_size():
    assert enlarged_size(50, 90, input_size=64) == (100, 180)
    assert min(enlarged_size(400, 400, input_size=512)) == 800


def test_cubic_overshoot_saturates():
    step = np.zeros((96, 96), np.uint8)
    step[:, 48:] = 255
    unclipped = cv2.resize(step.astype(np.float32) / 255, (64, 64), interpolation=cv2.INTER_CUBIC)
    assert unclipped.min() < -0.01 and unclipped.max() > 1.01
    result = to_float(fit(step, 64, flip=False))
    assert result.dtype == np.float32 and result.min() == 0 and result.max() == 1
    assert np.abs(result - unclipped.clip(0, 1)).max() <= 0.5 / 255 + 1e-6


def test_crops_of_the_networks_size_keep_their_pixels():
    crop = np.arange(64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    crop.flags.writeable = False
    assert np.array_equal(fit(crop, 64, flip=False), crop)
    assert np.array_equal(fit(crop, 64, flip=True), crop[:, ::-1])
    assert np.array_equal(to_float(crop), crop.astype(np.float32) * np.float32(1 / 255))
    assert np.array_equal(to_float(crop[:, :, 0]), to_float(crop)[:, :, 0])


def test_trimap_values_do_not_mix():
    trimap = make_trimap(matte(128, 128), 3)
    assert set(np.unique(fit(trimap, 64, flip=False, interpolation=NEAREST))) == {0, 128, 255}
    assert set(np.unique(fit(trimap, 64, flip=False))) > {0, 128, 255}


def speck(height, width, row, column, known=0):
    """A matte of one soft pixel."""
    alpha = np.full((height, width), known, np.uint8)
    alpha[row, column] = 100
    return alpha


FEW_SOFT_PIXELS = {
    "in a corner": speck(150, 200, 1, 1),
    "at a border": speck(150, 200, 149, 77),
    "in the opaque": speck(150, 200, 3, 99, known=255),
    "in a crop as large as the image": speck(128, 128, 65, 63),
    "two": speck(150, 200, 1, 1) + speck(150, 200, 147, 199),
}


@pytest.mark.parametrize("rule", TRIMAP_RULES)
@pytest.mark.parametrize("alpha", FEW_SOFT_PIXELS.values(), ids=FEW_SOFT_PIXELS)
def test_no_crop_loses_its_last_unknown_pixel(alpha, rule):
    decoded, lost = DecodedForeground.measure(np.zeros((*alpha.shape, 3), np.uint8), alpha, rule), 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        radius = draw_radius(rng)
        crop = draw_crop(decoded, radius, SIZE, SCALES, rng)
        alpha_crop, distance = decoded.alpha[crop], decoded.distance[crop]
        trimap = fit_trimap(alpha_crop, distance, radius, SIZE, flip=False)
        nearest = fit(trimap_within(alpha_crop, distance, radius), SIZE, flip=False, interpolation=NEAREST)
        if (nearest == 128).any():
            assert np.array_equal(trimap, nearest)
        else:
            lost += 1
            assert (trimap == 128).any() and np.array_equal(np.where(trimap == 128, nearest, trimap), nearest)
        assert np.array_equal(fit_trimap(alpha_crop, distance, radius, SIZE, flip=True), trimap[:, ::-1])
    assert lost, "this matte does not try what it is for"


def test_unknown_pixels_between_the_nearest_ones_stay_where_they_were():
    """Of 96 pixels in 64 every third is left out: row 5 and column 2, which row 3 and column 1 stand for."""
    alpha = speck(96, 96, 5, 2)
    distance = TRIMAP_RULES["distance"](alpha)
    for array in (alpha, distance):
        array.flags.writeable = False
    radius_of_none = 0
    assert np.argwhere(fit_trimap(alpha, distance, radius_of_none, 64, flip=False) == 128).tolist() == [[3, 1]]
    assert np.argwhere(fit_trimap(alpha, distance, radius_of_none, 64, flip=True) == 128).tolist() == [[3, 62]]


def test_half_of_the_samples_are_mirrored():
    rng = np.random.default_rng(0)
    assert 920 < sum(draw_flip(rng) for _ in range(2000)) < 1080  # 3.6 standard deviations


def test_normalisation_by_hand(tmp_path):
    image = np.zeros((2, 1, 3), np.float32)
    image[0, 0] = 1, 0.5, 0
    image.flags.writeable = False
    trimap = np.array([[128], [255]], np.uint8)
    result = normalise(image, trimap, tiny_config(tmp_path))
    assert result.dtype == np.float32
    expected = [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225, 128 / 255]
    assert np.allclose(result[:, 0, 0], expected, atol=1e-6)
    assert result[3, 1, 0] == 1


def test_normalisation_follows_img_scale(tmp_path):
    config = tiny_config(tmp_path, img_scale=1, img_mean=[10, 20, 30, 128], img_std=[1, 2, 4, 1])
    result = normalise(np.ones((1, 1, 3), np.float32), np.full((1, 1), 128, np.uint8), config)
    assert np.allclose(result[:, 0, 0], [245, 117.5, 56.25, 0])


@pytest.mark.parametrize("background", [(60, 70), (160, 90), (110, 400), (300, 300)])
def test_a_part_of_a_background_is_part_of_the_whole(background):
    pixels = photograph(*background, np.random.default_rng(0))
    pixels.flags.writeable = False
    whole = cover_background(pixels, 150, 200).astype(int)
    assert whole.shape == (150, 200, 3)
    for top, left, side in ((0, 0, 150), (86, 136, 64), (20, 5, 96), (0, 136, 64)):
        crop = slice(top, top + side), slice(left, left + side)
        difference = np.abs(cover_background_crop(pixels, 150, 200, crop) - whole[crop])
        assert difference.max() <= (0 if background == (300, 300) else 1)
        assert (difference > 0).mean() < 1e-3
