"""Formulations: how MindSpore is asked for what it computes slowly, or with much memory, on CPU when asked plainly.

The layers, blocks and networks call these by names that torch_ref/formulations.py has, too, so that both sides read
alike.
"""
import mindspore as ms
import numpy as np
from mindspore import nn, ops

from ms_impl.versions import split

divide = ops.RealDiv()  # the `/` of equal shapes keeps 16 bytes a pixel in tables on CPU, this does not


def suit_device(network, device_target):
    """Let a network compute in the way that is fastest on that device, equal but for rounding; its parameters stay."""
    if device_target != "CPU":
        return
    for _, layer in network.cells_and_names():
        if isinstance(layer, nn.Conv2d) and is_narrow(layer):
            layer.conv2d = RowwiseConvolution(layer)


def is_narrow(convolution):
    """Whether RowwiseConvolution can take its place, and costs less memory."""
    size, *_ = convolution.kernel_size
    plain = {*convolution.stride, *convolution.dilation, convolution.group} == {1}
    return plain and size > 1 and size * convolution.out_channels <= convolution.in_channels


class RowwiseConvolution(nn.Cell):
    """What a narrow nn.Conv2d convolves with: one convolution with every row of the kernel, then a sum of shifted rows.

    On CPU a convolution first unfolds its input, k * k values for each; this one unfolds k. Its k * out_channels maps
    cost less memory than that only where out_channels is small.
    """

    def __init__(self, convolution):
        super().__init__()
        size, *_ = convolution.kernel_size
        self.padding = convolution.padding
        # padded at the sides alone: MindSpore Lite computes wrong numbers where a kernel of one row is padded above
        self.convolve = ops.Conv2D(size * convolution.out_channels, (1, size), pad_mode="pad",
                                   pad=(0, 0, self.padding, self.padding))

    def construct(self, x, weight):
        """(B, in, H, W), (out, in, k, k) -> (B, out, H + 2 padding - k + 1, W + 2 padding - k + 1)."""
        out_channels, in_channels, size, _ = weight.shape
        rows = weight.transpose(2, 0, 1, 3).reshape(size * out_channels, in_channels, 1, size)
        outputs = split(join_rows(self.convolve(x, rows), self.padding), out_channels, 1)
        height = x.shape[2] + 2 * self.padding - size + 1
        total = outputs[0][:, :, :height]
        for row in range(1, size):
            total = total + outputs[row][:, :, row:row + height]
        return total


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


def use_batch_statistics(batch_norm, whether):
    """Let a batch norm normalise by the batch in training mode, or never; set_train changes nothing of that."""
    batch_norm.use_batch_statistics = None if whether else False


def train_affine(batch_norm, whether):
    """Let a batch norm's scale and shift be trained or not."""
    batch_norm.gamma.requires_grad = batch_norm.beta.requires_grad = whether


def zero_pad(x, width):
    """(B, C, H, W) -> (B, C, H + 2 width, W + 2 width); concatenation is ten times faster than ops.pad on CPU."""
    return join_columns(join_rows(x, width), width)


def join_rows(x, count):
    """So many rows of zeros above and below."""
    rows = count * (zeros(x[:, :, :1]),)
    return ops.concat(rows + (x,) + rows, 2)


def join_columns(x, count):
    """So many columns of zeros on the left and on the right."""
    columns = count * (zeros(x[:, :, :, :1]),)
    return ops.concat(columns + (x,) + columns, 3)


def zeros(x):
    """Zeros of x's shape, computed from it, since MindSpore Lite refuses to join constants.

    From its ReLU6: infinity times 0 is no number. Their gradient is left out, which would be added up in vain.
    """
    return ops.stop_gradient(0 * ops.relu6(x))


def convolve_each(branches, x):
    """What the branches' own convolutions, of stride 2, make of x, as a tuple.

    Dense ones are joined, so that x is unfolded once for all of them.
    """
    outputs, kernels = (), ()
    if branches[0].conv.group > 1:
        for branch in branches:
            outputs += (branch.conv(x),)
        return outputs
    for branch in branches:
        kernels += (branch.conv.weight,)
    joined = ops.conv2d(x, ops.concat(kernels, 0), stride=2, pad_mode="pad", padding=branches[0].conv.padding)
    return split(joined, joined.shape[1] // len(kernels), 1)


def interleave(maps):
    """Four (B, M, h, w) maps, one for each place of the 2x2 cells -> (B, M, 2h, 2w)."""
    batch, channels, rows, columns = maps[0].shape
    cells = ops.stack(maps, 2).reshape(batch, channels, 2, 2, rows, columns).transpose(0, 1, 4, 2, 5, 3)
    return cells.reshape(batch, channels, 2 * rows, 2 * columns)


def cell_softmax(maps):
    """Four (B, M, h, w) maps, one for each place of the 2x2 cells -> the softmax over each cell, (B, M, 2h, 2w).

    The maps lie within (0, 1), which lets softmax do without its shift.
    """
    exponentials = ()
    for values in maps:
        exponentials += (ops.exp(values),)
    total = exponentials[0] + exponentials[1] + exponentials[2] + exponentials[3]
    shares = ()
    for exponential in exponentials:
        shares += (divide(exponential, total),)
    return interleave(shares)


class CellSum(nn.Cell):
    """(B, channels, H, W) -> the sum of each 2x2 cell, (B, channels, H/2, W/2), by a convolution with ones.

    ops.avg_pool2d becomes AvgPool3D, which neither MindSpore Lite nor MindSpore's ONNX exporter knows; nn.AvgPool2d
    takes twice as long on CPU.
    """

    def __init__(self, channels):
        super().__init__()
        self.convolve = ops.Conv2D(channels, (2, 2), stride=2, group=channels)
        self.ones = ms.Tensor(np.ones((channels, 1, 2, 2), np.float32))

    def construct(self, x):
        return self.convolve(x, self.ones)


def upsample_times(x, maps):
    """(B, C, h, w), four (B, C or 1, h, w) maps -> (B, C, 2h, 2w): nearest upsampling times the interleaved maps.

    Each place of the cells is multiplied by itself: a broadcast over cells would keep 16 bytes a pixel in tables.
    """
    places = ()
    for values in maps:
        places += (values * x,)
    return interleave(places)


class Bilinear(nn.Cell):
    """(B, C, h, w) -> (B, C, 2h, 2w), bilinear between the centres of pixels."""

    def construct(self, x):
        height, width = x.shape[2:]
        return ops.interpolate(x, size=(2 * height, 2 * width), mode="bilinear", align_corners=False)


def unpool(x, places):
    """(B, C, h, w) and where in (B, C, 2h, 2w) each value belongs -> that, zero elsewhere.

    places: as the pooling tells them, numbers of the flattened map, or in an exported network four maps of 0 and 1.
    """
    return upsample_times(x, places) if isinstance(places, tuple) else ops.max_unpool2d(x, places, 2, 2)


class MarkingMaxPool(nn.Cell):
    """2x2 max pooling that tells of each place of the cells whether the first maximum lay there, by 0 and 1."""

    def construct(self, x):
        """(B, C, H, W), H and W even -> (B, C, H/2, W/2) and four such maps."""
        places = (x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2])
        largest = ops.maximum(ops.maximum(places[0], places[1]), ops.maximum(places[2], places[3]))
        marks, left = (), ops.ones_like(largest)
        for values in places:
            mark = left * ops.equal(values, largest).astype(x.dtype)
            left = left - mark
            marks += (mark,)
        return largest, marks


class JoinedBilinear(nn.Cell):
    """What Bilinear computes, as sums of shifted maps."""

    def construct(self, x):
        above = ops.concat((x[:, :, :1], x[:, :, :-1]), 2)
        below = ops.concat((x[:, :, 1:], x[:, :, -1:]), 2)
        places = ()
        for rows in (0.75 * x + 0.25 * above, 0.75 * x + 0.25 * below):
            left = ops.concat((rows[:, :, :, :1], rows[:, :, :, :-1]), 3)
            right = ops.concat((rows[:, :, :, 1:], rows[:, :, :, -1:]), 3)
            places += (0.75 * rows + 0.25 * left, 0.75 * rows + 0.25 * right)
        return interleave(places)


# What MindSpore Lite or MindSpore's ONNX exporter does not know, and what equals it, but is slower.
PORTABLE = {nn.MaxPool2d: MarkingMaxPool, Bilinear: JoinedBilinear}


def suit_export(network):
    """Let a network compute by what every runtime of an exported file knows; outputs and parameters stay."""
    for _, layer in network.cells_and_names():
        for name, part in layer.name_cells().items():
            if type(part) in PORTABLE:
                setattr(layer, name, PORTABLE[type(part)]())
