"""What the training loop asks of PyTorch: a step, prediction, and the state that a resumed run takes up."""
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from matting.training.dropout import dropout_mask
from matting.training.loss_scale import LossScale
from torch_ref.mixed_precision import HalfPrecision
from torch_ref.utils import get_weights, load_checkpoint, save_checkpoint, set_weights

LOSS_COLUMNS = ("alpha", "foreground", "background", "composite", "unknown")


class Shared:
    """An optimiser for groups of (parameters, share of the learning rate)."""

    def __init__(self, groups, **settings):
        super().__init__([{"params": parameters, "share": share} for parameters, share in groups], **settings)

    def set_rate(self, rate):
        """The learning rate of the next step."""
        for group in self.param_groups:
            group["lr"] = group["share"] * rate


class Momentum(Shared, torch.optim.SGD):
    """Gradient descent with momentum and weight decay; the values are Deep Image Matting's."""

    moments = {"velocity": "momentum_buffer"}  # name in a saved state: PyTorch's

    def __init__(self, groups):
        super().__init__(groups, momentum=0.9, weight_decay=1e-5)


class Adam(Shared, torch.optim.Adam):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    moments = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}  # name in a saved state: PyTorch's

    def __init__(self, groups):
        super().__init__(groups, betas=(0.9, 0.999), eps=1e-8)


class Average:
    """An Average (matting.training.stage): a second network, beside the learner's."""

    def __init__(self, learner):
        self.learner = learner
        self.model = AveragedModel(learner.network, use_buffers=True)
        self.update(0)

    def update(self, decay):
        self.model.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self.model.update_parameters(self.learner.network)

    def exchange(self):
        self.learner.network, self.model.module = self.model.module, self.learner.network


class Learner:
    """A Learner (matting.training.stage)."""

    suffix = ".pth"

    def __init__(self, network, stage, config):
        self.network = network
        self.trains = stage.trains
        self.config = config
        self.loss = stage.loss
        for name, part in network.named_children():
            if name not in stage.trains:
                part.requires_grad_(False)
        self.optimiser = stage.optimiser([
            ([weight for weight in getattr(network, part).parameters() if weight.requires_grad], share)
            for part, share in stage.trains.items()])
        self.device = next(network.parameters()).device
        self.forward = HalfPrecision(network, self.device.type) if config.amp else network
        self.loss_scale = LossScale(config.amp)
        self.clip_norm = config.clip_norm
        self.seed = config.seed
        self.steps = 0

    def step(self, batch, learning_rate):
        self.steps += 1
        batch_size, _, height, width = batch["input"].shape
        dropout = dropout_mask(self.network.dropout_shape(batch_size, height, width), self.network.dropout_probability,
                               self.seed, self.steps)
        self._set_train(True)
        self.optimiser.set_rate(learning_rate)
        self.optimiser.zero_grad()
        prediction = self.forward(self._tensor(batch["input"]), self._tensor(dropout))
        loss = self.loss(prediction, *(self._tensor(batch[name]) for name in LOSS_COLUMNS))
        (self.loss_scale.scale * loss if self.loss_scale.used else loss).backward()
        if self._take_gradients():
            self.optimiser.step()
        return loss.item()

    @torch.no_grad()
    def predict(self, image):
        self._set_train(False)
        return self.network(self._tensor(image)).cpu().numpy()

    def weights(self):
        return get_weights(self.network)

    def set_weights(self, weights):
        set_weights(self.network, weights)

    def average(self):
        return Average(self)

    def save(self, path):
        save_checkpoint(self.network, path, self.config)

    def load(self, path):
        load_checkpoint(self.network, path)

    def diagnostics(self):
        return self.loss_scale.diagnostics()

    def state(self):
        moments = {f"{moment}.{name}": self._moment(weight, torchs).cpu().numpy().copy()
                   for moment, torchs in self.optimiser.moments.items() for name, weight in self._learning()}
        return {"steps": np.array(self.steps), **self.loss_scale.state(), **moments}

    def restore(self, state):
        self.steps = int(state["steps"])
        self.loss_scale.restore(state)
        updates = float(self.steps - self.loss_scale.skipped)
        for name, weight in self._learning():
            moments = {torchs: self._tensor(state[f"{moment}.{name}"]).clone()
                       for moment, torchs in self.optimiser.moments.items()}
            self.optimiser.state[weight] = {"step": torch.tensor(updates), **moments}

    def _take_gradients(self):
        """Unscale and clip the gradients -> whether the optimiser can take them."""
        weights = [weight for _, weight in self._learning()]
        finite = True
        if self.loss_scale.used:
            for weight in weights:
                weight.grad /= self.loss_scale.scale
            finite = sum(weight.grad.sum() for weight in weights).isfinite().item()
            self.loss_scale.update(finite)
        if self.clip_norm:
            torch.nn.utils.clip_grad_norm_(weights, self.clip_norm)
        return finite

    def _moment(self, weight, name):
        """Zeros before the first update, which an overflow may delay."""
        moments = self.optimiser.state[weight]
        return moments[name] if moments else torch.zeros_like(weight)

    def _learning(self):
        """(name, weight) of all that the optimiser changes."""
        for name, weight in self.network.named_parameters():
            if weight.requires_grad and name.partition(".")[0] in self.trains:
                yield name, weight

    def _tensor(self, array):
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.device)

    def _set_train(self, training):
        for name, part in self.network.named_children():
            part.train(training and name in self.trains)
