"""Photographs of any kind are read in full, and written with their colours: profiles, 16 bits, opacity, CMYK."""
import builtins
import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from matting.errors import UserError
from matting.images.listing import list_images
from matting.images.photo import UPRIGHT, flatten, read_photo, to_8_bits
from matting.images.profiles import colour_space, convert, is_srgb
from matting.images.writing import write_png, write_webp
from tests.tiny_profiles import DISPLAY_P3, SRGB, grey_profile, rgb_profile

P3 = rgb_profile(DISPLAY_P3, "Display P3")
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (6, 9, 3), np.uint16)


def save(path, pixels, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def profile_of(path):
    with Image.open(path) as image:
        return image.info.get("icc_profile")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp", "avif"])
def test_files_of_every_kind_are_read(tmp_path, suffix):
    smooth = cv2.resize(COLOURS, (96, 64), interpolation=cv2.INTER_CUBIC)
    photo = read_photo(save(tmp_path / f"a.{suffix}", smooth, quality=95))
    assert photo.pixels.dtype == np.uint8 and photo.opacity is None and photo.profile is None
    assert abs(photo.pixels.astype(int) - smooth).mean() < 4  # what lossy kinds lose
    assert list_images(tmp_path) == [tmp_path / f"a.{suffix}"]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])
def test_the_profile_is_read(tmp_path, suffix):
    photo = read_photo(save(tmp_path / f"a.{suffix}", COLOURS, icc_profile=P3))
    assert photo.profile == P3 and colour_space(photo.profile) == b"RGB "


def test_a_damaged_profile_is_none(tmp_path):
    assert read_photo(save(tmp_path / "a.png", COLOURS, icc_profile=b"not a profile")).profile is None


def test_heic_is_read_where_its_package_is(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    smooth = cv2.resize(COLOURS, (96, 64), interpolation=cv2.INTER_CUBIC)
    pillow_heif.from_pillow(Image.fromarray(smooth)).save(tmp_path / "a.heic", quality=95)
    assert abs(read_photo(tmp_path / "a.heic").pixels.astype(int) - smooth).mean() < 6  # mirrored: 70


def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pillow_heif":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="a.heic: reading HEIC needs a package more: pip install pillow-heif"):
        read_photo(tmp_path / "a.heic")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_read_in_full(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), DEEP[:, :, ::-1])
    photo = read_photo(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(photo.pixels, DEEP)
    np.testing.assert_array_equal(photo.image, np.rint(DEEP / 257))


def test_16_bit_grey_and_opacity(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), DEEP[:, :, 0])
    np.testing.assert_array_equal(read_photo(tmp_path / "grey.png").pixels, np.dstack([DEEP[:, :, 0]] * 3))
    opacity = np.full((6, 9), 65535, np.uint16)
    opacity[2, 3] = 257 * 100
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([DEEP[:, :, ::-1], opacity]))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.pixels, DEEP)
    assert photo.opacity[2, 3] == 100 and (np.delete(photo.opacity.ravel(), 2 * 9 + 3) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_turned_upright_like_8(tmp_path, orientation, suffix):
    """Pillow's turning of the same file, read with 8 bits, is the standard."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "8.png", COLOURS, exif=exif)
    expected = read_photo(tmp_path / "8.png").pixels
    deep = COLOURS.astype(np.uint16) * 257
    if suffix == "tif":
        tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")
        tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    else:
        write_png(tmp_path / "a.png", deep)
        insert_exif(tmp_path / "a.png", exif)
    np.testing.assert_array_equal(read_photo(tmp_path / f"a.{suffix}").pixels, expected.astype(np.uint16) * 257)


def insert_exif(path, exif):
    """Put an eXIf chunk into a PNG, taken from one that Pillow wrote."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG", exif=exif)
    written = buffer.getvalue()
    start = written.index(b"eXIf") - 4
    chunk = written[start:start + 12 + int.from_bytes(written[start:start + 4], "big")]
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk + content[33:])


def test_every_orientation_is_known():
    assert set(UPRIGHT) == set(range(2, 9))


def test_transparent_pixels_are_told_and_kept_apart(tmp_path):
    opacity = np.full((6, 9), 255, np.uint8)
    opacity[0, 0] = 7
    photo = read_photo(save(tmp_path / "a.png", np.dstack([COLOURS, opacity])))
    np.testing.assert_array_equal(photo.pixels, COLOURS)
    np.testing.assert_array_equal(photo.opacity, opacity)
    assert read_photo(save(tmp_path / "b.png", np.dstack([COLOURS, np.full_like(opacity, 255)]))).opacity is None


def test_flattening_is_over_white():
    pixels = np.full((1, 3, 3), 100, np.uint8)
    flat = flatten(pixels, np.array([[255, 0, 51]], np.uint8))
    assert flat[0, :, 0].tolist() == [100, 255, 224]  # 0.2 * 100 + 0.8 * 255
    assert flatten(np.full((1, 1, 3), 1000, np.uint16), np.array([[0]], np.uint8))[0, 0].tolist() == [65535] * 3


def test_cmyk_becomes_rgb(tmp_path):
    """Cyan, black, none; a CMYK profile must never go on into an RGB file."""
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, :16, 0], inks[:, 16:32, 3] = 255, 255
    photo = read_photo(save(tmp_path / "a.jpg", Image.fromarray(inks, "CMYK"), quality=100))
    assert photo.profile is None
    for column, colour in ((8, (0, 255, 255)), (24, (0, 0, 0)), (40, (255, 255, 255))):
        assert abs(photo.pixels[8, column].astype(int) - colour).max() <= 3


def test_a_grey_profile_is_applied_and_dropped(tmp_path):
    """Grey 128 of gamma 1 is half of the light, which sRGB writes as 188."""
    grey = np.full((6, 9), 128, np.uint8)
    photo = read_photo(save(tmp_path / "a.png", grey, icc_profile=grey_profile(1)))
    assert photo.profile is None and abs(photo.pixels.astype(int) - 188).max() <= 1


def test_floating_point_files_are_named(tmp_path):
    path = save(tmp_path / "a.tif", Image.fromarray(np.float32([[0.5]]), "F"))
    with pytest.raises(UserError, match="a.tif: holds floating-point numbers; save it with 8 or 16 bits"):
        read_photo(path)


def test_deep_levels_are_rounded():
    assert to_8_bits(np.uint16([[0, 128, 129, 65535]])).tolist() == [[0, 0, 1, 255]]


def test_srgb_red_in_display_p3():
    """(255, 0, 0) has 0.822, 0.033 and 0.017 of Display P3's lights; to the power of 1 / 2.2: 233, 54, 40."""
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    inside = convert(red, rgb_profile(SRGB, "camera"), P3)
    assert abs(inside[0, 0].astype(int) - (233, 54, 40)).max() <= 2
    assert abs(convert(inside, P3, rgb_profile(SRGB, "camera"))[0, 0].astype(int) - (255, 0, 0)).max() <= 3
    white = np.full((1, 1, 3), 255, np.uint8)
    assert abs(convert(white, None, P3).astype(int) - 255).max() <= 1


def test_srgb_is_srgb_with_or_without_saying_so():
    said = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_srgb(None) and is_srgb(said) and not is_srgb(P3)
    np.testing.assert_array_equal(convert(COLOURS, None, said), COLOURS)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_pixels_and_profile(tmp_path, channels, dtype):
    pixels = np.random.default_rng(2).integers(0, np.iinfo(dtype).max + 1, (5, 7, channels), dtype)
    write_png(tmp_path / "a.png", pixels, profile=P3)
    assert profile_of(tmp_path / "a.png") == P3
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, pixels[:, :, [2, 1, 0, 3][:channels]])
    write_png(tmp_path / "b.png", pixels)
    assert profile_of(tmp_path / "b.png") is None


def test_webp_keeps_opacity_and_profile(tmp_path):
    opacity = np.random.default_rng(3).integers(0, 256, (64, 96), np.uint8)
    smooth = cv2.resize(COLOURS, (96, 64), interpolation=cv2.INTER_CUBIC)
    write_webp(tmp_path / "a.webp", np.dstack([smooth, opacity]), P3)
    photo = read_photo(tmp_path / "a.webp")
    np.testing.assert_array_equal(photo.opacity, opacity)
    assert photo.profile == P3 and abs(photo.pixels.astype(int) - smooth).mean() < 8


def test_what_webp_cannot_hold_is_named(tmp_path):
    with pytest.raises(UserError, match="a.webp: WebP holds 16383 pixels a side at most; choose --format png"):
        write_webp(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8))
    assert not list(tmp_path.iterdir())
