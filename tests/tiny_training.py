"""A complete training program without a framework: linear regression by gradient descent with momentum.

Run as a program by the tests that kill it: python tests/tiny_training.py --logs_dir DIR [--pause SECONDS].
"""
import time

import numpy as np

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.training.schedule import learning_rates
from matting.training.stage import TrainingStage
from matting.training.trainer import Trainer

STEPS_PER_EPOCH = 5
STAGE = TrainingStage("tiny", {"weights": 1}, loss=None, optimiser=None, schedule=learning_rates)
FLAGS = ("--epochs", "4", "--milestones", "2", "--batch_size", "2", "--learning_rate", "0.1")


def batches(step, pause=0):
    """Random batches; each a function of its step, as the loaders' are."""
    while True:
        time.sleep(pause)
        rng = np.random.default_rng((7, step))
        colours = {name: rng.random((2, 3, 4, 4), np.float32) for name in ("foreground", "background", "composite")}
        image = rng.random((2, 4, 4, 4), np.float32)
        yield {"input": image, "alpha": image.mean(1, keepdims=True), "unknown": np.ones((2, 1, 4, 4)), **colours}
        step += 1


class LinearAverage:
    """An Average of the coefficients."""

    def __init__(self, learner):
        self.learner = learner
        self.coefficients = learner.coefficients

    def update(self, decay):
        self.coefficients = decay * self.coefficients + (1 - decay) * self.learner.coefficients

    def exchange(self):
        self.coefficients, self.learner.coefficients = self.learner.coefficients, self.coefficients


class LinearLearner:
    """alpha = coefficients . channels, mean squared error, momentum 0.9."""

    suffix = ".bin"

    def __init__(self):
        self.coefficients = np.zeros(4)
        self.momentum = np.zeros(4)

    def step(self, batch, learning_rate):
        error = self.predict(batch["input"]) - batch["alpha"]
        gradient = 2 * (error * batch["input"]).mean((0, 2, 3))
        self.momentum = 0.9 * self.momentum + gradient
        self.coefficients = self.coefficients - learning_rate * self.momentum
        return float((error**2).mean())

    def predict(self, image):
        return np.einsum("c,bchw->bhw", self.coefficients, image)[:, None]

    def weights(self):
        return {"coefficients": self.coefficients.copy()}

    def set_weights(self, weights):
        self.coefficients = weights["coefficients"]

    def average(self):
        return LinearAverage(self)

    def save(self, path):
        path.write_bytes(self.coefficients.tobytes())

    def load(self, path):
        self.coefficients = np.frombuffer(path.read_bytes())

    def diagnostics(self):
        return {}

    def state(self):
        return {"momentum": self.momentum}

    def restore(self, state):
        self.momentum = state["momentum"]


def validate(predict):
    return {"sad": float(abs(predict(np.ones((1, 4, 1, 1))) - 1).sum())}


@entry_point
def main(argv=None):
    parser = config_parser("Train a linear regression.")
    parser.add_argument("--pause", type=float, default=0)
    config, own = load_config(parser, argv)
    Trainer(STAGE, LinearLearner(), lambda step: batches(step, own.pause), STEPS_PER_EPOCH, validate, config).run()


if __name__ == "__main__":
    main()
