"""Mixed precision beside float32, in both frameworks, from the same weights: python -m parity.precision [--model dim].

Prints the losses of STEPS steps of the real learners, on drawn batches that are taken in turn, then how far mixed
precision is from float32: at the first step, before any update, and at its largest; and in the alpha, in [0, 1],
that the trained networks then predict in float32. The row beside shows what float32 in another framework does.
"""
from dataclasses import replace

import numpy as np

import ms_impl.learner
import ms_impl.models
import ms_impl.utils
import torch_ref.learner
import torch_ref.models
import torch_ref.utils
from matting.config import config_parser, load_stages
from matting.errors import entry_point
from parity.networks import network_pair, smooth_batch
from parity.trajectory import BATCHES, SMALL
from torch_ref.mixed_precision import HALVES

STEPS, SAMPLES, SIDE = 20, 2, 96
RATE = 0.001
FRAMEWORKS = {"MindSpore": ms_impl, "PyTorch": torch_ref}
HALF_NAMES = {"MindSpore": "float16", "PyTorch": str(HALVES["cpu"]).removeprefix("torch.")}


def train(package, config, weights, steps=STEPS):
    """Train the model's first stage with a framework's learner -> (losses, alpha it then predicts, the learner)."""
    network = package.models.build(config)
    package.utils.set_weights(network, weights)
    learner = package.learner.Learner(network, package.models.training_plan(config)[0], config)
    losses = [learner.step(smooth_batch(SAMPLES, SIDE, SIDE, step % BATCHES), RATE) for step in range(steps)]
    return np.array(losses), learner.predict(smooth_batch(1, SIDE, SIDE, BATCHES)["image"]), learner


def differences(found, expected):
    """Relative of the loss, at the first step and the largest; of alpha, the largest and the mean."""
    (losses, alpha, _), (expected_losses, expected_alpha, _) = found, expected
    of_loss, of_alpha = abs(losses / expected_losses - 1), abs(alpha.clip(0, 1) - expected_alpha.clip(0, 1))
    return of_loss[0], of_loss.max(), of_alpha.max(), of_alpha.mean()


@entry_point
def main(argv=None):
    config = load_stages(config_parser("Compare mixed precision with float32."), argv)[0]
    config = replace(config, device_target="CPU", **SMALL)
    ms_impl.utils.set_device(config)
    networks = [package.models.MODELS[config.model].network for package in FRAMEWORKS.values()]
    weights = network_pair(config.network, networks=networks).weights
    runs = {(name, half): train(package, replace(config, amp=half != "float32"), weights)
            for name, package in FRAMEWORKS.items() for half in ("float32", HALF_NAMES[name])}

    print(f"| step | {' | '.join(f'{name}, {half}' for name, half in runs)} |\n|{'---|' * (1 + len(runs))}")
    for step, losses in enumerate(zip(*(losses for losses, _, _ in runs.values()), strict=True), 1):
        print(f"| {step} | {' | '.join(f'{loss:.5f}' for loss in losses)} |")

    full = {name: runs[name, "float32"] for name in FRAMEWORKS}
    rows = {f"{name}, {half}, beside its float32": differences(runs[name, half], full[name])
            for name, half in HALF_NAMES.items()}
    rows["PyTorch's float32 beside MindSpore's"] = differences(full["PyTorch"], full["MindSpore"])
    print(f"\n| {config.model}, {STEPS} steps | loss, first step | loss, largest | alpha, largest | alpha, mean |\n"
          "|---|---|---|---|---|")
    for row, figures in rows.items():
        print(f"| {row} | {' | '.join(f'{figure:.1e}' for figure in figures)} |")
    print()
    for name, half in HALF_NAMES.items():
        print(f"{name}, {half}: {runs[name, half][2].figures()}")


if __name__ == "__main__":
    main()
