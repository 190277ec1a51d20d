"""The convolutions that everything is built from; batch norm follows nearly all, and those have no bias."""
from typing import NamedTuple

from mindspore import nn, ops

from ms_impl.src.formulations import train_affine, use_batch_statistics


def conv2d(in_channels, out_channels, kernel_size, stride=1, padding=None, dilation=1, groups=1, bias=False):
    """A convolution, by default without bias and zero-padded so that stride 1 keeps height and width."""
    if padding is None:
        padding = dilation * (kernel_size - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad_mode="pad", padding=padding,
                     dilation=dilation, group=groups, has_bias=bias)


def batch_norm(channels):
    """Batch norm over (B, H, W); a new statistic counts a tenth (MindSpore's momentum weighs the old one)."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.9)


class BatchNormPolicy(NamedTuple):
    """What an encoder's batch norms do in training mode."""

    batch_statistics: bool
    train_affine: bool


BN_POLICIES = {
    "frozen": BatchNormPolicy(batch_statistics=False, train_affine=False),
    "statistics_frozen": BatchNormPolicy(batch_statistics=False, train_affine=True),
    "trained": BatchNormPolicy(batch_statistics=True, train_affine=True),
}


def set_batch_norm_policy(encoder, policy):
    """Make all batch norms of an encoder follow a row of BN_POLICIES, whatever mode is set later."""
    policy = BN_POLICIES[policy]
    for _, layer in encoder.cells_and_names():
        if isinstance(layer, nn.BatchNorm2d):
            use_batch_statistics(layer, policy.batch_statistics)
            train_affine(layer, policy.train_affine)


def scaled_width(channels, config):
    """Channels at width multiplier 1 -> channels at the configured one, rounded down."""
    return int(channels * config.width_mult)


class ConvBN(nn.Cell):
    """Convolution, batch norm: (B, in, H, W) -> (B, out, H / stride, W / stride)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=None, dilation=1, groups=1):
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.bn = batch_norm(out_channels)

    def construct(self, x):
        return self.bn(self.conv(x))


class ConvBNReLU(ConvBN):
    """Convolution, batch norm, ReLU6: (B, in, H, W) -> (B, out, H / stride, W / stride)."""

    def construct(self, x):
        return ops.relu6(self.bn(self.conv(x)))


class ConvReLU(nn.Cell):
    """Convolution, batch norm or else a bias, ReLU: (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels, out_channels, kernel_size, normalised=True):
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel_size, bias=not normalised)
        self.bn = batch_norm(out_channels) if normalised else nn.Identity()

    def construct(self, x):
        return ops.relu(self.bn(self.conv(x)))


class SeparableConvBNReLU(nn.Cell):
    """Depthwise then pointwise convolution, each with batch norm and ReLU6: (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels, out_channels, kernel_size, dilation=1):
        super().__init__()
        self.depthwise = ConvBNReLU(in_channels, in_channels, kernel_size, dilation=dilation, groups=in_channels)
        self.pointwise = ConvBNReLU(in_channels, out_channels, 1)

    def construct(self, x):
        return self.pointwise(self.depthwise(x))


CONV_OPERATORS = {"std_conv": ConvBNReLU, "dep_sep_conv": SeparableConvBNReLU}
