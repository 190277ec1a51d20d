"""What MindSpore computes in another way on CPU: chosen for the program's device alone, under the same names, equal."""
import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from ms_impl.src.formulations import RowwiseConvolution, suit_device
from ms_impl.src.layers import conv2d
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
