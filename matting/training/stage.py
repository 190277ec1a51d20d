"""What the training loop is given: a stage of a plan, a framework's learner, the processes that train together."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class TrainingStage:
    """A row of a network's training plan."""

    name: str  # checkpoints are NAME-EPOCH_STEP
    trains: Mapping  # top-level attribute of the network -> its share of the learning rate; the rest stays as it is
    loss: Any  # the framework's loss
    optimiser: Callable  # [(parameters, share of the learning rate)] -> the framework's optimiser
    schedule: Callable  # (config, steps per epoch) -> the learning rate at every step


class Average(Protocol):
    """A copy of a learner's weights and running statistics, on the same device."""

    def update(self, decay):
        """average <- decay average + (1 - decay) weights."""

    def exchange(self):
        """The average takes the place of the learner's weights, and these take its own; again: as it was."""


class Learner(Protocol):
    """What the loop asks of a framework: a network with a stage's loss and optimiser."""

    suffix: str  # of its weight files

    def step(self, batch, learning_rate):
        """One optimiser step on {name: (B, C, H, W) float32} -> the loss before it, a float."""

    def predict(self, image):
        """(1, 4, H, W) normalised RGB and trimap -> (1, 1, H, W) alpha, in evaluation mode."""

    def weights(self):
        """{name: array}: the network's weights and running statistics, copied."""

    def set_weights(self, weights):
        """Take back what `weights` gave."""

    def average(self):
        """An Average that begins with the weights as they are."""

    def save(self, path):
        """Write the network's weights."""

    def load(self, path):
        """Read what `save` wrote."""

    def diagnostics(self):
        """{name: number}: what to report of the last step beside its loss."""

    def state(self):
        """{name: array}: all else that the next step depends on."""

    def restore(self, state):
        """Take back what `state` gave."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together."""

    rank: int  # of this one
    size: int
    any: Callable  # a truth of each process -> whether one of them is true
    # the next two wait for as long as it takes; both are of bytes
    gather: Callable = lambda message: [message]  # a message of each process -> all, by rank, in the first; else None
    share: Callable = lambda message: message  # the first process's message -> the same in all
    here: int = 1  # how many of them share this machine


SINGLE_PROCESS = ProcessGroup(0, 1, lambda truth: truth)
