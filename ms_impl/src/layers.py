"""The convolutions that everything is built from; batch norm follows nearly all, and those have no bias."""
from typing import NamedTuple

import mindspore as ms
from mindspore import nn, ops

from ms_impl.versions import split


class RowwiseConv2d(nn.Conv2d):
    """nn.Conv2d, dense and of stride 1, as one convolution with every row of the kernel, then a sum of shifted rows.

    On CPU a convolution first unfolds its input, k * k values for each; this one unfolds k. Its k * out_channels maps
    cost less memory than that only where out_channels is small.
    """

    def construct(self, x):
        size, (out_channels, in_channels) = self.kernel_size[0], self.weight.shape[:2]
        rows = self.weight.transpose(2, 0, 1, 3).reshape(size * out_channels, in_channels, 1, size)
        outputs = split(ops.conv2d(x, rows, pad_mode="pad", padding=self.padding), out_channels, 1)
        height = x.shape[2] + 2 * self.padding - size + 1
        total = outputs[0][:, :, :height]
        for row in range(1, size):
            total = total + outputs[row][:, :, row:row + height]
        return total + self.bias.reshape(1, -1, 1, 1) if self.has_bias else total


NARROW_CONVOLUTIONS = {"CPU": RowwiseConv2d}  # by device target; elsewhere nn.Conv2d


def conv2d(in_channels, out_channels, kernel_size, stride=1, padding=None, dilation=1, groups=1, bias=False):
    """A convolution, by default without bias and zero-padded so that stride 1 keeps height and width."""
    if padding is None:
        padding = dilation * (kernel_size - 1) // 2
    narrow = stride == dilation == groups == 1 < kernel_size and kernel_size * out_channels <= in_channels
    layer = NARROW_CONVOLUTIONS.get(ms.get_context("device_target"), nn.Conv2d) if narrow else nn.Conv2d
    return layer(in_channels, out_channels, kernel_size, stride, pad_mode="pad", padding=padding,
                 dilation=dilation, group=groups, has_bias=bias)


def batch_norm(channels):
    """Batch norm over (B, H, W); a new statistic counts a tenth (MindSpore's momentum weighs the old one)."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.9)


class SharedBatchNorm(nn.Cell):
    """What nn.BatchNorm2d trains with, but by the mean and variance of the equal batches of `devices` devices.

    nn.SyncBatchNorm has no CPU kernel; this needs nothing but sums over all devices, two forward and two backward.
    """

    def __init__(self, epsilon, share, devices):
        super().__init__()
        self.epsilon, self.share, self.devices = epsilon, share, devices
        self.sum = ops.AllReduce()

    def construct(self, x, gamma, beta, running_mean, running_variance):
        """(B, C, H, W), four (C,) -> a tuple of the normalised (B, C, H, W); a new statistic counts `share`."""
        x = x.astype(ms.float32)  # mixed precision may give float16, whose sums overflow
        mean = self.over_devices(x.mean((0, 2, 3)))
        centred = x - mean.reshape(1, -1, 1, 1)
        variance = self.over_devices(ops.square(centred).mean((0, 2, 3)))
        values = self.devices * x.shape[0] * x.shape[2] * x.shape[3]
        unbiased = variance * (values / (values - 1))
        centred = ops.depend(centred, ops.assign_sub(running_mean, self.share * (running_mean - mean)))
        centred = ops.depend(centred, ops.assign_sub(running_variance, self.share * (running_variance - unbiased)))
        scale = gamma / ops.sqrt(variance + self.epsilon)
        return (centred * scale.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1),)

    def over_devices(self, mean):
        return self.sum(mean) / self.devices


def share_batch_statistics(network, devices):
    """Make the batch norms of a network that use batch statistics use those of all devices' batches."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.bn_train = SharedBatchNorm(cell.eps, cell.momentum, devices)


class BatchNormPolicy(NamedTuple):
    """What an encoder's batch norms do in training mode."""

    batch_statistics: "bool | None"  # None: in training mode
    train_affine: bool


BN_POLICIES = {
    "frozen": BatchNormPolicy(batch_statistics=False, train_affine=False),
    "statistics_frozen": BatchNormPolicy(batch_statistics=False, train_affine=True),
    "trained": BatchNormPolicy(batch_statistics=None, train_affine=True),
}


def set_batch_norm_policy(encoder, policy):
    """Make all batch norms of a cell follow a row of BN_POLICIES, whatever mode is set later."""
    policy = BN_POLICIES[policy]
    for _, cell in encoder.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.use_batch_statistics = policy.batch_statistics  # survives set_train(True)
            cell.gamma.requires_grad = cell.beta.requires_grad = policy.train_affine


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
