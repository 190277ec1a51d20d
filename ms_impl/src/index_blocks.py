"""Index blocks, indexed pooling and upsampling (Lu et al. 2019, section 4), and the pairs they are chosen in."""
from dataclasses import dataclass

from mindspore import nn, ops

from ms_impl.src.layers import batch_norm, conv2d
from ms_impl.versions import split

divide = ops.RealDiv()  # the `/` of equal shapes keeps 16 bytes a pixel in tables on CPU, this does not


@dataclass(frozen=True)
class IndexKind:
    """What tells the three published index blocks apart, for C feature channels."""

    branches: int  # convolutions that predict a 2x2 cell together
    groups: int  # of those convolutions
    maps: int  # channels each branch ends with
    hidden: int  # channels of the nonlinear variant's hidden layer


INDEX_KINDS = {
    "holistic": lambda c, expansion: IndexKind(branches=1, groups=1, maps=4, hidden=2 * c),
    "depthwise_o2o": lambda c, expansion: IndexKind(branches=4, groups=c, maps=c, hidden=c),
    "depthwise_m2o": lambda c, expansion: IndexKind(branches=4, groups=1, maps=c, hidden=expansion * c),
}


class Branch(nn.Cell):
    """Predicts one place of the 2x2 cells, of a holistic block all four.

    In loops over loops MindSpore 2.0.0 can call cells, but not reach for their attributes; hence a class.
    """

    def __init__(self, channels, kind, window, nonlinear):
        super().__init__()
        self.dense = kind.groups == 1
        self.nonlinear = nonlinear
        self.conv = conv2d(channels, kind.hidden if nonlinear else kind.maps, stride=2, groups=kind.groups, **window)
        if nonlinear:
            self.bn = batch_norm(kind.hidden)
            self.relu = nn.ReLU6()
            self.mix = conv2d(kind.hidden, kind.maps, 1, groups=kind.groups)

    def construct(self, x):
        """(B, C, H, W) feature, or of dense blocks the first convolution's output -> (B, maps, H/2, W/2)."""
        if not self.dense:
            x = self.conv(x)
        return self.mix(self.relu(self.bn(x))) if self.nonlinear else x


class IndexBlock(nn.Cell):
    """Predicts for every 2x2 cell where a feature's information lies.

    (B, C, H, W) feature, H and W even -> encoder index (B, M, H, W) in (0, 1), which sums to 1 in each cell, and the
    decoder index in (0, 1) as four maps (B, M, H/2, W/2): the top left, top right, bottom left and bottom right of all
    cells. M = C, or 1 for holistic.
    """

    def __init__(self, channels, kind, context, nonlinear, expansion):
        super().__init__()
        kind = INDEX_KINDS[kind](channels, expansion)
        window = {"kernel_size": 4, "padding": 1} if context else {"kernel_size": 2, "padding": 0}
        self.padding = window["padding"]
        self.dense = kind.groups == 1
        branches = [Branch(channels, kind, window, nonlinear) for _ in range(kind.branches)]
        self.branches = nn.CellList(branches)
        self.kernels = tuple(branch.conv.weight for branch in branches)

    def construct(self, x):
        places = ()  # top left, top right, bottom left, bottom right
        for branch, window in zip(self.branches, self.windows(x)):  # noqa: B905, graph mode has no strict
            places += (branch(window),)
        if len(places) == 1:  # holistic: one branch predicts all four
            places = split(places[0], 1, 1)
        gates, exponentials = (), ()
        for place in places:
            gate = ops.sigmoid(place)
            gates += (gate,)
            exponentials += (ops.exp(gate),)  # softmax without its shift: gates lie in (0, 1)
        total = exponentials[0] + exponentials[1] + exponentials[2] + exponentials[3]
        shares = ()
        for exponential in exponentials:
            shares += (divide(exponential, total),)
        return interleave(shares), gates

    def windows(self, x):
        """What each branch takes; dense first convolutions are joined, so that x is unfolded once for all four."""
        if not self.dense:
            return (x,) * len(self.kernels)
        joined = ops.conv2d(x, ops.concat(self.kernels, 0), stride=2, pad_mode="pad", padding=self.padding)
        return split(joined, joined.shape[1] // len(self.kernels), 1)


def interleave(places):
    """Four (B, M, h, w) maps, one for each place of the 2x2 cells -> (B, M, 2h, 2w)."""
    batch, maps, rows, columns = places[0].shape
    cells = ops.stack(places, 2).reshape(batch, maps, 2, 2, rows, columns).transpose(0, 1, 4, 2, 5, 3)
    return cells.reshape(batch, maps, 2 * rows, 2 * columns)


class IndexedPool(nn.Cell):
    """Indexed 2x2 pooling: each cell's sum, weighted by the encoder index.

    (B, C, H, W) -> pooled (B, C, H/2, W/2), skip (B, C, H, W), guide for IndexedUpsample.
    """

    def __init__(self, channels, config):
        super().__init__()
        self.index = IndexBlock(channels, config.index_kind, config.use_context, config.use_nonlinear,
                                config.index_expansion)

    def construct(self, x):
        encoder_index, decoder_index = self.index(x)
        skip = encoder_index * x
        return 4 * ops.avg_pool2d(skip, 2, 2), skip, decoder_index


class IndexedUpsample(nn.Cell):
    """(B, C, h, w), four decoder index maps (B, C or 1, h, w) -> (B, C, 2h, 2w): nearest upsampling times the index.

    Each place of the cells is multiplied by itself: a broadcast over cells would keep 16 bytes a pixel in tables.
    """

    def construct(self, x, guide):
        places = ()
        for gate in guide:
            places += (gate * x,)
        return interleave(places)


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

    def __init__(self):
        super().__init__()
        self.unpool = nn.MaxUnpool2d(2, 2)

    def construct(self, x, guide):
        return self.unpool(x, guide)


class BilinearUpsample(nn.Cell):
    """Interpolates between the values, whatever the guide: (B, C, h, w) -> (B, C, 2h, 2w)."""

    def construct(self, x, guide):
        height, width = x.shape[2:]
        return ops.interpolate(x, size=(2 * height, 2 * width), mode="bilinear", align_corners=False)


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
