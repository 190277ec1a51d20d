"""Quick decoding gives Pillow's pixels or nothing."""
import io

import numpy as np
import pytest
from PIL import Image

from matting.images import fast_decoders
from matting.images.fast_decoders import decode_fast
from matting.images.reading import read_image
from tests.tiny_data import photograph

PIXELS = photograph(45, 60, np.random.default_rng(0))


def encoded(kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, kind, **options)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


PLAIN = {
    "jpeg 4:4:4": encoded("JPEG", subsampling=0),
    "jpeg 4:2:2": encoded("JPEG", subsampling=1),
    "jpeg 4:2:0": encoded("JPEG", subsampling=2),
    "jpeg progressive": encoded("JPEG", progressive=True),
    "jpeg grey": encoded("JPEG", "L"),
    "jpeg upright": encoded("JPEG", exif=exif(1)),
    "png": encoded("PNG"),
    "png with gamma": encoded("PNG", dpi=(72, 72), icc_profile=b"profile"),
}
NOT_PLAIN = {
    "jpeg rotated": encoded("JPEG", exif=exif(6)),
    "jpeg cmyk": encoded("JPEG", "CMYK"),
    "png rotated": encoded("PNG", exif=exif(6)),
    "png with a transparent colour": encoded("PNG", transparency=(1, 2, 3)),
    "png with alpha": encoded("PNG", "RGBA"),
    "png grey": encoded("PNG", "L"),
    "png palette": encoded("PNG", "P"),
    "webp": encoded("WEBP"),
    "empty": b"",
    "text": b"no image",
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_files_have_pillows_pixels(tmp_path, name):
    (tmp_path / "file").write_bytes(PLAIN[name])
    with Image.open(tmp_path / "file") as image:
        assert np.array_equal(decode_fast(tmp_path / "file"), np.array(image.convert("RGB")))


@pytest.mark.parametrize("name", PLAIN)
def test_without_the_decoders_pillow_reads_the_same(tmp_path, monkeypatch, name):
    (tmp_path / "file").write_bytes(PLAIN[name])
    pixels = read_image(tmp_path / "file")
    monkeypatch.setattr(fast_decoders, "simplejpeg", None)
    assert decode_fast(tmp_path / "file") is None
    assert np.array_equal(read_image(tmp_path / "file"), pixels)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_other_files_are_left_to_pillow(tmp_path, name):
    (tmp_path / "file").write_bytes(NOT_PLAIN[name])
    assert decode_fast(tmp_path / "file") is None


def test_missing_files_are_left_to_pillow(tmp_path):
    assert decode_fast(tmp_path / "absent") is None
    assert decode_fast(tmp_path) is None


@pytest.mark.parametrize("name", ["jpeg 4:2:0", "png"])
@pytest.mark.parametrize("kept", [0, 8, 20, 0.3, 0.9, -13, -3])
def test_truncated_files_are_left_to_pillow(tmp_path, name, kept):
    content = PLAIN[name]
    (tmp_path / "file").write_bytes(content[:int(kept * len(content)) if isinstance(kept, float) else kept])
    assert decode_fast(tmp_path / "file") is None


def test_damaged_png_files_are_left_to_pillow(tmp_path):
    content, rng = PLAIN["png"], np.random.default_rng(0)
    for position in rng.integers(8, len(content), 300):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        (tmp_path / "file").write_bytes(damaged)
        assert decode_fast(tmp_path / "file") is None
