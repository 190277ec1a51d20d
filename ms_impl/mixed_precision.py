"""Training in mixed precision: convolutions in float16; losses, statistics, weights and their updates in float32."""
import mindspore as ms
from mindspore import nn, ops


class HalfPrecision(nn.Cell):
    """A network with its convolutions in float16: the same inputs, alpha in float32."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, image, dropout):
        return self.network(image, dropout).astype(ms.float32)


def in_half_precision(network):
    """A network -> a function of its inputs with convolutions in float16; the network itself stays as it is."""
    # "auto" casts what a convolution takes, and back where float16 is too coarse, as PyTorch's autocast does
    return ms.amp.auto_mixed_precision(HalfPrecision(network), "auto", ms.float16)


class ScaledObjective(nn.Cell):
    """An objective times a scale."""

    def __init__(self, objective):
        super().__init__(auto_prefix=False)
        self.objective = objective

    def construct(self, scale, *batch):
        return scale * self.objective(*batch)


class ScaledGradients(nn.Cell):
    """Scale and batch -> the loss, whether all gradients are finite, these unscaled and clipped.

    All are those of all devices, so that either none skips a step or each.
    """

    def __init__(self, objective, weights, clip, devices):
        super().__init__(auto_prefix=False)
        self.devices = devices
        self.loss_and_gradients = ops.value_and_grad(ScaledObjective(objective), None, weights)
        self.average = nn.DistributedGradReducer(weights) if devices > 1 else ops.identity
        self.total = ops.AllReduce() if devices > 1 else ops.identity
        self.clip = clip
        self.map = ops.HyperMap()

    def construct(self, scale, *batch):
        scaled_loss, gradients = self.loss_and_gradients(scale, *batch)
        loss = self.total(scaled_loss / scale) / self.devices
        gradients = self.map(ops.partial(self.unscale, scale), self.average(gradients))
        return loss, ms.amp.all_finite(gradients), self.clip(gradients)

    def unscale(self, scale, gradient):
        return gradient / scale


class Update(nn.Cell):
    """An optimiser as a graph of its own: what it takes beside gradients, then each gradient."""

    def __init__(self, optimiser, numbers):
        super().__init__(auto_prefix=False)
        self.optimiser = optimiser
        self.numbers = numbers

    def construct(self, *numbers_and_gradients):
        return self.optimiser(numbers_and_gradients[self.numbers:], *numbers_and_gradients[:self.numbers])


class MixedTrainStep:
    """What ms_impl.learner.TrainStep does, in two graphs: the second is left out where a gradient overflows.

    loss_scale: matting.training.loss_scale.LossScale, kept up to date.
    """

    def __init__(self, objective, optimiser, clip, devices, loss_scale):
        self.numbers = len(optimiser.corrected(0, 1))
        self.gradients = ScaledGradients(objective, optimiser.weights, clip, devices).set_train()
        self.update = Update(optimiser, self.numbers).set_train()
        self.loss_scale = loss_scale

    def __call__(self, *numbers_and_batch):
        scale = ms.Tensor(self.loss_scale.scale, ms.float32)
        loss, finite, gradients = self.gradients(scale, *numbers_and_batch[self.numbers:])
        finite = bool(finite.asnumpy())
        if finite:
            self.update(*numbers_and_batch[:self.numbers], *gradients)
        self.loss_scale.update(finite)
        return loss
