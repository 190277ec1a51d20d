"""The PNG encoder of composites, read back by two decoders that know nothing of it."""
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from data.png import DEFLATE, encode_png


def pictures():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:70, :90]
    for height, width in ((1, 1), (1, 9), (33, 1), (16, 5), (50, 40)):
        yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    yield rng.choice(np.array([0, 255], np.uint8), (40, 30, 3))  # the largest differences, which wrap around
    yield np.full((20, 20, 3), 255, np.uint8)
    yield np.dstack([3 * x, 2 * y, x + y]).astype(np.uint8)


@pytest.mark.parametrize("compression", DEFLATE)
def test_pillow_and_opencv_read_back_every_pixel(compression):
    for pixels in pictures():
        pixels.flags.writeable = False
        png = encode_png(pixels, compression)
        Image.open(io.BytesIO(png)).verify()
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(png))), pixels)
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1], pixels)


def test_both_compressions_stay_within_1_15_times_level_nine():
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (20, 25, 3), dtype=np.uint8)
    noise = rng.normal(0, 2, (400, 500, 3))
    photograph = np.clip(cv2.resize(coarse, (500, 400), interpolation=cv2.INTER_CUBIC) + noise, 0, 255).astype(np.uint8)
    level_nine = len(cv2.imencode(".png", photograph, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1])
    assert len(encode_png(photograph, "small")) < len(encode_png(photograph, "fast")) < 1.15 * level_nine
