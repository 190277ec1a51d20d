"""What is written: known values in alpha, cut-out and composite, profiles, depths, formats, sizes."""
import cv2
import numpy as np
import pytest
from PIL import Image

from matting.compositing import compose_over
from matting.errors import UserError
from matting.foreground import REACH
from matting.images.photo import Photo, read_photo
from matting.programs.results import Results, read_arguments, read_background, to_levels
from tests.tiny_profiles import DISPLAY_P3, rgb_profile

P3 = rgb_profile(DISPLAY_P3, "Display P3")


def edge(size=64, deep=False):
    """(photograph, alpha): a red object on the right, 8 soft pixels, photographed before green."""
    alpha = np.zeros((size, size), np.float32)
    alpha[:, 28:36] = np.linspace(0.1, 0.9, 8)
    alpha[:, 36:] = 1
    image = 255 * (alpha[:, :, None] * (1, 0, 0) + (1 - alpha[:, :, None]) * (0, 1, 0))
    image = np.rint(image * 257).astype(np.uint16) if deep else np.rint(image).astype(np.uint8)
    return Photo(image, None, P3), alpha


def written(folder, photo, alpha, background="white", **options):
    names = Results(folder, read_background(background), **options).write("cat", photo, alpha)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    return [read_photo(folder / name) for name in names]


def test_alpha_cutout_and_composite(tmp_path):
    photo, alpha = edge()
    matte, cutout, composite = written(tmp_path, photo, alpha, "blue")
    levels = np.rint(255 * alpha)
    np.testing.assert_array_equal(matte.pixels[:, :, 0], levels)
    np.testing.assert_array_equal(cutout.opacity, levels)
    assert (cutout.pixels[:, 28:, 0] > 250).all() and (cutout.pixels[:, 28:, 1] < 5).all()
    assert (cutout.pixels[:, :28 - REACH] == 0).all()


def test_no_spill_of_a_green_screen(tmp_path):
    """Composed over red: what would be left of the green before is at most 3 of 255; kept as it is, it would be 64."""
    photo, alpha = edge()
    photo = photo._replace(profile=None)
    _, _, composite = written(tmp_path, photo, alpha, "red")
    band = (alpha > 0) & (alpha < 1)
    assert composite.pixels[band][:, 1].max() <= 3
    kept = np.rint(alpha[:, :, None] * photo.pixels)
    assert kept[band][:, 1].max() > 55


def test_the_profile_goes_into_cutout_and_composite(tmp_path):
    matte, cutout, composite = written(tmp_path, *edge())
    assert cutout.profile == composite.profile == P3 and matte.profile is None
    plain = [result.profile for result in written(tmp_path / "none", edge()[0]._replace(profile=None), edge()[1])]
    assert plain == [None, None, None]


def test_a_background_of_another_profile_is_converted(tmp_path):
    """sRGB red is (234, 51, 35) in Display P3 of sRGB's curve; our profile's, a power of 2.2, moves it a little."""
    photo, alpha = edge()
    _, _, composite = written(tmp_path, photo, alpha, "red")
    assert abs(composite.pixels[0, 0].astype(int) - (234, 51, 35)).max() <= 6
    Image.fromarray(np.full((4, 4, 3), (200, 60, 50), np.uint8)).save(tmp_path / "b.png", icc_profile=P3)
    _, _, composite = written(tmp_path / "own", photo, alpha, str(tmp_path / "b.png"))
    np.testing.assert_array_equal(composite.pixels[0, 0], (200, 60, 50))


@pytest.mark.parametrize("deep", [False, True])
def test_16_bits_are_kept_where_asked(tmp_path, deep):
    photo, alpha = edge(deep=deep)
    matte, cutout, composite = written(tmp_path, photo, alpha, depth=16)
    assert {result.pixels.dtype.name for result in (matte, cutout, composite)} == {"uint16"}
    np.testing.assert_array_equal(matte.pixels[:, :, 0], np.rint(np.float32(65535) * alpha))
    np.testing.assert_array_equal(cutout.pixels[:, 40:, 0], 65535)
    matte, cutout, composite = written(tmp_path / "8", photo, alpha)
    assert {result.pixels.dtype.name for result in (matte, cutout, composite)} == {"uint8"}


def test_webp_is_smaller_and_keeps_opacity(tmp_path):
    rng = np.random.default_rng(0)
    photo, alpha = edge(256)
    noisy = cv2.GaussianBlur(rng.integers(0, 256, photo.pixels.shape, np.uint8), (5, 5), 0)
    _, cutout, _ = written(tmp_path, photo._replace(pixels=noisy), alpha, file_format="webp")
    np.testing.assert_array_equal(cutout.opacity, np.rint(255 * alpha))
    assert cutout.profile == P3
    written(tmp_path / "png", photo._replace(pixels=noisy), alpha)
    assert (tmp_path / "cat_cutout.webp").stat().st_size < (tmp_path / "png" / "cat_cutout.png").stat().st_size / 2


def test_colourless_transparency_shrinks_the_cutout(tmp_path):
    """A photograph of noise, of which a twentieth is object: its cut-out is a tenth of its own size at most."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    alpha = np.zeros((400, 400), np.float32)
    alpha[150:240, 150:240] = 1
    Image.fromarray(noise).save(tmp_path / "photo.png")
    Results(tmp_path, read_background("white")).write("cat", Photo(noise, None, None), alpha)
    assert (tmp_path / "cat_cutout.png").stat().st_size < (tmp_path / "photo.png").stat().st_size / 10


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 1)])
def test_photographs_one_pixel_high_or_wide(tmp_path, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    alpha = np.linspace(0, 1, image[:, :, 0].size, dtype=np.float32).reshape(size)
    matte, cutout, composite = written(tmp_path, Photo(image, None, None), alpha)
    assert matte.pixels.shape[:2] == cutout.pixels.shape[:2] == composite.pixels.shape[:2] == size


def test_16_bits_in_webp_are_refused():
    class Arguments:
        format, depth, background, output = "webp", 16, "white", "out"

    with pytest.raises(UserError, match="--depth 16: WebP holds 8 bits a channel; choose --format png"):
        read_arguments(Arguments)


def test_composing_rounds():
    """0.2 * 100 + 0.8 * 255 = 224; 128/255 of 10 over 0 is 5.02."""
    def one(value, dtype=np.uint8):
        return np.full((1, 1, 3), value, dtype)

    assert compose_over(one(100), one(255), np.uint8([[51]]))[0, 0].tolist() == [224] * 3
    assert compose_over(one(10), one(0), np.uint8([[128]]))[0, 0].tolist() == [5] * 3
    assert compose_over(one(1000, np.uint16), one(65535, np.uint16), np.uint16([[65535]]))[0, 0].tolist() == [1000] * 3


def test_levels_are_rounded():
    alpha = np.float32([0, 0.4 / 255, 0.6 / 255, 0.5, 1])
    assert to_levels(alpha, np.uint8).tolist() == [0, 0, 1, 128, 255]
    assert to_levels(np.float32([0, 0.5, 1]), np.uint16).tolist() == [0, 32768, 65535]
