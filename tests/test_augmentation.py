"""What varies training samples, against numbers worked out by hand; unknown regions that only ever grow."""
import cv2
import numpy as np
import pytest

from matting import augmentation, unknown_regions
from matting.augmentation import colour_matrix, draw_geometry, draw_place, draw_scale, join, vary, warp
from matting.compositing import composite
from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN, make_trimap
from tests.tiny_data import matte, photograph

SIZE = 64


def read_only(pixels):
    pixels.flags.writeable = False
    return pixels


class Constant:
    """A generator whose random numbers are all `value`."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


class TestGeometry:
    @pytest.mark.parametrize("seed", range(20))
    def test_the_samples_middle_is_the_chosen_pixel(self, seed):
        rng = np.random.default_rng(seed)
        geometry = draw_geometry((30, 12), SIZE, 1.7, rng)
        assert np.allclose(geometry @ [(SIZE - 1) / 2, (SIZE - 1) / 2, 1], [12, 30])
        assert np.isclose(abs(np.linalg.det(geometry[:, :2])), 1.7**2)

    def test_half_are_mirrored_and_none_turns_too_far(self):
        rng = np.random.default_rng(0)
        linear = np.array([draw_geometry((0, 0), SIZE, 1, rng)[:, :2] for _ in range(2000)])
        assert 920 < (np.linalg.det(linear) < 0).sum() < 1080  # 3.6 standard deviations
        angles = np.arctan2(linear[:, 1, 0], linear[:, 0, 0])[np.linalg.det(linear) > 0]
        assert 0.9 * augmentation.TURN < np.abs(angles).max() <= augmentation.TURN

    def test_without_turn_and_scale_a_crop_is_copied(self):
        pixels = read_only(photograph(90, 120, np.random.default_rng(0)))
        crop = warp(pixels, np.array([[1, 0, 20], [0, 1, 10]], float), SIZE)
        assert np.array_equal(crop, pixels[10:10 + SIZE, 20:20 + SIZE])

    def test_mirrored_by_hand(self):
        pixels = np.arange(20 * 30, dtype=np.uint16).astype(np.uint8).reshape(20, 30)
        assert np.array_equal(warp(pixels, np.array([[-1, 0, 19], [0, 1, 3]], float), 8), pixels[3:11, 12:20][:, ::-1])

    def test_scales_fit_the_layer_where_they_can(self):
        rng = np.random.default_rng(0)
        scales = [draw_scale((100, 300), SIZE, (1, 1.5, 2), rng) for _ in range(500)]
        assert 0.7 <= min(scales) < 0.72 and 1.53 < max(scales) <= 100 / 64
        assert {draw_scale((32, 40), SIZE, (1, 2), rng) for _ in range(9)} == {0.5}
        for scale in scales:
            row, column = draw_place((100, 300), SIZE, scale, rng)
            assert scale * 32 - 1e-9 <= row <= 100 - scale * 32 + 1e-9
            assert scale * 32 - 1e-9 <= column <= 300 - scale * 32 + 1e-9


class TestJoining:
    def test_by_hand(self):
        """0.2 in front of 0.6: 1 - 0.8 0.4 = 0.68, of which the front one has 0.2, the other 0.48."""
        alpha, colours = join(*(read_only(layer) for layer in (
            np.full((1, 1), 51, np.uint8), np.full((1, 1, 3), 100, np.uint8),
            np.full((1, 1), 153, np.uint8), np.full((1, 1, 3), 200, np.uint8))))
        assert alpha.tolist() == [[173]]  # 173.4
        assert colours.tolist() == [[[171] * 3]]  # (0.2 100 + 0.48 200) / 0.68 = 170.6

    def test_joining_and_composing_is_composing_twice(self):
        rng = np.random.default_rng(0)
        front, back = matte(SIZE, SIZE), np.roll(matte(SIZE, SIZE), 20, axis=1)
        front_colours, back_colours, background = (photograph(SIZE, SIZE, rng)[:SIZE, :SIZE] for _ in range(3))
        size = front_colours.shape[:2]
        front, back = front[:size[0], :size[1]], back[:size[0], :size[1]]

        def over(alpha, colours, behind):
            return composite(colours / np.float32(255), behind, alpha / np.float32(255))

        behind = background / np.float32(255)
        once = over(*join(front, front_colours, back, back_colours), behind)
        twice = over(front, front_colours, over(back, back_colours, behind))
        assert np.abs(once - twice).max() < 2 / 255
        assert np.abs(over(front, front_colours, behind) - twice).max() > 0.3

    def test_where_neither_is_the_front_ones_colours_stay(self):
        nothing = np.zeros((2, 2), np.uint8)
        alpha, colours = join(nothing, np.full((2, 2, 3), 7, np.uint8), nothing, np.full((2, 2, 3), 9, np.uint8))
        assert not alpha.any() and (colours == 7).all()


class TestColours:
    def test_greys_keep_their_value_whatever_the_hue_and_saturation(self):
        for hue, saturation in ((0.7, 1), (-2, 0.3), (0, 1.5)):
            assert np.allclose(colour_matrix(hue, saturation) @ [0.4, 0.4, 0.4], 0.4)

    def test_a_third_of_the_circle_takes_red_to_green(self):
        assert np.allclose(colour_matrix(2 * np.pi / 3, 1) @ [1, 0, 0], [0, 1, 0])

    def test_without_saturation_all_is_the_mean(self):
        assert np.allclose(colour_matrix(0, 0) @ [0.9, 0.3, 0.6], 0.6)

    @pytest.mark.parametrize("change", [change for _, change in augmentation.OF_BACKGROUNDS],
                             ids=lambda change: change.__name__)
    def test_each_change_gives_a_new_picture_of_the_same_size(self, change):
        pixels = read_only(photograph(SIZE, SIZE + 40, np.random.default_rng(0)))
        changed = [change(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2)]
        assert all(picture.shape == pixels.shape and picture.dtype == np.uint8 for picture in changed)
        assert np.array_equal(changed[0], changed[1]) and not np.array_equal(changed[0], changed[2])
        assert 0.2 < np.abs(changed[0].astype(float) - pixels).mean() < 80

    def test_noise_has_its_strength_and_no_mean(self):
        grey = np.full((200, 200, 3), 128, np.uint8)
        noise = augmentation.add_noise(grey, Strong(np.random.default_rng(0))).astype(float) - 128
        assert abs(noise.mean()) < 0.2 and abs(noise.std() - 16) < 0.3
        assert abs(np.mean(noise**4) / noise.std()**4 - 2.4) < 0.1  # a triangular distribution's kurtosis; normal: 3

    def test_ways_are_taken_as_often_as_they_should_be_and_in_their_order(self):
        taken = []
        ways = [(0, lambda pixels, rng: taken.append("never")), (1, lambda pixels, rng: pixels + 1),
                (1, lambda pixels, rng: 2 * pixels)]
        assert vary(3, np.random.default_rng(0), ways) == 8 and not taken

    def test_a_foreground_softens_with_its_matte(self):
        alpha = np.zeros((SIZE, SIZE), np.uint8)
        alpha[:, 32:] = 255
        soft_alpha, soft_colours = augmentation.soften(alpha, np.dstack([alpha] * 3), Constant(1))
        assert np.array_equal(soft_colours, np.dstack([soft_alpha] * 3))
        assert ((soft_alpha > 0) & (soft_alpha < 255)).sum() > 4 * SIZE


class Strong:
    """A generator whose `random` is 1."""

    def __init__(self, rng):
        self.integers = rng.integers

    def random(self):
        return 1.0


def trimap_of(side=160, thin=5, thick=60):
    """Foreground bars, a thin and a thick one, on background, 8 unknown pixels between them and it."""
    trimap = np.full((side, side), BACKGROUND, np.uint8)
    for left, width in ((20, thin), (70, thick)):
        trimap[:, left - 8:left + width + 8] = UNKNOWN
        trimap[:, left:left + width] = FOREGROUND
    return trimap


def only_grown(before, after):
    """Whether the unknown region grew or stayed, and the known values that are left are what they were."""
    return bool((after[before == UNKNOWN] == UNKNOWN).all() and (after == before)[after != UNKNOWN].all())


class TestUnknownRegions:
    @pytest.mark.parametrize("trimap", [trimap_of(), make_trimap(matte(160, 160), 3)], ids=["bars", "ellipse"])
    def test_they_only_grow(self, trimap):
        rng, changed = np.random.default_rng(0), 0
        for _ in range(300):
            grown = unknown_regions.varied(read_only(trimap), rng)
            assert only_grown(trimap, grown)
            assert (grown == UNKNOWN).mean() <= unknown_regions.MOST
            changed += not np.array_equal(grown, trimap)
        assert 0.45 < changed / 300 < 0.65

    def test_one_that_shrank_would_be_noticed(self):
        assert not only_grown(trimap_of(), np.where(trimap_of() == UNKNOWN, np.uint8(BACKGROUND), trimap_of()))
        assert not only_grown(trimap_of(), np.where(trimap_of() == FOREGROUND, np.uint8(BACKGROUND), trimap_of()))

    def test_evenly_up_to_a_quarter_of_the_side(self):
        distance = np.tile(np.arange(160, dtype=np.float32), (160, 1))
        assert (unknown_regions.evenly(distance, Constant(1)).sum(axis=1) == 41).all()  # distances 0 to 40
        assert (unknown_regions.evenly(distance, Constant(0.5)).sum(axis=1) == 11).all()

    def test_unevenly_is_wider_here_and_narrower_there(self):
        distance = np.tile(np.arange(160, dtype=np.float32), (160, 1))
        reach = unknown_regions.unevenly(distance, np.random.default_rng(1)).sum(axis=1)
        assert reach.max() - reach.min() > 5 and reach.max() <= 41
        assert np.abs(np.diff(reach)).max() <= 4

    def test_thin_parts_are_swallowed_and_thick_ones_are_not(self):
        distance = unknown_regions._distance_to_false(trimap_of() != UNKNOWN)
        grown = unknown_regions.over_thin_parts(distance, Constant(0.25))  # 2.5 pixels around, then a disc of 5
        assert grown[80, 20:25].all()
        assert not grown[80, 80:120].any() and grown[80, 70:72].all()

    def test_boxes_are_rectangles_near_the_unknown(self):
        distance = unknown_regions._distance_to_false(trimap_of() != UNKNOWN)
        for seed in range(50):
            grown = unknown_regions.in_boxes(distance, np.random.default_rng(seed))
            count, _, boxes, _ = cv2.connectedComponentsWithStats(grown.view(np.uint8))
            assert 2 <= count <= 4
            assert boxes[1:, cv2.CC_STAT_WIDTH].max() <= 3 * (0.6 * 160 + 2)
        single = [unknown_regions.in_boxes(distance, np.random.default_rng(seed)) for seed in range(30)]
        filled = [box.sum() == np.prod(np.ptp(np.argwhere(box), axis=0) + 1) for box in single]
        assert 5 < sum(filled) < 25  # those of one box are full rectangles

    def test_what_would_leave_too_little_known_stays(self):
        trimap = np.full((160, 160), UNKNOWN, np.uint8)
        trimap[:60, :60] = BACKGROUND
        for seed in range(40):
            grown = unknown_regions.varied(trimap, np.random.default_rng(seed))
            assert (grown != UNKNOWN).mean() >= 1 - unknown_regions.MOST

    def test_a_trimap_without_unknown_pixels_is_left_alone(self):
        trimap = np.full((32, 32), FOREGROUND, np.uint8)
        assert all(unknown_regions.varied(trimap, np.random.default_rng(seed)) is trimap for seed in range(20))
