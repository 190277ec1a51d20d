"""The timed cases of benchmarks.network; a framework is imported only by the process that measures it."""
import numpy as np

from matting.config import Config


def build_mindspore(mode, shape, threads):
    """A function without arguments that does one run of the case in MindSpore."""
    import ms_impl  # noqa: F401, sets the environment before MindSpore is imported
    from ms_impl.learner import Learner
    from ms_impl.registry import build, training_plan
    from ms_impl.src.utils import predictor, set_device

    config = configuration()
    set_device(config)
    return case(mode, shape, config, build(config), predictor, Learner, training_plan)


def build_torch(mode, shape, threads):
    """The same in PyTorch, eager, as it comes."""
    import torch

    from torch_ref.learner import Learner
    from torch_ref.registry import build, training_plan
    from torch_ref.utils import predictor

    torch.set_num_threads(threads)
    config = configuration()
    return case(mode, shape, config, build(config), predictor, Learner, training_plan)


def configuration():
    """The default network, on the CPU."""
    return Config(device_target="CPU")


def case(mode, shape, config, network, predictor, learner_class, training_plan):
    """Bind a network to a random input, for inference or for whole training steps."""
    batch = random_batch(*shape)
    if mode == "inference":
        predict = predictor(network)
        return lambda: predict(batch["input"])
    learner = learner_class(network, training_plan(config)[0], config)
    return lambda: learner.step(batch, config.learning_rate)


def random_batch(batch, height, width):
    """A batch as the loaders give it: {name: (B, C, H, W) float32}."""
    rng = np.random.default_rng(0)

    def draw(channels):
        return rng.random((batch, channels, height, width), np.float32)

    return {"input": 2 * draw(4) - 1, "alpha": draw(1), "foreground": draw(3), "background": draw(3),
            "composite": draw(3), "unknown": (draw(1) < 0.3).astype(np.float32)}


BUILDERS = {"ms_impl": build_mindspore, "torch_ref": build_torch}
