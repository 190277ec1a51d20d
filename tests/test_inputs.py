"""What a person has becomes a photograph and a trimap of one size, or one line that says which flag would take it."""
import argparse

import cv2
import numpy as np
import pytest
from PIL import Image

from matting.errors import UserError
from matting.images.writing import write_png
from matting.programs.inputs import add_arguments, read_arguments, read_input
from matting.trimap.band import Band, trimap_from_mask

SIZE = (60, 90)


def disc(size=SIZE):
    mask = np.zeros(size, np.uint8)
    cv2.circle(mask, (size[1] // 2, size[0] // 2), min(size) // 3, 255, -1)
    return mask


def picture(size=SIZE):
    """A red disc on green."""
    noise = np.random.default_rng(0).integers(-12, 13, (*size, 3))
    return np.uint8(np.where(disc(size)[:, :, None] > 0, (200, 40, 40), (40, 150, 60)) + noise)


def trimap(size=SIZE):
    return trimap_from_mask(disc(size), size, Band(4, False))


@pytest.fixture
def folder(tmp_path):
    write_png(tmp_path / "photo.png", picture())
    return tmp_path


def read(folder, *argv):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(folder / word) if (folder / word).exists() else word for word in argv]
    (source,), rules = read_arguments(parser.parse_args(words))
    return read_input(source, rules)


def write(folder, name, pixels, **options):
    Image.fromarray(pixels).save(folder / name, **options)


def test_a_clean_trimap_passes_without_a_word(folder):
    write(folder, "t.png", trimap())
    given = read(folder, "photo.png", "t.png")
    np.testing.assert_array_equal(given.trimap, trimap())
    np.testing.assert_array_equal(given.photo.pixels, picture())
    assert given.notices == ()


def test_127_is_taken_as_128_and_said(folder):
    write(folder, "t.png", np.where(trimap() == 128, np.uint8(127), trimap()))
    given = read(folder, "photo.png", "t.png")
    np.testing.assert_array_equal(given.trimap, trimap())
    moved = np.count_nonzero(trimap() == 128)
    assert given.notices == (f"{folder}/t.png: {moved} of {60 * 90} pixels were none of 0, 128 and 255; each is taken "
                             "as the nearest",)


def test_an_indexed_jpeg_tinted_trimap_is_read(folder):
    palette = Image.fromarray(trimap()).convert("P")
    palette.save(folder / "indexed.png")
    np.testing.assert_array_equal(read(folder, "photo.png", "indexed.png").trimap, trimap())
    Image.fromarray(np.dstack([trimap()] * 3)).save(folder / "t.jpg", quality=85)
    assert np.count_nonzero(read(folder, "photo.png", "t.jpg").trimap != trimap()) < 0.02 * trimap().size


def test_a_trimap_without_foreground_is_one(folder):
    hair = np.where(trimap() == 255, np.uint8(128), trimap())
    write(folder, "t.png", hair)
    assert read(folder, "photo.png", "t.png").notices == ()
    np.testing.assert_array_equal(read(folder, "photo.png", "t.png").trimap, hair)


@pytest.mark.parametrize("known", [disc(), np.zeros(SIZE, np.uint8), np.full(SIZE, 255, np.uint8)],
                         ids=["two values", "background", "foreground"])
def test_what_is_known_everywhere_is_its_own_matte_and_said(folder, known):
    write(folder, "t.png", known)
    given = read(folder, "photo.png", "t.png")
    np.testing.assert_array_equal(given.trimap, known)
    (notice,) = given.notices
    assert "t.png: is known everywhere, so it is its own matte; if it is a mask, pass it with --mask" in notice


def test_a_trimap_of_another_size_is_resized_and_said(folder):
    small = trimap()[::3, ::3].copy()
    write(folder, "t.png", small)
    given = read(folder, "photo.png", "t.png")
    np.testing.assert_array_equal(given.trimap, np.kron(small, np.ones((3, 3), np.uint8)))
    assert given.notices == (f"{folder}/t.png: is 30x20; resized to the photograph's 90x60",)


@pytest.mark.parametrize(("pixels", "message"), [
    (picture()[:, :, 1], "looks like a grey photograph"),
    (cv2.GaussianBlur(disc(), (9, 9), 0), "looks like a soft mask.*pass it with --mask"),
    (picture(), "is a colour image, .*with --strokes"),
    (trimap().T.copy(), "is 60x90, but .*photo.png is 90x60 .*turn it upright"),
    (trimap()[:, :70].copy(), "is 70x60, but .*photo.png is 90x60 .*must be of one aspect")])
def test_what_is_no_trimap_is_told_apart(folder, pixels, message):
    write(folder, "t.png", pixels)
    with pytest.raises(UserError, match=f"t.png: {message}"):
        read(folder, "photo.png", "t.png")


@pytest.mark.parametrize(("pixels", "message"), [
    (np.where(trimap() == 128, np.uint8(127), trimap()), "has the values 127"),
    (disc(), "has no unknown pixel"),
    (trimap()[::3, ::3].copy(), "must be of one size")])
def test_strict_refuses(folder, pixels, message):
    write(folder, "t.png", pixels)
    with pytest.raises(UserError, match=message):
        read(folder, "photo.png", "t.png", "--strict_trimap")
    write(folder, "t.png", trimap())
    np.testing.assert_array_equal(read(folder, "photo.png", "t.png", "--strict_trimap").trimap, trimap())


def test_masks_of_any_kind_give_one_trimap(folder):
    """Grey, one bit, 0 and 1, the opacity of a cut-out, twice as large."""
    masks = {"grey": disc(), "bit": disc() > 0, "small": disc() // 255,
             "opacity": np.dstack([picture(), disc()]), "large": np.kron(disc(), np.ones((2, 2), np.uint8))}
    for name, mask in masks.items():
        write(folder, f"{name}.png", mask)
        given = read(folder, "photo.png", "--mask", f"{name}.png", "--band", "4")
        np.testing.assert_array_equal(given.trimap, trimap(), err_msg=name)
        assert given.notices == ()
    assert np.count_nonzero(read(folder, "photo.png", "--mask", "grey.png", "--band", "6").trimap == 128) > \
        1.3 * np.count_nonzero(trimap() == 128)


@pytest.mark.parametrize(("mask", "message"), [(np.zeros(SIZE, np.uint8), "mask.png: shows no object"),
                                               (picture(), "mask.png: is a colour image"),
                                               (disc((60, 60)), "mask.png: is 60x60, but .*photo.png is 90x60")])
def test_an_unusable_mask_is_named(folder, mask, message):
    write(folder, "mask.png", mask)
    with pytest.raises(UserError, match=message):
        read(folder, "photo.png", "--mask", "mask.png")


def test_a_box_and_strokes_find_the_object(folder):
    layer = np.zeros((*SIZE, 4), np.uint8)
    layer[28:32, 40:50] = 0, 255, 0, 255
    layer[2:5, :] = 255, 0, 0, 255
    layer[55:58, :30] = 0, 0, 255, 255
    write(folder, "strokes.png", layer)
    for argv in (["--box", "20,5,50,50"], ["--strokes", "strokes.png"],
                 ["--box", "20,5,50,50", "--strokes", "strokes.png"]):
        given = read(folder, "photo.png", *argv, "--band", "4")
        if "--strokes" in argv:
            assert (given.trimap[55:58, :30] == 128).all() and (given.trimap[2:5] == 0).all()
        assert np.count_nonzero(given.trimap[6:54] != trimap()[6:54]) < 0.03 * trimap().size, argv


def test_strokes_on_the_photograph_itself(folder):
    painted = picture().copy()
    painted[28:32, 40:50], painted[2:5] = (0, 255, 0), (255, 0, 0)
    write(folder, "strokes.png", painted)
    given = read(folder, "photo.png", "--strokes", "strokes.png", "--band", "4")
    assert np.count_nonzero(given.trimap != trimap()) < 0.03 * trimap().size


def test_an_rgba_photograph_brings_its_mask(folder):
    write(folder, "cut.png", np.dstack([picture(), disc()]))
    given = read(folder, "cut.png", "--band", "4")
    np.testing.assert_array_equal(given.trimap, trimap())
    np.testing.assert_array_equal(given.photo.pixels, picture())  # the colours below its opacity, as they are


def test_an_rgba_photograph_with_a_trimap_is_flattened_and_said(folder):
    write(folder, "cut.png", np.dstack([picture(), disc()]))
    write(folder, "t.png", trimap())
    given = read(folder, "cut.png", "t.png")
    np.testing.assert_array_equal(given.photo.pixels, np.where(disc()[:, :, None] > 0, picture(), 255))
    assert given.notices == (f"{folder}/cut.png: has transparent pixels; flattened onto white",)


def test_a_rotated_photograph_with_an_upright_trimap(folder):
    """A phone stores it lying and says so; what people see, and draw the trimap on, stands."""
    upright = np.rot90(picture()).copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    write(folder, "phone.png", np.rot90(upright).copy(), exif=exif)
    write(folder, "t.png", np.rot90(trimap()).copy())
    given = read(folder, "phone.png", "t.png")
    np.testing.assert_array_equal(given.photo.pixels, upright)
    np.testing.assert_array_equal(given.trimap, np.rot90(trimap()))
    assert given.notices == ()


@pytest.mark.parametrize(("argv", "message"), [
    (["photo.png"], "has no transparent pixels .* give a TRIMAP, --mask FILE, --box X,Y,W,H or --strokes FILE"),
    (["photo.png", "photo.png", "--mask", "photo.png"], "TRIMAP and --mask exclude each other"),
    (["photo.png", "--mask", "photo.png", "--box", "1,1,5,5"], "--mask and --strokes or --box exclude each other"),
    (["photo.png", "--box", "1,1"], "--box 1,1: expected"),
    (["photo.png", "--box", "1,1,5,5", "--band", "wide"], "--band wide: neither pixels"),
    (["photo.png", "--box", "100,100,5,5"], "photo.png: --box 100,100,5,5: lies outside the photograph of 90x60"),
    (["photo.png", "--mask", "none.png"], "none.png: no such file")])
def test_flags_that_make_no_trimap_are_named(folder, argv, message):
    with pytest.raises(UserError, match=message):
        read(folder, *argv)


@pytest.mark.parametrize("flag", ["", "--mask", "--strokes"])
def test_folders_are_paired_by_stem(folder, flag):
    for name in ("photos", "others"):
        (folder / name).mkdir()
        for stem in ("b", "a c", "ö"):
            write(folder / name, f"{stem}.png", picture())
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(folder / "photos"), *([flag] if flag else []), str(folder / "others")]
    sources, _ = read_arguments(parser.parse_args(words))
    assert [source.image.stem for source in sources] == ["a c", "b", "ö"]
    assert all(other.stem == image.stem for image, other in (source.files for source in sources))
    (folder / "others" / "b.png").unlink()
    with pytest.raises(UserError, match="others: has no b; images and trimaps are paired by their names"):
        read_arguments(parser.parse_args(words))
