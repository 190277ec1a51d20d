"""The MindSpore side in one minute, on random data: build, train, evaluate, export and reload (`make versions`).

python -m scripts.version_trial prints the name of each stage that passed.
"""
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from matting.config import config_parser, load_config
from matting.errors import entry_point
from ms_impl.export import export
from ms_impl.learner import LOSS_COLUMNS, Learner
from ms_impl.registry import build, training_plan
from ms_impl.src.utils import set_device
from scripts.versions import STAGES

SIDE = 64
SMALL = ("--img_size", str(SIDE), str(SIDE), "--device_target", "CPU", "--index_kind", "holistic",
         "--decoder_kernel_size", "3")
CHANNELS = {"foreground": 3, "background": 3, "composite": 3}  # of the loss's columns; 1 otherwise


def stages(config):
    """Do what each of STAGES says, then yield."""
    set_device(config)
    network = build(config)
    yield
    rng = np.random.default_rng(0)
    batch = {name: rng.random((1, CHANNELS.get(name, 1), SIDE, SIDE), np.float32) for name in LOSS_COLUMNS}
    batch["input"] = rng.random((1, 4, SIDE, SIDE), np.float32)
    learner = Learner(network, training_plan(config)[0], config)
    assert np.isfinite(learner.step(batch, config.learning_rate))
    yield
    assert np.isfinite(learner.predict(batch["input"])).all()
    yield
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "trial.ckpt"
        learner.save(checkpoint)
        export(replace(config, ckpt_url=str(checkpoint)), dynamic=False)
    yield


@entry_point
def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    config, _ = load_config(config_parser(__doc__, "scripts.version_trial"), [*SMALL, *argv])
    names = iter(STAGES)
    for _ in stages(config):
        print(next(names), flush=True)


if __name__ == "__main__":
    main()
