"""The exponential moving average of a network's weights, which validates better than the weights of any one step."""
from contextlib import contextmanager

WEIGHTS = "weights."  # before the name of a weight, in a saved state


class MovingAverage:
    """A Learner (matting.training.stage) that trains another, and predicts with and saves its averaged weights.

    average <- decay * average + (1 - decay) * weights after every step, running statistics included. The weights
    themselves, from which training goes on, are part of the state.
    """

    def __init__(self, learner, decay):
        self.learner = learner
        self.decay = decay
        self.suffix = learner.suffix
        self.average = learner.weights()

    def step(self, batch, learning_rate):
        loss = self.learner.step(batch, learning_rate)
        for name, value in self.learner.weights().items():
            self.average[name] = self.average[name] + (1 - self.decay) * (value - self.average[name])
        return loss

    def predict(self, image):
        with self._averaged():
            return self.learner.predict(image)

    def save(self, path):
        with self._averaged():
            self.learner.save(path)

    def load(self, path):
        self.learner.load(path)
        self.average = self.learner.weights()

    def diagnostics(self):
        return self.learner.diagnostics()

    def state(self):
        return self.learner.state() | {WEIGHTS + name: value for name, value in self.learner.weights().items()}

    def restore(self, state):
        self.learner.restore({name: value for name, value in state.items() if not name.startswith(WEIGHTS)})
        self.learner.set_weights({name.removeprefix(WEIGHTS): value for name, value in state.items()
                                  if name.startswith(WEIGHTS)})

    @contextmanager
    def _averaged(self):
        weights = self.learner.weights()
        self.learner.set_weights(self.average)
        try:
            yield
        finally:
            self.learner.set_weights(weights)
