"""What MindSpore's encoder and decoder do to a feature, as a network of its own."""
from mindspore import nn

from ms_impl.src.resampling import RESAMPLING


class PoolAndUpsample(nn.Cell):
    """(B, channels, H, W) -> the same shape: pooled, then upsampled, by a row of RESAMPLING."""

    def __init__(self, resampling, channels, config):
        super().__init__()
        pool, upsample = RESAMPLING[resampling]
        self.pool, self.upsample = pool(channels, config), upsample()

    def construct(self, x):
        pooled, _, guide = self.pool(x)
        return self.upsample(pooled, guide)
