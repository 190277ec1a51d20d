"""Mixed precision beside float32, in both frameworks, from the same weights: python -m parity.precision [--model dim].

Prints the losses of STEPS steps of the real learners on drawn batches, taken in turn; then how far mixed precision is
from float32 in the loss, relative, and in the alpha that the trained networks predict, in [0, 1]; and, to compare, how
far one framework's float32 is from the other's. The first step's loss is that of the same weights.
"""
from dataclasses import replace

import numpy as np

import ms_impl.learner
import ms_impl.registry
import ms_impl.src.utils
import torch_ref.learner
import torch_ref.registry
import torch_ref.utils
from matting.config import config_parser, load_stages
from matting.errors import entry_point
from parity.networks import SMALL, network_pair, smooth_batch
from parity.trajectory import BATCHES
from torch_ref.mixed_precision import HALVES

STEPS, SAMPLES, SIDE = 20, 2, 96
RATE = 0.001
FRAMEWORKS = {"MindSpore": ms_impl, "PyTorch": torch_ref}
HALF_NAMES = {"MindSpore": "float16", "PyTorch": str(HALVES["cpu"]).removeprefix("torch.")}


def small_config(argv):
    """The configuration of a model's first stage, the network small."""
    return replace(load_stages(config_parser(__doc__, "parity.precision"), argv)[0], device_target="CPU",
                   **SMALL)


def shared_weights(config):
    """Calibrated weights for the networks of both frameworks."""
    networks = [package.registry.MODELS[config.model].network for package in FRAMEWORKS.values()]
    return network_pair(config.network, networks=networks).weights


def train(package, config, weights, steps=STEPS):
    """Train with a framework's learner -> (losses, the learner)."""
    network = package.registry.build(config)
    package.learner.set_weights(network, weights)
    learner = package.learner.Learner(network, package.registry.training_plan(config)[0], config)
    return np.array([learner.step(smooth_batch(SAMPLES, SIDE, SIDE, step % BATCHES), RATE)
                     for step in range(steps)]), learner


def differences(found, expected):
    """Of the loss at the first step, the last, and the largest; of alpha, the mean and the largest."""
    (losses, alpha), (expected_losses, expected_alpha) = found, expected
    of_loss, of_alpha = abs(losses / expected_losses - 1), abs(alpha - expected_alpha)
    return of_loss[0], of_loss[-1], of_loss.max(), of_alpha.mean(), of_alpha.max()


@entry_point
def main(argv=None):
    config = small_config(argv)
    ms_impl.src.utils.set_device(config)
    weights = shared_weights(config)
    image = smooth_batch(1, SIDE, SIDE, BATCHES)["input"]
    runs, scales = {}, {}
    for name, package in FRAMEWORKS.items():
        for half in ("float32", HALF_NAMES[name]):
            losses, learner = train(package, replace(config, amp=half != "float32"), weights)
            runs[name, half] = losses, learner.predict(image).clip(0, 1)
            scales[name] = learner.diagnostics()

    print(f"| step | {' | '.join(f'{name}, {half}' for name, half in runs)} |\n|{'---|' * (1 + len(runs))}")
    for step, losses in enumerate(zip(*(losses for losses, _ in runs.values()), strict=True), 1):
        print(f"| {step} | {' | '.join(f'{loss:.5f}' for loss in losses)} |")

    full = {name: runs[name, "float32"] for name in FRAMEWORKS}
    rows = {f"{name}, {half}, beside its float32": differences(runs[name, half], full[name])
            for name, half in HALF_NAMES.items()}
    rows["PyTorch's float32 beside MindSpore's"] = differences(full["PyTorch"], full["MindSpore"])
    print(f"\n| {config.model}, {STEPS} steps | loss, first step | last step | largest | alpha, mean | largest |\n"
          "|---|---|---|---|---|---|")
    for row, figures in rows.items():
        print(f"| {row} | {' | '.join(f'{figure:.1e}' for figure in figures)} |")
    print()
    for name, figures in scales.items():
        print(f"{name}, {HALF_NAMES[name]}: loss scale {figures['loss_scale']:g}, {figures['skipped_steps']} skipped")


if __name__ == "__main__":
    main()
