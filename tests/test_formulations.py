"""What MindSpore computes in another way, on CPU or in an exported file: the same parameters, equal outputs."""
import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from ms_impl.src.formulations import (
    Bilinear,
    JoinedBilinear,
    MarkingMaxPool,
    RowwiseConvolution,
    suit_device,
    suit_export,
    unpool,
    zero_pad,
)
from ms_impl.src.layers import conv2d
from ms_impl.src.resampling import BilinearUpsample, MaxPool
from ms_impl.src.utils import get_weights, set_device, set_weights
from tests.tiny_data import tiny_config

NARROW = {"5x5 to one": (32, 1, 5), "3x3 to four, with bias": (16, 4, 3, 1, None, 1, 1, True),
          "unpadded": (8, 2, 3, 1, 0)}
OTHERS = {"1x1": (16, 1, 1), "wide": (4, 6, 3), "stride 2": (16, 1, 4, 2, 1), "dilated": (16, 1, 3, 1, None, 2),
          "grouped": (16, 4, 3, 1, None, 1, 4)}


@pytest.fixture(scope="module", autouse=True)
def cpu():
    set_device(tiny_config("unused", device_target="CPU"))


def computed_rowwise(layer):
    return isinstance(layer.conv2d, RowwiseConvolution)


def suited(row, device_target):
    layer = conv2d(*row)
    suit_device(nn.SequentialCell(layer), device_target)
    return layer


@pytest.mark.parametrize("row", NARROW.values(), ids=NARROW)
def test_on_cpu_a_narrow_convolution_is_rowwise_and_equal(row):
    plain, rowwise = suited(row, "GPU"), suited(row, "CPU")
    assert computed_rowwise(rowwise) and not computed_rowwise(plain)
    weights = get_weights(plain)
    assert weights.keys() == get_weights(rowwise).keys()
    set_weights(rowwise, weights)
    x = ms.Tensor(np.random.default_rng(0).standard_normal((2, row[0], 7, 9)).astype(np.float32))
    np.testing.assert_allclose(rowwise(x).asnumpy(), plain(x).asnumpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("row", OTHERS.values(), ids=OTHERS)
def test_every_other_convolution_stays_as_it_is(row):
    assert not computed_rowwise(suited(row, "CPU"))


def test_a_zero_border_is_zero_beside_infinities():
    x = np.full((1, 2, 2, 3), np.inf, np.float32)
    x[0, 1] = -np.inf
    padded = zero_pad(ms.Tensor(x), 2).asnumpy()
    assert padded.shape == (1, 2, 6, 7)
    np.testing.assert_array_equal(padded[:, :, 2:-2, 2:-2], x)
    padded[:, :, 2:-2, 2:-2] = 0
    assert not padded.any()


@pytest.mark.parametrize("upsampling", [Bilinear, JoinedBilinear])
def test_bilinear_upsampling_interpolates_between_the_centres_of_pixels(upsampling):
    x = ms.Tensor(np.array([[[[0, 4], [8, 16]]]], np.float32))
    across = np.array([[0, 1, 3, 4], [8, 10, 14, 16]])  # 3/4 of the nearer, 1/4 of the farther; borders stay
    expected = [across[0], (3 * across[0] + across[1]) / 4, (across[0] + 3 * across[1]) / 4, across[1]]
    np.testing.assert_array_equal(upsampling()(x).asnumpy()[0, 0], expected)


def test_marking_pooling_takes_the_first_of_equal_maxima_as_max_pooling_does():
    x = ms.Tensor(np.random.default_rng(0).integers(-2, 2, (2, 3, 8, 10)).astype(np.float32))  # many are equal
    pooled, places = nn.MaxPool2d(2, 2, pad_mode="pad", return_indices=True)(x)
    marked, marks = MarkingMaxPool()(x)
    np.testing.assert_array_equal(marked.asnumpy(), pooled.asnumpy())
    np.testing.assert_array_equal(unpool(marked, marks).asnumpy(), unpool(pooled, places).asnumpy())
    assert (sum(mark.asnumpy() for mark in marks) == 1).all()


def test_an_exported_network_computes_by_what_every_runtime_knows():
    network = nn.SequentialCell(MaxPool(3, None), nn.SequentialCell(MaxPool(3, None)), BilinearUpsample())
    suit_export(network)
    assert isinstance(network[0].pool, MarkingMaxPool) and isinstance(network[1][0].pool, MarkingMaxPool)
    assert isinstance(network[2].upsample, JoinedBilinear)
