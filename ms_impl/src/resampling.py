"""Pooling and upsampling, and the pairs they are chosen in: by index, by maxima, bilinear or none."""
from mindspore import nn

from ms_impl.src.formulations import Bilinear, unpool
from ms_impl.src.index_blocks import IndexedPool, IndexedUpsample


class MaxPool(nn.Cell):
    """2x2 max pooling that remembers where each maximum lay."""

    def __init__(self, channels, config):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, pad_mode="pad", return_indices=True)

    def construct(self, x):
        pooled, places = self.pool(x)
        return pooled, x, places


class MaxUnpool(nn.Cell):
    """Puts each value back where its maximum lay, zero elsewhere."""

    def construct(self, x, guide):
        return unpool(x, guide)


class BilinearUpsample(nn.Cell):
    """Interpolates between the values, whatever the guide: (B, C, h, w) -> (B, C, 2h, 2w)."""

    def __init__(self):
        super().__init__()
        self.upsample = Bilinear()

    def construct(self, x, guide):
        return self.upsample(x)


class Keep(nn.Cell):
    """No pooling after this stage."""

    def __init__(self, channels, config):
        super().__init__()

    def construct(self, x):
        return x, x, None


class KeepSize(nn.Cell):
    """No upsampling before this stage."""

    def construct(self, x, guide):
        return x


RESAMPLING = {"indexed": (IndexedPool, IndexedUpsample), "max": (MaxPool, MaxUnpool),
              "bilinear": (MaxPool, BilinearUpsample), "none": (Keep, KeepSize)}
