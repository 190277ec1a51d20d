"""Weights from few photographs: draw objects, mix them with the photographs, train IndexNet by the PyTorch reference.

    OMP_NUM_THREADS=1 taskset -c 0 python -m scripts.train_weights --photographs PHOTOS --val_list LIST --bg_dir COCO \
        --ckpt_url MOBILENET.pth --folder FOLDER [--key value ...]

Makes FOLDER/drawn and FOLDER/set where they are missing and trains into FOLDER/logs. Stopped, by Ctrl-C, kill or a
power cut, the same command continues. One thread on a core of its own: beside other work, several wait for each other.
Further flags are keys of default_config.yaml and beat those below.
"""
import itertools
import os
import subprocess
import sys
from pathlib import Path

from matting.errors import UserError, entry_point
from matting.usage import program_parser

DRAWN = 3040  # objects, 160 of each kind
SIZE = 448
TRAINING = {
    "composition": "online", "augmentation": "strong", "unknown_regions": "varied",
    "num_bgs_train": 1,  # an epoch takes each line of train.txt once
    "num_bgs_val": 1,  # backgrounds left to validation, which the set's own composites do not need
    "input_size": 160, "batch_size": 8, "amp": True, "device_target": "CPU", "num_workers": 1, "log_every": 50,
    "learning_rate": 0.003, "backbone_lr_mult": 3,  # so that the encoder soon learns what the trimap says
    "encoder_bn": "trained",
    "epochs": 100, "milestones": (60, 85), "ema_decay": 0.999,
    "img_size": (576, 800), "metric_protocol": "adobe", "resume": True,
}


@entry_point
def main(argv=None):
    parser = program_parser("scripts.train_weights", __doc__)
    parser.add_argument("--photographs", required=True, help="folder with original, mask and trimap")
    parser.add_argument("--val_list", required=True, help="file with one stem a line: the photographs that validate")
    parser.add_argument("--bg_dir", required=True, help="background photographs")
    parser.add_argument("--folder", type=Path, required=True, help="where all that is made goes")
    parser.add_argument("--drawn", type=int, default=DRAWN, help=f"objects to draw (default: {DRAWN})")
    parser.add_argument("--size", type=int, default=SIZE, help=f"their longer side in pixels (default: {SIZE})")
    arguments, keys = parser.parse_known_args(argv)
    folder, bg_dir = arguments.folder, arguments.bg_dir
    make(folder / "drawn", "data.synthetic", foregrounds=arguments.drawn, backgrounds=1, size=arguments.size, seed=1,
         kinds="all", textures=bg_dir)
    make(folder / "set", "data.mixed_set", photographs=arguments.photographs, val_list=arguments.val_list,
         drawn=folder / "drawn/foregrounds", bg_dir=bg_dir)
    data = folder / "set"
    command = [*program("torch_ref.train", data_dir=data, bg_dir=data / "backgrounds", val_list=data / "validation.txt",
                        train_list=data / "train.txt", logs_dir=folder / "logs", **TRAINING), *keys]
    print(*command, flush=True)
    os.execv(command[0], command)  # so that Ctrl-C and kill reach the training itself


def make(out, module, **flags):
    """Run a program that writes the folder `out`, unless that is there."""
    if not out.exists() and subprocess.run(program(module, out=out, **flags)).returncode:
        raise UserError(f"{out}: was not made; see above")


def program(module, **flags):
    """The command that runs one of the project's programs."""
    words = [[f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))] for name, value in flags.items()]
    return [sys.executable, "-m", module, *itertools.chain.from_iterable(words)]



if __name__ == "__main__":
    main()
