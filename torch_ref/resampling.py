"""Pooling and upsampling, and the pairs they are chosen in: by index, by maxima, bilinear or none."""
from torch import nn

from torch_ref.formulations import Bilinear, unpool
from torch_ref.index_blocks import IndexedPool, IndexedUpsample


class MaxPool(nn.Module):
    """2x2 max pooling that remembers where each maximum lay."""

    def __init__(self, channels, config):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)

    def forward(self, x):
        pooled, places = self.pool(x)
        return pooled, x, places


class MaxUnpool(nn.Module):
    """Puts each value back where its maximum lay, zero elsewhere."""

    def forward(self, x, guide):
        return unpool(x, guide)


class BilinearUpsample(nn.Module):
    """Interpolates between the values, whatever the guide: (B, C, h, w) -> (B, C, 2h, 2w)."""

    def __init__(self):
        super().__init__()
        self.upsample = Bilinear()

    def forward(self, x, guide):
        return self.upsample(x)


class Keep(nn.Module):
    """No pooling after this stage."""

    def __init__(self, channels, config):
        super().__init__()

    def forward(self, x):
        return x, x, None


class KeepSize(nn.Module):
    """No upsampling before this stage."""

    def forward(self, x, guide):
        return x


RESAMPLING = {"indexed": (IndexedPool, IndexedUpsample), "max": (MaxPool, MaxUnpool),
              "bilinear": (MaxPool, BilinearUpsample), "none": (Keep, KeepSize)}
