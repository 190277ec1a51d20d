"""Windows of bounded size give what one whole pass gives, without seams, at a cost that follows the unknown area."""
import cv2
import numpy as np
import pytest

from matting.config import Config
from matting.tiling import Span, estimate_in_windows, fading, plan_windows, reflect, window_for

CONFIG = Config()


def picture(height, width, seed=0):
    """(H, W, 3) uint8, noise, so that a pixel's place is told by its neighbourhood."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image.flags.writeable = False
    return image


def red(batch):
    return batch[:, :1] * np.float32(0.229) + np.float32(0.485)


def blur(radius):
    """A network whose output at a pixel depends on what lies up to `radius` away, and on nothing else."""
    def predict(batch):
        return cv2.blur(red(batch)[0, 0], (2 * radius + 1, 2 * radius + 1))[None, None]

    return predict


def counted(predict, sizes):
    def counting(batch):
        sizes.append(batch.shape[2:])
        return predict(batch)

    return counting


def all_unknown(height, width):
    return np.full((height, width), 128, np.uint8)


def ring(size, band):
    trimap = np.zeros((size, size), np.uint8)
    cv2.circle(trimap, (size // 2, size // 2), size // 3, 255, -1)
    cv2.circle(trimap, (size // 2, size // 2), size // 3, 128, band)
    return trimap


def test_windows_by_hand():
    """100 pixels in windows of 64 with margins of 16: cores from 0 to 48, 48 to 80, and the rest at the border."""
    expected = [Span(0, 64, 0, 48), Span(32, 96, 48, 80), Span(64, 100, 80, 100)]
    planned = plan_windows(np.ones((100, 100), bool), (64, 64), 16)
    assert planned == [(rows, columns) for rows in expected for columns in expected]


def test_windows_start_at_what_is_unknown():
    unknown = np.zeros((500, 500), bool)
    unknown[200:230, 300:320] = True
    assert plan_windows(unknown, (128, 128), 16) == [(Span(160, 288, 176, 272), Span(256, 384, 272, 368))]
    assert plan_windows(np.zeros((500, 500), bool), (64, 64), 16) == []


@pytest.mark.parametrize("seed", range(12))
def test_every_unknown_pixel_lies_in_a_core(seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 400, 2)
    unknown = rng.random(size) < rng.choice([0.001, 0.1, 0.9])
    window = tuple(32 * rng.integers(1, 6, 2))
    covered = np.zeros(size, int)
    for rows, columns in plan_windows(unknown, window, int(rng.integers(0, 80))):
        core = np.s_[rows.core_start:rows.core_stop, columns.core_start:columns.core_stop]
        assert unknown[core].any()
        covered[core] += 1
        for span, side, length in zip((rows, columns), window, size, strict=True):
            assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= length
            assert span.stop == min(span.start + side, length) and span.start % 32 == 0
    assert (covered[unknown] > 0).all()


def test_shares_by_hand():
    """A margin of 4 on the left: what is 1 beyond the core counts two thirds, 2 beyond a third, more nothing."""
    np.testing.assert_allclose(fading(Span(10, 18, 14, 18)), [0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(fading(Span(0, 8, 0, 4)), [1, 1, 1, 1, 2 / 3, 1 / 3, 0, 0], atol=1e-6)
    assert (fading(Span(0, 8, 0, 8)) == 1).all()


@pytest.mark.parametrize("size", [(150, 210), (210, 150), (64, 300), (33, 300), (300, 20), (1, 1), (1, 200)])
def test_windows_give_what_the_whole_gives(size):
    """A network that sees no farther than half of the margin cannot tell a window from the whole."""
    image, trimap = picture(*size), all_unknown(*size)
    whole = estimate_in_windows(blur(7), image, trimap, CONFIG, tuple(-(-side // 32) * 32 for side in size))
    sizes = []
    alpha = estimate_in_windows(counted(blur(7), sizes), image, trimap, CONFIG, (64, 96), margin=16)
    assert set(sizes) == {(64, 96)}
    assert alpha.shape == size and alpha.dtype == np.float32
    inside = tuple(slice(0, max(1, side - 7)) for side in size)  # what lies nearer to a filled-up end sees its filling
    assert abs(alpha - whole)[inside].max() < 1e-5


def test_a_network_that_sees_farther_can():
    image, trimap = picture(150, 210), all_unknown(150, 210)
    whole = estimate_in_windows(blur(20), image, trimap, CONFIG, (160, 224))
    alpha = estimate_in_windows(blur(20), image, trimap, CONFIG, (64, 64), margin=16)
    assert abs(alpha - whole).max() > 1e-2


@pytest.mark.parametrize("size", [(45, 70), (64, 64), (31, 33)])
def test_nothing_is_resized(size):
    """A network that returns its red channel returns the image's, exactly, whatever the window."""
    image = picture(*size)
    for window in ((64, 96), (96, 96), (32, 32)):
        alpha = estimate_in_windows(red, image, all_unknown(*size), CONFIG, window)
        assert abs(alpha - image[:, :, 0] / 255).max() < 1e-6


def test_no_seam_shows_where_windows_disagree():
    """Each window says another constant: the result passes from one to the next by steps of the fading, not at once."""
    calls = iter(np.tile([0.0, 1.0], 50))

    def disagreeing(batch):
        return np.full_like(batch[:, :1], next(calls))

    alpha = estimate_in_windows(disagreeing, picture(64, 300), all_unknown(64, 300), CONFIG, (64, 128), margin=32)
    assert {alpha.min(), alpha.max()} == {0, 1}
    assert 0 < abs(np.diff(alpha, axis=1)).max() <= 1 / 17 + 1e-6  # half of the margin and one


def test_known_pixels_cost_nothing_and_stay():
    sizes, trimap = [], ring(640, 8)
    alpha = estimate_in_windows(counted(red, sizes), picture(640, 640), trimap, CONFIG, (128, 128), margin=32)
    assert (alpha[trimap == 0] == 0).all() and (alpha[trimap == 255] == 1).all()
    assert len(sizes) < 0.6 * len(plan_windows(np.ones((640, 640), bool), (128, 128), 32))
    half = trimap.copy()
    half[320:][half[320:] == 128] = 0
    assert len(plan_windows(half == 128, (128, 128), 32)) <= 2 / 3 * len(sizes)
    known = np.where(trimap == 128, np.uint8(0), trimap)
    np.testing.assert_array_equal(estimate_in_windows(None, picture(640, 640), known, CONFIG, (128, 128)), known / 255)


@pytest.mark.parametrize(("size", "window"), [
    ((900, 1000), (928, 1024)), ((1024, 1024), (1024, 1024)), ((3000, 4000), (1024, 1024)), ((500, 4000), (512, 2048)),
    ((4000, 20), (4000, 32)), ((60000, 20), (32768, 32))])
def test_windows_hold_the_whole_where_it_fits(size, window):
    assert window_for(size, 1024 * 1024) == window


def test_filling_up_mirrors():
    rows = np.arange(3, dtype=np.uint8)[:, None]
    assert reflect(np.repeat(rows, 2, axis=1), (7, 2))[:, 0].tolist() == [0, 1, 2, 1, 0, 1, 2]
    assert (reflect(np.full((1, 1, 3), 9, np.uint8), (32, 64)) == 9).all()


def test_inputs_are_not_altered():
    image, trimap = picture(70, 70), ring(70, 5)
    trimap.flags.writeable = False
    estimate_in_windows(red, image, trimap, CONFIG, (32, 32))
