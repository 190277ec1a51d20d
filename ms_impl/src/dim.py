"""Deep Image Matting (Xu et al. 2017): VGG16 encoder, decoder of unpoolings, residual refinement."""
from mindspore import nn, ops
from mindspore.common.initializer import XavierUniform, initializer

from matting.compat import zip_equal
from ms_impl.src.layers import ConvReLU, conv2d, scaled_width, set_batch_norm_policy
from ms_impl.src.modules import Decoder
from ms_impl.src.resampling import RESAMPLING

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each stage
BRIDGES = {"conv3x3": (3, 512), "fc6": (7, 4096)}  # kernel size and channels of its first convolution
DECODER_WIDTHS = (512, 256, 128, 64, 64)  # from the deepest stage up
REFINEMENT_WIDTH = 64
OUTPUTS = {"sigmoid": nn.Sigmoid, "linear": nn.Identity}  # from the prediction to the raw alpha


class Encoder(nn.Cell):
    """VGG16's five stages without the poolings between them. widths: channels each ends with."""

    def __init__(self, config):
        super().__init__()
        width = 4
        self.widths = []
        stages = []
        for channels, repeats in VGG16:
            convolutions = []
            for _ in range(repeats):
                convolutions.append(ConvReLU(width, scaled_width(channels, config), 3, config.encoder_batch_norm))
                width = scaled_width(channels, config)
            stages.append(nn.SequentialCell(*convolutions))
            self.widths.append(width)
        self.stages = nn.CellList(stages)
        set_batch_norm_policy(self, config.encoder_bn)


class UnpoolStage(nn.Cell):
    """Upsample, join the skip where the stage has one, fuse: (B, C, h, w) -> (B, out, 2h, 2w).

    skip_channels: of a skip (B, skip_channels, 2h, 2w) that is joined; 0 for none.
    """

    def __init__(self, in_channels, skip_channels, out_channels, upsample, config):
        super().__init__()
        self.upsample = upsample
        self.joins = skip_channels > 0
        self.fuse = ConvReLU(in_channels + skip_channels, out_channels, config.decoder_kernel_size,
                             config.decoder_batch_norm)

    def construct(self, x, skip, guide):
        x = self.upsample(x, guide)
        return self.fuse(ops.concat((x, skip), 1) if self.joins else x)


class Refinement(nn.Cell):
    """Normalised RGB (B, 3, H, W) and raw alpha (B, 1, H, W) -> the residual (B, 1, H, W) that corrects it."""

    def __init__(self, config):
        super().__init__()
        width, normalised = scaled_width(REFINEMENT_WIDTH, config), config.decoder_batch_norm
        self.stages = nn.SequentialCell(*(ConvReLU(into, width, 3, normalised) for into in (4, width, width)))
        self.residual = conv2d(width, 1, 3, bias=True)

    def construct(self, image, raw):
        return self.residual(self.stages(ops.concat((image, raw), 1)))


class CorrectAlpha(nn.Cell):
    """The residual is added to the raw alpha, as in the paper, and the sum clipped to [0, 1]."""

    def construct(self, logit, raw, residual):
        return ops.clamp(raw + residual, 0, 1)


class CorrectLogit(nn.Cell):
    """The residual is added to the prediction before the sigmoid, as public implementations do."""

    def construct(self, logit, raw, residual):
        return ops.sigmoid(logit + residual)


CORRECTIONS = {"alpha": CorrectAlpha, "logit": CorrectLogit}


class DeepImageMatting(nn.Cell):
    """(B, 4, H, W) normalised RGB and trimap, H and W multiples of 32 -> (B, 1, H, W) alpha in [0, 1].

    config.output_activation `linear`: the raw alpha is the prediction itself, before clipping. config.refine: whether
    the alpha is the refined one or the raw one. The refinement has its weights in either case, so that the checkpoint
    of each training stage fits the next.
    """

    dropout_probability = 0

    def __init__(self, config):
        super().__init__()
        self.encoder = Encoder(config)
        widths = self.encoder.widths
        pool, upsample = RESAMPLING[config.resampling]
        self.pools = nn.CellList([pool(width, config) for width in widths])
        kernel_size, channels = BRIDGES[config.bridge]
        hidden, normalised = scaled_width(channels, config), config.decoder_batch_norm
        self.bridge = nn.SequentialCell(
            ConvReLU(widths[-1], hidden, kernel_size, normalised),
            ConvReLU(hidden, widths[-1], 1, normalised))
        decoder_widths = [scaled_width(width, config) for width in DECODER_WIDTHS]
        self.decoder = Decoder([
            UnpoolStage(into, skip if config.decoder_skips else 0, out, upsample(), config)
            for into, skip, out in zip_equal((widths[-1], *decoder_widths[:-1]), reversed(widths), decoder_widths)])
        self.prediction = conv2d(decoder_widths[-1], 1, config.decoder_kernel_size, bias=True)
        self.activation = OUTPUTS[config.output_activation]()
        self.refinement = Refinement(config)
        self.correct = CORRECTIONS[config.refine_on]()
        self.refine = config.refine
        initialise(self)

    def dropout_shape(self, batch, height, width):
        """Of the dropout mask, which this network takes, as every one does, and leaves unused."""
        return batch, 1, 1, 1

    def construct(self, x, dropout=None):
        image = x[:, :3]
        skips, guides = (), ()
        for stage, pool in zip(self.encoder.stages, self.pools):  # noqa: B905, graph mode has no strict
            x, skip, guide = pool(stage(x))
            skips += (skip,)
            guides += (guide,)
        logit = self.prediction(self.decoder(self.bridge(x), skips, guides))
        raw = self.activation(logit)
        return self.correct(logit, raw, self.refinement(image, raw)) if self.refine else raw


def initialise(network):
    """Convolutions uniform after Glorot and Bengio (2010), as in the paper; the refinement starts as the identity."""
    for _, layer in network.cells_and_names():
        if isinstance(layer, nn.Conv2d):
            layer.weight.set_data(initializer(XavierUniform(), layer.weight.shape))
            if layer.bias is not None:
                layer.bias.set_data(initializer("zeros", layer.bias.shape))
    last = network.refinement.residual
    last.weight.set_data(initializer("zeros", last.weight.shape))
