"""Index blocks, indexed pooling and upsampling (Lu et al. 2019, section 4)."""
from dataclasses import dataclass

from mindspore import nn, ops

from ms_impl.src.formulations import CellSum, cell_softmax, convolve_each, split, upsample_times
from ms_impl.src.layers import batch_norm, conv2d


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
    """Predicts one place of the 2x2 cells, of a holistic block all four, from what its convolution makes of a feature.

    That convolution is left to the block, which may join those of all branches.
    """

    def __init__(self, channels, kind, window, nonlinear):
        super().__init__()
        self.nonlinear = nonlinear
        self.conv = conv2d(channels, kind.hidden if nonlinear else kind.maps, stride=2, groups=kind.groups, **window)
        if nonlinear:
            self.bn = batch_norm(kind.hidden)
            self.mix = conv2d(kind.hidden, kind.maps, 1, groups=kind.groups)

    def construct(self, x):
        """The convolution's output (B, hidden or maps, h, w) -> (B, maps, h, w)."""
        return self.mix(ops.relu6(self.bn(x))) if self.nonlinear else x


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
        self.branches = nn.CellList([Branch(channels, kind, window, nonlinear) for _ in range(kind.branches)])

    def construct(self, x):
        gates = ()  # top left, top right, bottom left, bottom right
        features = convolve_each(self.branches, x)
        for branch, feature in zip(self.branches, features):  # noqa: B905, graph mode has no strict
            gates += (ops.sigmoid(branch(feature)),)
        if len(gates) == 1:  # holistic: one branch predicts all four
            gates = split(gates[0], 1, 1)
        return cell_softmax(gates), gates


class IndexedPool(nn.Cell):
    """Indexed 2x2 pooling: each cell's sum, weighted by the encoder index.

    (B, C, H, W) -> pooled (B, C, H/2, W/2), skip (B, C, H, W), guide for IndexedUpsample.
    """

    def __init__(self, channels, config):
        super().__init__()
        self.index = IndexBlock(channels, config.index_kind, config.use_context, config.use_nonlinear,
                                config.index_expansion)
        self.sum = CellSum(channels)

    def construct(self, x):
        encoder_index, decoder_index = self.index(x)
        skip = encoder_index * x
        return self.sum(skip), skip, decoder_index


class IndexedUpsample(nn.Cell):
    """(B, C, h, w), four decoder index maps (B, C or 1, h, w) -> (B, C, 2h, 2w): nearest upsampling times the index."""

    def construct(self, x, guide):
        return upsample_times(x, guide)
