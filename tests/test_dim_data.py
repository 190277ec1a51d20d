"""What tells Deep Image Matting's samples apart: dilated trimaps, the trimap channel's range, the documented label."""
import cv2
import numpy as np
import pytest

from matting.config import config_parser, load_config
from matting.dataset.columns import COLUMNS, documented_label
from matting.dataset.feed import TrainingFeed
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError
from matting.transforms import normalise
from matting.trimap import dilations_to_reach, trimap_within
from tests.tiny_data import matte, tiny_config


def dim_config(*flags):
    return load_config(config_parser(""), ["--model", "dim", *flags])[0]


@pytest.mark.parametrize("alpha", [matte(120, 90), matte(60, 150) // 128 * 255, matte(50, 50) // 2],
                         ids=["soft", "hard", "nowhere opaque"])
@pytest.mark.parametrize("iterations", [1, 2, 7, 19])
def test_trimap_is_the_dilated_object_without_its_opaque_part(alpha, iterations):
    alpha.flags.writeable = False
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    dilated = cv2.dilate((alpha > 0).astype(np.uint8), ellipse, iterations=iterations) > 0
    expected = np.where(alpha == 255, 255, np.where(dilated, 128, 0))
    np.testing.assert_array_equal(trimap_within(alpha, dilations_to_reach(alpha), iterations), expected)


@pytest.mark.parametrize("value", [0, 255])
def test_a_matte_of_one_known_value_has_nothing_unknown(value):
    alpha = np.full((40, 30), value, np.uint8)
    np.testing.assert_array_equal(trimap_within(alpha, dilations_to_reach(alpha), 19), alpha)


def test_trimap_is_mapped_to_minus_one_to_one():
    config = dim_config()
    trimap = np.uint8([[0, 128, 255]])
    mapped = normalise(np.zeros((1, 3, 3), np.float32), trimap, config)[3]
    np.testing.assert_allclose(mapped, [[-1, (128 / 255 - 0.5) / 0.5, 1]], atol=1e-6)
    assert (config.input_size, config.scales) == (320, (1, 1.5, 2))  # crops of 320, 480, 640


def test_samples_follow_the_rule(unprepared):
    samples = {rule: TrainingSamples(tiny_config(unprepared, composition="online", trimap_rule=rule)).draw(0, 0)
               for rule in ("distance", "dilation")}
    soft = (samples["distance"].alpha == 1) & (samples["distance"].trimap == 128)
    assert soft.any()  # a distance reaches into the opaque part
    known = samples["dilation"].trimap != 128
    assert known.any() and not known.all()
    assert (samples["dilation"].trimap[samples["dilation"].alpha == 1] == 255).mean() > 0.95  # but for its resized edge


def test_documented_label_has_eleven_channels_in_their_order(unprepared):
    feed = TrainingFeed(tiny_config(unprepared, composition="online"))
    batch = {name: column[None] for name, column in zip(COLUMNS, feed[0], strict=True)}
    for column in batch.values():
        column.flags.writeable = False
    label = documented_label(batch)
    assert label.shape == (1, 11, 64, 64) and label.dtype == np.float32
    for first, name in ((0, "background"), (3, "foreground"), (6, "composite")):
        np.testing.assert_array_equal(label[:, first:first + 3], 255 * batch[name])
    assert 200 < label[:, :9].max() <= 255
    np.testing.assert_array_equal(label[:, 9:10], batch["alpha"])
    assert set(np.unique(label[:, 10])) <= {0, 1}


def test_unknown_rule_and_stage_are_named():
    with pytest.raises(UserError, match="trimap_rule 'ellipse' is not one of distance, dilation"):
        dim_config("--trimap_rule", "ellipse")
    with pytest.raises(UserError, match="stage 'refine' of model indexnet is not one of all, indexnet"):
        load_config(config_parser(""), ["--stage", "refine"])
    with pytest.raises(UserError, match="refine False leaves stage refine nothing to train"):
        dim_config("--stage", "refine", "--refine", "False")
