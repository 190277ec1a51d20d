"""Metrics against hand-computed cases, a slow transcription, and what the field's two evaluation programs print."""
import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import baseline_metrics
from benchmarks.metrics import make_mattes
from matting.images.reading import read_alpha
from matting.metrics import (
    METRICS,
    PROTOCOLS,
    STEPS,
    _connected_steps,
    connectivity_error,
    evaluate,
    gradient_error,
    largest_component,
    mse,
    sad,
    stretch,
    unknown_tiles,
)

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "metric-golden"
RELATIVE = {"release": 1e-6, "adobe": 1e-5}  # to the golden values, whose programs themselves round differently
NOTHING = dict.fromkeys(METRICS, 0)


def tiny():
    """The golden set's drawn case: a step edge of 128, and a predicted patch of 77 across it."""
    alpha = np.zeros((12, 16), np.uint8)
    alpha[:, 6:8], alpha[:, 8:] = 128, 255
    prediction = alpha.copy()
    prediction[3:6, 5:9] = 77
    trimap = np.zeros_like(alpha)
    trimap[:, 3:13], trimap[:, 13:] = 128, 255
    return prediction / np.float32(255), alpha / np.float32(255), trimap


def unknown_square(shape=(12, 16), side=8):
    unknown = np.zeros(shape, bool)
    unknown[:side, :side] = True
    return unknown


def everywhere(alpha):
    return unknown_tiles(np.ones(alpha.shape, bool))


def protocols(test):
    return pytest.mark.parametrize("protocol", PROTOCOLS)(test)


# --- by hand ----------------------------------------------------------------

def test_64_unknown_pixels_half_against_one():
    mattes = np.full((12, 16), 0.5, np.float32), np.ones((12, 16), np.float32)
    tiles = unknown_tiles(unknown_square())
    assert sad(*mattes, tiles) == 0.032
    assert mse(*mattes, tiles) == 0.25


@protocols
def test_constant_mattes_are_not_stretched_to_equality(protocol):
    trimap = np.where(unknown_square(), 128, 255).astype(np.uint8)
    values = evaluate(np.full((12, 16), 0.5, np.float32), np.ones((12, 16), np.float32), trimap, protocol)
    # connected up to 0.5: the prediction exceeds that by 0, alpha by 0.5
    assert values == {"sad": 0.032, "mse": 0.25, "grad": 0, "conn": 0.032}


def test_stretching_maps_own_range_to_0_and_1():
    np.testing.assert_array_equal(stretch(np.array([[0.25, 0.5], [0.375, 0.75]])), [[0, 0.5], [0.25, 1]])
    np.testing.assert_array_equal(stretch(np.full((2, 2), 0.3)), np.full((2, 2), 0.3))


def test_release_stretches_every_metric_and_adobe_none_but_the_gradient():
    _, alpha, trimap = tiny()
    release, adobe = (evaluate(0.5 * alpha + 0.25, alpha, trimap, protocol) for protocol in ("release", "adobe"))
    assert release == pytest.approx(NOTHING, abs=1e-8)
    assert adobe["grad"] == pytest.approx(0, abs=1e-8)
    assert adobe["sad"] > 0.01 and adobe["conn"] > 0.01


def test_gradient_of_a_slope():
    """A slope of 1/16 a pixel beside a flat matte, far from its border: every pixel differs by 1/16."""
    alpha = np.zeros((40, 17), np.float32)
    slope = np.tile(np.arange(17, dtype=np.float32) / 16, (40, 1))
    unknown = np.zeros(alpha.shape, bool)
    unknown[10:30, 8] = True
    assert gradient_error(slope, alpha, unknown_tiles(unknown), "release") == pytest.approx(20 / 16**2 / 10, rel=1e-3)


def test_connectivity_follows_the_largest_component():
    """Two blobs joined by a bridge of 0.5: above it the smaller blob is cut off at level 0.5."""
    alpha = np.zeros((5, 12), np.float32)
    alpha[:, :6] = 1
    alpha[2, 6:9] = 0.5
    alpha[:, 9:] = 1
    prediction = alpha.copy()
    prediction[0, 11] = 0.8  # in the smaller blob: level 0.5, so 0.8 exceeds it by 0.3 and the true 1 by 0.5
    assert connectivity_error(prediction, alpha, everywhere(alpha)) == pytest.approx(0.2 / 1000, rel=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_value_of_n_tenths_reaches_step_n(kind):
    """Binary has no 0.3, 0.6, 0.7: level n / 10, so nothing is exceeded; a step missed would cost 0.1 at n = 2."""
    for n in range(1, STEPS + 1):
        assert (np.array([n / 10], kind) * STEPS).astype(np.uint8) == n
        below = np.nextafter(np.float32(n / 10), np.float32(0))
        assert (np.array([below]) * STEPS).astype(np.uint8) == n - 1


def test_an_eight_bit_fifth_reaches_its_step():
    alpha = np.full((8, 8), 51, np.uint8) / np.float32(255)
    prediction = alpha + np.float32(0.151)
    # both are connected up to 0.2, so the prediction exceeds it by 0.151 and alpha by 0
    assert connectivity_error(prediction, alpha, everywhere(alpha)) == pytest.approx(64 * 0.151 / 1000, rel=1e-5)


# --- degenerate -------------------------------------------------------------

@protocols
def test_everything_is_0_where_nothing_is_unknown(protocol):
    prediction, alpha, trimap = tiny()
    assert evaluate(prediction, alpha, np.where(trimap == 128, 255, trimap), protocol) == NOTHING


@protocols
def test_everything_is_0_for_the_truth(protocol):
    _, alpha, trimap = tiny()
    assert evaluate(alpha, alpha, trimap, protocol) == NOTHING


def test_without_a_common_component_every_pixel_is_connected_at_0_only():
    alpha = np.full((8, 8), 0.75, np.float32)
    alpha[:, 4:] = 0
    prediction = alpha[:, ::-1]
    # each pixel is 0.75 in one matte and 0 in the other, level 0
    assert connectivity_error(prediction, alpha, everywhere(alpha)) == pytest.approx(64 * 0.75 / 1000)


@protocols
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5), (300, 2)])
def test_images_smaller_than_the_kernels(protocol, shape):
    rng = np.random.default_rng(3)
    prediction, alpha = rng.random((2, *shape)).astype(np.float32)
    trimap = np.full(shape, 128, np.uint8)
    if alpha.size == 1:
        assert evaluate(prediction, alpha, trimap, protocol)["grad"] == 0
    else:
        expected = baseline_metrics.evaluate(prediction, alpha, trimap, protocol)
        assert evaluate(prediction, alpha, trimap, protocol) == pytest.approx(expected, rel=1e-6)


# --- against the transcription ----------------------------------------------

def noisy(rng, amplitude, kind, size=(150, 270)):
    """(prediction, alpha, trimap), the prediction being the truth and noise."""
    _, alpha, trimap = make_mattes(rng, size)
    return np.clip(alpha + amplitude * rng.standard_normal(size), 0, 1).astype(kind), alpha.astype(kind), trimap


@protocols
@pytest.mark.parametrize("amplitude", [0.3, 0.01, 1e-3])  # down to a grey level's quarter: digits must not cancel
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_equals_the_transcription(protocol, amplitude, kind):
    for seed in range(3):
        prediction, alpha, trimap = noisy(np.random.default_rng(seed), amplitude, kind)
        expected = baseline_metrics.evaluate(prediction.astype(np.float64), alpha.astype(np.float64), trimap, protocol)
        assert evaluate(prediction, alpha, trimap, protocol) == pytest.approx(expected, rel=1e-6)


@protocols
def test_equals_the_transcription_on_a_plausible_prediction(protocol):
    inputs = make_mattes(np.random.default_rng(0), (200, 300))
    assert evaluate(*inputs, protocol) == pytest.approx(baseline_metrics.evaluate(*inputs, protocol), rel=1e-6)


def test_largest_component_is_exact_where_the_guess_fails():
    """Checkered noise, and a thin largest component that the coarse grid misses, against scikit-image's labels."""
    rng = np.random.default_rng(1)
    thin = np.zeros((90, 200), np.uint8)
    thin[32:48, 32:48] = 1  # 256 pixels, on the grid
    thin[60, :] = thin[61:, 7] = thin[61:, 77] = 1  # 258 pixels, off it
    for pixels in (thin, *((rng.random((90, 200)) < density).astype(np.uint8) for density in (0.1, 0.4, 0.6, 0.9))):
        labels = baseline_metrics.measure.label(pixels, connectivity=1)
        sizes = np.bincount(labels.ravel())
        expected = labels == 1 + sizes[1:].argmax()
        np.testing.assert_array_equal(largest_component(pixels, 1), expected)


def test_connected_steps_are_exact_where_components_change_places():
    """Noise at every density of each step, and two blobs that are the largest in turn, step by step in scikit-image."""
    rng = np.random.default_rng(2)
    turns = np.zeros((40, 80), np.uint8)
    turns[:, :20] = 10
    turns[20:, 30:] = 7  # larger than the first, up to step 7
    turns[4:6, 15:35] = 3
    for reached in (turns, turns[:, ::-1], *(rng.integers(0, 11, (60, 90)).astype(np.uint8) // divisor
                                             for divisor in (1, 2, 4))):
        expected, held = np.zeros_like(reached), np.ones(reached.shape, bool)
        for step in range(1, STEPS + 1):
            labels = baseline_metrics.measure.label(reached >= step, connectivity=1)
            sizes = np.bincount(labels.ravel())[1:]
            held &= (labels == 1 + sizes.argmax()) if sizes.size else False
            expected += held
        np.testing.assert_array_equal(_connected_steps(reached), expected)


def test_values_do_not_vary_with_the_arrays_address():
    prediction, alpha, trimap = noisy(np.random.default_rng(2), 0.1, np.float32)
    values = {tuple(evaluate(prediction.copy(), alpha.copy(), trimap, "release").values()) for _ in range(20)}
    assert len(values) == 1


def test_values_do_not_depend_on_threads_or_memory_layout():
    prediction, alpha, trimap = noisy(np.random.default_rng(2), 0.1, np.float32)
    expected = evaluate(prediction, alpha, trimap, "release")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    values = evaluate(np.asfortranarray(prediction), alpha[::-1].copy()[::-1], np.asfortranarray(trimap), "release")
    cv2.setNumThreads(threads)
    assert values == pytest.approx(expected, rel=1e-7)


@protocols
def test_inputs_are_not_altered(protocol):
    mattes = noisy(np.random.default_rng(0), 0.1, np.float32, (40, 50))
    for array in mattes:
        array.flags.writeable = False
    evaluate(*mattes, protocol)


# --- what the field's programs print ----------------------------------------

@protocols
def test_tiny_case_of_the_golden_set(protocol):
    printed = {
        "adobe": (0.00419999985, 0.0164609775, 0.00782500362, 0.00421764708),
        "release": (0.00419999981, 0.0164609775, 0.00808898658, 0.00421764708),
    }[protocol]
    assert tuple(evaluate(*tiny(), protocol).values()) == pytest.approx(printed, rel=RELATIVE[protocol])


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="shared/data/metric-golden is not beside this checkout")
@protocols
def test_golden_set_is_reproduced(protocol):
    with (GOLDEN / "values.csv").open() as file:
        for row in csv.DictReader(file):
            prediction, alpha, trimap = (read_alpha(GOLDEN / f"{row['case']}_{kind}.png")
                                         for kind in ("pred", "alpha", "trimap"))
            values = evaluate(prediction / np.float32(255), alpha / np.float32(255), trimap, protocol)
            printed = {name: float(row[f"{protocol}_{name}"]) for name in METRICS}
            assert values == pytest.approx(printed, rel=RELATIVE[protocol]), row["case"]
            wrong = dict(printed, grad=printed["grad"] * (1 + 2 * RELATIVE[protocol]))
            assert values != pytest.approx(wrong, rel=RELATIVE[protocol] / 2), row["case"]
