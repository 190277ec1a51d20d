"""What the training loop asks of MindSpore: a compiled step, prediction, and the state that a resumed run takes up."""
import math

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from matting.compat import zip_equal
from matting.training.dropout import dropout_mask
from matting.training.loss_scale import LossScale
from matting.training.stage import SINGLE_PROCESS
from matting.weights.names import from_mindspore
from ms_impl.mixed_precision import MixedTrainStep, in_half_precision
from ms_impl.src.utils import get_weights, load_checkpoint, save_checkpoint, set_weights

LOSS_COLUMNS = ("alpha", "foreground", "background", "composite", "unknown")


class Optimiser(nn.Cell):
    """Changes groups of (parameters, share of the learning rate), each with moments of its own."""

    def __init__(self, groups):
        super().__init__(auto_prefix=False)
        self.weights = ms.ParameterTuple([parameter for parameters, _ in groups for parameter in parameters])
        self.shares = tuple(share for parameters, share in groups for _ in parameters)
        self.map = ops.HyperMap()  # compiles seven times faster than a loop


class Momentum(Optimiser):
    """Gradient descent with momentum and weight decay, PyTorch's SGD; the values are Deep Image Matting's."""

    MOMENTUM, WEIGHT_DECAY = 0.9, 1e-5

    def __init__(self, groups):
        super().__init__(groups)
        self.velocities = self.weights.clone("velocity", init="zeros")
        self.kernel = ops.ApplyMomentum()

    def construct(self, gradients, rate):
        """One update with what `corrected` gives."""
        return self.map(ops.partial(self.update, rate), self.weights, self.shares, self.velocities, gradients)

    def update(self, rate, weight, share, velocity, gradient):
        return self.kernel(weight, velocity, share * rate, gradient + self.WEIGHT_DECAY * weight, self.MOMENTUM)

    def corrected(self, rate, step):
        """The learning rate as it is: nothing is biased."""
        return (rate,)

    def moments(self):
        return self.velocities


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1) for groups of (parameters, share of the learning rate).

    nn.Adam adds epsilon before it corrects the second moment's bias, which makes its first steps shorter than the
    paper's and PyTorch's. Here the corrections are made outside: the kernel's own are switched off by powers of 0.
    """

    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, groups):
        super().__init__(groups)
        self.first_moments = self.weights.clone("first_moment", init="zeros")
        self.second_moments = self.weights.clone("second_moment", init="zeros")
        self.kernel = ops.Adam()

    def construct(self, gradients, rate, epsilon):
        """One update with what `corrected` gives."""
        return self.map(ops.partial(self.update, rate, epsilon), self.weights, self.shares, self.first_moments,
                        self.second_moments, gradients)

    def update(self, rate, epsilon, weight, share, first, second, gradient):
        return self.kernel(weight, first, second, 0.0, 0.0, share * rate, self.BETA1, self.BETA2, epsilon, gradient)

    def corrected(self, rate, step):
        """The learning rate and epsilon that make the biased moments' update of step 1, 2, ... the unbiased one."""
        beta2 = float(np.float32(self.BETA2))  # as the kernel rounds it; 1 - beta2 differs in the fifth digit
        second = math.sqrt(1 - beta2**step)
        return rate * second / (1 - self.BETA1**step), self.EPSILON * second

    def moments(self):
        return (*self.first_moments, *self.second_moments)


class Objective(nn.Cell):
    """The network's loss on a batch."""

    def __init__(self, network, loss):
        super().__init__(auto_prefix=False)
        self.network = network
        self.loss = loss

    def construct(self, image, dropout, alpha, foreground, background, composite, unknown):
        return self.loss(self.network(image, dropout), alpha, foreground, background, composite, unknown)


class ClipNorm(nn.Cell):
    """Gradients -> the same, scaled down together where the norm of all of them exceeds `limit`, by PyTorch's formula.

    MindSpore's own, ops.clip_by_norm and ops.clip_by_global_norm, are deprecated.
    """

    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        self.map = ops.HyperMap()

    def construct(self, gradients):
        norm = ops.sqrt(ops.addn(self.map(self.square_sum, gradients)))
        return self.map(ops.partial(self.scale, ops.minimum(self.limit / (norm + 1e-6), 1)), gradients)

    def square_sum(self, gradient):
        return ops.square(gradient).sum()

    def scale(self, factor, gradient):
        return factor * gradient


class TrainStep(nn.Cell):
    """Loss and gradients, both averaged over `devices`, and update, compiled as one graph.

    clip: what becomes of the averaged gradients before the update.
    """

    def __init__(self, objective, optimiser, clip, devices):
        super().__init__(auto_prefix=False)
        self.devices = devices
        self.loss_and_gradients = ops.value_and_grad(objective, None, optimiser.weights)
        self.average = nn.DistributedGradReducer(optimiser.weights) if devices > 1 else ops.identity
        self.total = ops.AllReduce() if devices > 1 else ops.identity
        self.clip = clip
        self.optimiser = optimiser
        self.numbers = len(optimiser.corrected(0, 1))

    def construct(self, *numbers_and_batch):
        loss, gradients = self.loss_and_gradients(*numbers_and_batch[self.numbers:])
        loss = self.total(loss) / self.devices
        gradients = self.clip(self.average(gradients))
        return ops.depend(loss, self.optimiser(gradients, *numbers_and_batch[:self.numbers]))


class Average(nn.Cell):
    """An Average (matting.training.stage), which MindSpore has none of: a second set of parameters."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.weights = ms.ParameterTuple(network.get_parameters())
        self.averages = self.weights.clone("average", init="same")
        self.map = ops.HyperMap()

    def construct(self, decay):
        return self.map(ops.partial(self.blend, decay), self.averages, self.weights)

    def blend(self, decay, average, weight):
        return ops.assign(average, decay * average + (1 - decay) * weight)

    def update(self, decay):
        self(ms.Tensor(decay, ms.float32))

    def exchange(self):
        for average, weight in zip_equal(self.averages, self.weights):
            held = ms.Tensor(weight)  # of the same memory: nothing is copied
            weight.set_data(average)
            average.set_data(held)


class Learner:
    """A Learner (matting.training.stage) whose loss and gradients are averaged over the group."""

    suffix = ".ckpt"

    def __init__(self, network, stage, config, group=SINGLE_PROCESS):
        self.network = network
        self.trains = stage.trains
        self.config = config
        self.seed = config.seed
        self.group = group
        self.optimiser = stage.optimiser([(getattr(network, part).trainable_params(), share)
                                          for part, share in stage.trains.items()])
        clip = ClipNorm(config.clip_norm) if config.clip_norm else ops.identity
        self.loss_scale = LossScale(config.amp)
        if config.amp:
            self.train_step = MixedTrainStep(Objective(in_half_precision(network), stage.loss), self.optimiser, clip,
                                             group.size, self.loss_scale)
        else:
            self.train_step = TrainStep(Objective(network, stage.loss), self.optimiser, clip, group.size).set_train()
        self.steps = 0

    def step(self, batch, learning_rate):
        self.steps += 1
        batch_size, _, height, width = batch["input"].shape
        dropout = dropout_mask(self.network.dropout_shape(batch_size, height, width), self.network.dropout_probability,
                               self.seed, self.steps, self.group.rank, self.group.size)
        updates = self.steps - self.loss_scale.skipped
        inputs = (*self.optimiser.corrected(learning_rate, updates), batch["input"], dropout,
                  *(batch[name] for name in LOSS_COLUMNS))
        self._set_train(True)
        return float(self.train_step(*(ms.Tensor(value, ms.float32) for value in inputs)).asnumpy())

    def predict(self, image):
        self._set_train(False)
        return self.network(ms.Tensor(image)).asnumpy()

    def weights(self):
        return get_weights(self.network)

    def set_weights(self, weights):
        set_weights(self.network, weights)

    def average(self):
        return Average(self.network)

    def save(self, path):
        save_checkpoint(self.network, path, self.config)

    def load(self, path):
        load_checkpoint(self.network, path)

    def diagnostics(self):
        return self.loss_scale.diagnostics()

    def state(self):
        return {"steps": np.array(self.steps), **self.loss_scale.state(),
                **{name: moment.asnumpy().copy() for name, moment in self._moments()}}

    def restore(self, state):
        self.steps = int(state["steps"])
        self.loss_scale.restore(state)
        for name, moment in self._moments():
            moment.set_data(ms.Tensor(state[name]))

    def _moments(self):
        for moment in self.optimiser.moments():
            yield from_mindspore(moment.name), moment

    def _set_train(self, training):
        for name, part in self.network.name_cells().items():
            part.set_train(training and name in self.trains)
