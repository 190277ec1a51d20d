"""The exponential moving average of a network's weights, which validates better than the weights of any one step."""
from contextlib import contextmanager

import numpy as np

WEIGHTS = "weights."  # before the name of a weight, in a saved state
UPDATES = "average.updates"  # in a saved state: so many steps are averaged
WARMED_UP = 10**9  # updates of an average saved before there was a warm-up


class MovingAverage:
    """A Learner (matting.training.stage) that trains another, and predicts with and saves its averaged weights.

    average <- d average + (1 - d) weights after every step, running statistics included, on the learner's device.
    d = min(decay, (1 + n) / (10 + n)) after n such updates, so that the initial weights are soon forgotten. The weights
    themselves, from which training goes on, are part of the state.
    """

    def __init__(self, learner, decay):
        self.learner = learner
        self.decay = decay
        self.suffix = learner.suffix
        self.average = learner.average()
        self.updates = 0

    def step(self, batch, learning_rate):
        loss = self.learner.step(batch, learning_rate)
        self.average.update(min(self.decay, (1 + self.updates) / (10 + self.updates)))
        self.updates += 1
        return loss

    def predict(self, image):
        with self._averaged():
            return self.learner.predict(image)

    def save(self, path):
        with self._averaged():
            self.learner.save(path)

    def load(self, path):
        self.learner.load(path)
        self.average.update(0)

    def diagnostics(self):
        return self.learner.diagnostics()

    def state(self):
        weights = {WEIGHTS + name: value for name, value in self.learner.weights().items()}
        return {**self.learner.state(), UPDATES: np.array(self.updates), **weights}

    def restore(self, state):
        self.updates = int(state.get(UPDATES, WARMED_UP))
        self.learner.restore({name: value for name, value in state.items() if not name.startswith(WEIGHTS)})
        self.learner.set_weights({name.removeprefix(WEIGHTS): value for name, value in state.items()
                                  if name.startswith(WEIGHTS)})

    @contextmanager
    def _averaged(self):
        self.average.exchange()
        try:
            yield
        finally:
            self.average.exchange()
