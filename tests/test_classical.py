"""Mattes without a network: what pymatting's methods find, when they are computed, how they end badly; and as flags."""
import logging

import numpy as np
import pymatting
import pytest

import matting.__main__
from matting import classical
from matting.classical import METHODS, Classical, Method, Store, estimate_alpha
from matting.errors import UserError
from matting.estimation import Scale
from matting.images.reading import read_alpha
from tests.tiny_images import trimap_of, write_pair


def ramp(height=24, width=36):
    """A photograph of a white object before black whose alpha grows evenly from left to right, and its trimap."""
    alpha = np.clip((np.arange(width) - width // 4) / (width - 2 * (width // 4)), 0, 1).astype(np.float32)
    alpha = np.tile(alpha, (height, 1))
    image = np.dstack([np.rint(255 * alpha).astype(np.uint8)] * 3)
    image.flags.writeable = False
    return image, trimap_of(height, width), alpha


@pytest.fixture
def counted(monkeypatch):
    """A list that grows with each call of a method of pymatting, which then guesses 0.25."""
    calls = []

    def guess(image, trimap):
        assert image.dtype == trimap.dtype == np.float64 and 0 <= image.min() <= image.max() <= 1
        calls.append(image.shape)
        return np.full(trimap.shape, 0.25)

    for row in METHODS.values():
        monkeypatch.setattr(pymatting, row.function, guess)
    return calls


def test_closed_form_finds_the_alpha_of_a_colour_line():
    """Where all colours lie on one line between black and white, the grey is the alpha, and closed-form finds it."""
    image, trimap, alpha = ramp()
    assert abs(estimate_alpha("closed_form", image, trimap) - alpha)[trimap == 128].max() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_a_hard_edge_is_found(method):
    image, trimap, alpha = ramp()
    found = estimate_alpha(method, np.where(image > 127, np.uint8(220), np.uint8(30)), trimap)
    assert found.dtype == np.float32 and set(found[trimap != 128]) == {0, 1}
    sure = abs(alpha - 0.5) > 0.1
    np.testing.assert_allclose(found[sure], alpha[sure] > 0.5, atol=0.05)


def test_each_method_is_pymattings_own(monkeypatch):
    image, trimap, _ = ramp()
    for value, row in enumerate(METHODS.values()):
        monkeypatch.setattr(pymatting, row.function, lambda *_, value=value: np.full(trimap.shape, 0.2 + value / 4))
    found = [estimate_alpha(method, image, trimap)[0, 18] for method in ("closed_form", "knn")]
    assert found == pytest.approx([0.2, 0.45])
    assert [row.function for row in METHODS.values()] == ["estimate_alpha_cf", "estimate_alpha_knn"]


def test_a_trimap_known_everywhere_is_its_own_matte(counted):
    image, trimap, _ = ramp()
    known = np.where(trimap == 128, 255, trimap).astype(np.uint8)
    np.testing.assert_array_equal(estimate_alpha("knn", image, known), known == 255)
    assert not counted


@pytest.mark.parametrize(("lacking", "name"), [(0, "background"), (255, "foreground")])
def test_a_trimap_without_one_side_is_one_line(lacking, name):
    image, trimap, _ = ramp()
    with pytest.raises(UserError, match=rf"^closed_form: the trimap has no {name} \({lacking}\) to start from"):
        estimate_alpha("closed_form", image, np.where(trimap == lacking, 128, trimap).astype(np.uint8))


@pytest.mark.parametrize("error", [ValueError("did not converge\nat all"), ZeroDivisionError(), MemoryError()])
def test_what_pymatting_raises_is_one_line(monkeypatch, error):
    image, trimap, _ = ramp()

    def fail(*_):
        raise error

    monkeypatch.setattr(pymatting, "estimate_alpha_knn", fail)
    with pytest.raises(UserError, match="^knn.*(did not converge|ZeroDivisionError|not enough memory)") as raised:
        estimate_alpha("knn", image, trimap)
    assert "\n" not in str(raised.value)
    monkeypatch.setattr(pymatting, "estimate_alpha_knn", lambda *_: np.full(trimap.shape, np.nan))
    with pytest.raises(UserError, match="knn: found no alpha that is finite"):
        estimate_alpha("knn", image, trimap)


def test_a_large_photograph_is_reduced_and_said_so(counted, monkeypatch, caplog):
    image, trimap, _ = ramp()
    monkeypatch.setitem(METHODS, "knn", Method("estimate_alpha_knn", 18))
    with caplog.at_level(logging.INFO):
        alpha = Classical("knn").alpha(image, trimap)
    assert counted == [(12, 18, 3)] and "reduced to 18 pixels; --max_side says otherwise" in caplog.text
    assert alpha.shape == trimap.shape and set(alpha[trimap != 128]) == {0, 1}
    Classical("knn").alpha(image, trimap, Scale(max_side=24))
    Classical("knn").alpha(image, trimap, Scale(max_side=36))
    assert counted[1:] == [(16, 24, 3), (24, 36, 3)]


# --- the store --------------------------------------------------------------

def test_nothing_is_computed_twice(counted, tmp_path):
    image, trimap, _ = ramp()
    first, seconds = Store(tmp_path / "new").matte("knn", image, trimap)
    again, same_seconds = Store(tmp_path / "new").matte("knn", image, trimap)
    assert len(counted) == 1 and seconds == same_seconds > 0
    np.testing.assert_array_equal(first, np.where(trimap == 128, 64, trimap))  # 0.25, rounded
    np.testing.assert_array_equal(again, first)


def test_another_image_trimap_or_method_is_computed(counted, tmp_path):
    image, trimap, _ = ramp()
    store = Store(tmp_path)
    other_image, other_trimap = image.copy(), trimap.copy()
    other_image[0, 0, 0] += 1
    other_trimap[:, 9] = 0
    for arguments in (("knn", image, trimap), ("closed_form", image, trimap), ("knn", other_image, trimap),
                      ("knn", image, other_trimap)):
        store.matte(*arguments)
    assert len(counted) == 4


def test_a_damaged_entry_is_computed_again(counted, tmp_path):
    image, trimap, _ = ramp()
    expected, _ = Store(tmp_path).matte("knn", image, trimap)
    entry, = tmp_path.iterdir()
    for content in (entry.read_bytes()[:-30], b""):
        entry.write_bytes(content)
        np.testing.assert_array_equal(Store(tmp_path).matte("knn", image, trimap)[0], expected)
    assert len(counted) == 3


# --- matte --method ---------------------------------------------------------

def test_matte_needs_no_weights_for_a_classical_method(counted, tmp_path, caplog):
    pair = write_pair(tmp_path, "cat")
    with caplog.at_level(logging.INFO):
        matting.__main__.main([str(pair.image), str(pair.trimap), "--method", "knn", "-o", str(tmp_path / "out")])
    assert len(counted) == 1 and "(by knn)" in caplog.text
    trimap = trimap_of(45, 70)
    np.testing.assert_array_equal(read_alpha(tmp_path / "out" / "cat_alpha.png"), np.where(trimap == 128, 64, trimap))


def test_an_unknown_method_is_refused(capsys):
    with pytest.raises(SystemExit, match="^2$"):
        matting.__main__.main(["a.jpg", "b.png", "--method", "magic"])
    assert "invalid choice: 'magic'" in capsys.readouterr().err


def test_without_weights_matte_says_which_can_be_had(capsys, nothing_shipped):
    with pytest.raises(SystemExit, match="^2$"):
        matting.__main__.main(["a.jpg", "b.png"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: --ckpt_url is missing") and "docs/weights.md" in line and "--method knn" in line


def test_the_rows_are_what_the_flag_takes():
    assert list(classical.METHODS) == ["closed_form", "knn"] and classical.NETWORK not in classical.METHODS
