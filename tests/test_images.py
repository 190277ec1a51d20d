"""Image files: every kind is read alike, every way to be bad has its one line, no output is ever half written."""
import io
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from matting.errors import UserError
from matting.files import atomic_path
from matting.images.listing import by_stem, list_images
from matting.images.reading import check_same_size, read_alpha, read_header, read_image, read_trimap
from matting.images.writing import write_png

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 9, 3), np.uint8)
GREY = COLOURS[:, :, 0].copy()
TRIMAP = np.repeat(np.uint8([[0, 128, 255]]), 4, axis=0)
ROTATIONS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF orientation: quarter turns to the left that make it upright


def save(path, pixels, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


# --- photographs ------------------------------------------------------------

def test_colours_are_rgb(tmp_path):
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", COLOURS)), COLOURS)


def test_grey_becomes_three_equal_channels(tmp_path):
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", GREY)), np.dstack([GREY] * 3))


def test_a_palette_is_expanded(tmp_path):
    palette = Image.fromarray(COLOURS).quantize(16)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", palette)), np.array(palette.convert("RGB")))


def test_16_bit_grey_is_rounded_to_8_bits(tmp_path):
    deep = np.uint16([[0, 128, 129, 257, 65535, 32896]])
    path = save(tmp_path / "a.png", deep)
    expected = np.uint8([[0, 0, 1, 1, 255, 128]])  # over 257, rounded
    np.testing.assert_array_equal(read_image(path), np.dstack([expected] * 3))
    np.testing.assert_array_equal(read_alpha(path), expected)


def test_16_bit_colour_keeps_its_upper_byte(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), COLOURS[:, :, ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOURS)


@pytest.mark.parametrize("orientation", ROTATIONS)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_rotation_is_applied(tmp_path, orientation, suffix):
    upright = np.zeros((40, 64, 3), np.uint8)
    upright[:20, :32] = 255, 0, 0
    stored = np.rot90(upright, -ROTATIONS[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", np.ascontiguousarray(stored), exif=exif)
    assert abs(read_image(path).astype(int) - upright).mean() < 2  # JPEG's loss; a quarter turn differs by 40
    assert read_header(path) == (40, 64, orientation == 1)


def test_opaque_rgba_is_a_photograph(tmp_path):
    rgba = np.dstack([COLOURS, np.full_like(GREY, 255)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", rgba)), COLOURS)


def test_transparent_pixels_are_refused(tmp_path):
    rgba = np.dstack([COLOURS, np.full_like(GREY, 255)])
    rgba[2, 3, 3] = 254
    path = save(tmp_path / "a.png", rgba)
    with pytest.raises(UserError, match="a.png: has transparent pixels; flatten it"):
        read_image(path)


def test_a_transparent_palette_is_refused(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(COLOURS).quantize(16), transparency=0)
    with pytest.raises(UserError, match="a.png: has transparent pixels"):
        read_image(path)


# --- mattes and trimaps -----------------------------------------------------

@pytest.mark.parametrize("as_saved", [
    Image.fromarray(GREY),
    Image.fromarray(np.dstack([GREY] * 3)),
    Image.fromarray(GREY).convert("P"),
    Image.fromarray(np.dstack([GREY, np.full_like(GREY, 7)]), "LA"),
    Image.fromarray(GREY.astype(np.uint16) * 257),
], ids=["grey", "rgb", "palette", "grey with alpha", "16 bit"])
def test_mattes_are_read_from_any_grey_file(tmp_path, as_saved):
    np.testing.assert_array_equal(read_alpha(save(tmp_path / "a.png", as_saved)), GREY)


def test_a_one_bit_matte_is_0_or_255(tmp_path):
    np.testing.assert_array_equal(read_alpha(save(tmp_path / "a.png", Image.fromarray(GREY > 99))), 255 * (GREY > 99))


def test_a_colour_image_is_no_matte(tmp_path):
    path = save(tmp_path / "a.png", COLOURS)
    with pytest.raises(UserError, match="a.png: is a colour image; a matte or trimap has one grey channel"):
        read_alpha(path)


def test_a_trimap_is_read(tmp_path):
    np.testing.assert_array_equal(read_trimap(save(tmp_path / "a.png", TRIMAP)), TRIMAP)


def test_other_values_in_a_trimap_are_named(tmp_path):
    path = save(tmp_path / "a.png", np.where(TRIMAP == 128, 127, TRIMAP).astype(np.uint8))
    with pytest.raises(UserError, match="a.png: has the values 127; a trimap holds 0 .* 128 .* 255"):
        read_trimap(path)
    save(path, np.arange(12, dtype=np.uint8).reshape(3, 4))
    with pytest.raises(UserError, match=r"a.png: has the values 1, 2, 3, 4, 5 \.\.\."):
        read_trimap(path)


@pytest.mark.parametrize("value", [0, 255])
def test_a_trimap_without_unknown_pixels_is_refused(tmp_path, value):
    path = save(tmp_path / "a.png", np.full((4, 4), value, np.uint8))
    with pytest.raises(UserError, match=r"a.png: has no unknown pixel \(128\)"):
        read_trimap(path)


def test_sizes_are_told_width_first():
    with pytest.raises(UserError, match="t.png: is 9x6, but i.png is 6x9"):
        check_same_size("t.png", GREY, "i.png", GREY.T)
    check_same_size("t.png", GREY, "i.png", COLOURS)


# --- damaged, missing, foreign ----------------------------------------------

@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("read", [read_image, read_alpha, read_trimap])
def test_a_truncated_file_is_named(tmp_path, suffix, read):
    pixels = RNG.integers(0, 256, (64, 64), np.uint8)
    path = save(tmp_path / f"a.{suffix}", pixels)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match=f"a.{suffix}: cannot be read as an image"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("read", [read_image, read_alpha, read_trimap, read_header])
def test_a_file_that_is_no_image_is_named(tmp_path, content, read):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match="a.png: cannot be read as an image"):
        read(path)


@pytest.mark.parametrize("read", [read_image, read_alpha, read_trimap, read_header])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(UserError, match="a.png: no such file"):
        read(tmp_path / "a.png")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(UserError, match="cannot be read as an image"):
        read_image(tmp_path)


def written(kind):
    """A file of that kind as Pillow writes it, small; None where it writes or reads none here."""
    for pixels in (COLOURS, GREY, GREY > 99):
        file = io.BytesIO()
        try:
            save(file, pixels, format=kind)
            with Image.open(file) as image:
                image.load()
        except (OSError, ValueError):  # that mode is not for it, or it wants a program that is not here
            continue
        return file.getvalue()
    return None


Image.init()
with warnings.catch_warnings(action="ignore"):  # that a kind is to be removed
    KINDS = sorted(kind for kind in set(Image.SAVE) & set(Image.OPEN) - {"EPS"} if written(kind))  # EPS runs a program


def test_the_usual_kinds_are_among_those_that_are_tried():
    assert {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"} <= set(KINDS)


def mutations(content, rng, count):
    """Cut short, or with a few other bytes, in the first ones as often as in all."""
    for number in range(count):
        mutated = np.frombuffer(content, np.uint8).copy()
        if number % 3 == 0:
            mutated = mutated[:rng.integers(len(content))]
        else:
            reach = len(content) if number % 3 == 1 else min(len(content), 300)
            places = rng.integers(reach, size=3)
            mutated[places] = rng.integers(256, size=3)
        yield mutated.tobytes()


@pytest.mark.filterwarnings("ignore")  # Pillow's of what it makes nothing of
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_decoder_raises_becomes_one_line(tmp_path, kind):
    path, refused = tmp_path / "a.image", 0
    for content in mutations(written(kind), np.random.default_rng(1), 60):
        path.write_bytes(content)
        for read in (read_image, read_alpha, read_trimap, read_header):
            try:
                read(path)
            except UserError as error:
                assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
                refused += "cannot be read as an image" in str(error)
    assert refused, "no mutation was bad enough"


UNREADABLE = r"cannot be read as an image \(\w.*\); replace the file"


@pytest.mark.parametrize(("error", "message"), [
    (RuntimeError("Failed to decode image:\n  Not implemented"), UNREADABLE), (AssertionError(), UNREADABLE),
    (IndexError("index out of range"), UNREADABLE), (MemoryError(), "does not fit into memory; free some, or .*"),
])
def test_a_decoders_error_of_any_kind_is_told_in_one_line(tmp_path, monkeypatch, error, message):
    def raise_it(image):
        raise error

    path = save(tmp_path / "a.png", GREY, transparency=0)  # not plain, so that Pillow decodes it
    monkeypatch.setattr(Image.Image, "load", raise_it)
    with pytest.raises(UserError, match=rf"a.png: {message}$") as caught:
        read_alpha(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [
    lambda folder: save(folder / "a.png", COLOURS),
    lambda folder: save(folder / "a.png", COLOURS, dpi=(72, 72)),
], ids=["plain", "with metadata"])
def test_errors_are_one_line(tmp_path, make):
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


# --- folders ----------------------------------------------------------------

def test_images_are_listed_sorted_and_hidden_files_passed_over(tmp_path):
    for name in ("b.png", "a.JPG", "c.webp", ".d.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.JPG", "b.png", "c.webp"]


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="none: no such folder"):
        list_images(tmp_path / "none")
    with pytest.raises(UserError, match="holds no .jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp, .avif, .heic, .heif "):
        list_images(tmp_path)


def test_two_files_of_one_stem_are_refused(tmp_path):
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="a.png: has the same stem as .*a.jpg; keep one"):
        by_stem(tmp_path)


# --- writing ----------------------------------------------------------------

@pytest.mark.parametrize("pixels", [GREY, COLOURS, np.dstack([COLOURS, GREY]), GREY.T, COLOURS[:, ::2]],
                         ids=["grey", "rgb", "rgba", "transposed", "strided"])
def test_png_is_lossless(tmp_path, pixels):
    write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "a.png")), pixels)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_write_takes_its_name_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
