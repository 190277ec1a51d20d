"""The whole workflow on a drawn data set: prepare, train, evaluate before and after, export, predict.

At the end a real photograph is matted by the weights that come with the project, where there are any. `make demo` shows
IndexNet, `make demo-dim` (python scripts/demo.py dim) Deep Image Matting.
"""
import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = "matting/weights/indexnet.onnx"
CPU = ("--device_target", "CPU")
SIZE = ("--img_size", 448, 448)
TRAINING = ("--input_size", 96, "--batch_size", 4, "--log_every", 10, "--num_workers", 1, *SIZE, *CPU)
METRICS = {"sad": "SAD", "mse": "MSE", "grad": "Grad", "conn": "Conn"}
PICTURED = 4  # validation images in the contact sheet


class Demo(NamedTuple):
    """What a model's demonstration is made of."""

    folder: Path
    network: tuple  # flags of every training
    untrained: tuple  # flags of the first step, whose result counts as untrained
    trainings: dict  # row of the table -> flags; each continues from the one before


DEMOS = {
    "indexnet": Demo(
        Path("build/demo"),
        network=("--learning_rate", 0.003, "--backbone_lr_mult", 1),
        untrained=(),
        trainings={"trained": ("--epochs", 5, "--milestones", 4, "--val_every", 5)}),
    "dim": Demo(
        Path("build/demo-dim"),
        network=("--model", "dim", "--width_mult", 0.25, "--decoder_skips", True, "--trimap_rule", "distance"),
        untrained=("--stage", "encoder_decoder"),
        trainings={
            "encoder_decoder": ("--stage", "encoder_decoder", "--learning_rate", 0.3, "--epochs", 5,
                                "--milestones", 3, 4, "--val_every", 5),
            "refine": ("--stage", "refine", "--learning_rate", 0.001, "--epochs", 1),
            # averaged: batch norm's running statistics, of a few small crops, scatter by more than it learns
            "finetune": ("--stage", "finetune", "--learning_rate", 0.0001, "--epochs", 2, "--val_every", 2,
                         "--ema_decay", 0.98)}),
}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python scripts/demo.py", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", choices=DEMOS, default="indexnet", help="(default: indexnet)")
    began = time.perf_counter()
    demo = DEMOS[parser.parse_args(argv).model]
    folder = demo.folder
    foregrounds, backgrounds, predictions = folder / "data/foregrounds", folder / "data/backgrounds", folder / "mattes"
    shutil.rmtree(ROOT / folder, ignore_errors=True)
    run("data.synthetic", "--out", folder / "data")
    run("data.process_dataset", "--data_dir", foregrounds, "--bg_dir", backgrounds,
        "--val_list", foregrounds / "validation.txt", "--num_bgs_train", 6, "--num_bgs_val", 2)

    def train(logs, *flags):
        """Train into `logs` -> the newest checkpoint there, relative to the repository root."""
        run("ms_impl.train", *demo.network, "--logs_dir", logs, *flags, "--data_dir", foregrounds,
            "--bg_dir", backgrounds, *TRAINING)
        return max((ROOT / logs).rglob("*-*_*.ckpt"), key=lambda path: path.stat().st_mtime).relative_to(ROOT)

    def evaluate(checkpoint, row):
        """-> the report of metrics.json."""
        logs = folder / "eval" / row
        run("ms_impl.eval", "--ckpt_url", checkpoint, "--data_dir", foregrounds, "--logs_dir", logs, *SIZE, *CPU)
        return json.loads((ROOT / logs / "metrics.json").read_text(encoding="utf-8"))

    print("\n# one step barely moves the random weights: this is the untrained network")
    checkpoint = train(folder / "untrained", *demo.untrained, "--max_steps", 1, "--val_every", 0)
    reports = {"untrained": evaluate(checkpoint, "untrained")}
    for row, flags in demo.trainings.items():
        checkpoint = train(folder / "trained", *flags)
        reports[row] = evaluate(checkpoint, row)

    run("export.py", "--ckpt_url", checkpoint, *SIZE, *CPU)
    composites = sorted((ROOT / foregrounds / "validation/merged").glob("*_0.png"))[:PICTURED]
    trimaps = [foregrounds / "validation/trimap" / f"{path.stem.rpartition('_')[0]}.png" for path in composites]
    for path, trimap in zip(composites, trimaps, strict=True):
        run("ms_impl.predict", "--ckpt_url", checkpoint.with_suffix(".mindir"), path.relative_to(ROOT), trimap,
            "-o", predictions, "--background", "#00b140", *CPU)
    draw_contact_sheet(composites, trimaps, predictions, folder / "demo.png")
    shipped = (ROOT / SHIPPED).is_file()
    if shipped:
        print("\n# a real photograph, by the weights that come with the project")
        run("scripts.photograph", "-o", folder / "photograph")

    print(f"\n{table(reports)}\n\n{time.perf_counter() - began:.0f} seconds\n"
          f"pictures:    {folder / 'demo.png'} (composite, trimap, matte, true matte, over green), {predictions}\n"
          f"evaluations: {folder / 'eval'}\n"
          f"curves:      tensorboard --logdir {folder / 'trained'}" +
          f"\nphotograph:  {folder / 'photograph/steps.png'} (photograph, trimap, matte, over green)" * shipped)


def run(program, *arguments):
    """Run a documented command from the repository root, showing it as one would type it."""
    command = [*([program] if program.endswith(".py") else ["-m", program]), *map(str, arguments)]
    print(f"\n$ python {shlex.join(command)}", flush=True)
    status = subprocess.run([sys.executable, *command], cwd=ROOT).returncode
    if status:
        raise SystemExit(status)


def table(reports):
    """{row: report of metrics.json} -> Markdown, the trivial matte first."""
    last = list(reports.values())[-1]
    rows = {"a matte of 0.5": last["half_matte"], **{row: report["means"] for row, report in reports.items()}}
    lines = [f"| validation ({len(last['images'])} images, {last['protocol']} protocol) | "
             f"{' | '.join(METRICS.values())} |", "|---|---|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(f'{means[metric]:.4g}' for metric in METRICS)} |"
                              for name, means in rows.items()])


def draw_contact_sheet(composites, trimaps, predictions, path):
    """A row of pictures for each prediction: composite, trimap, matte, true matte, cut-out over green."""
    rows = []
    for composite, trimap in zip(composites, trimaps, strict=True):
        truth = trimap.parent.parent / "mask" / trimap.name
        pictures = [composite, ROOT / trimap, ROOT / predictions / f"{composite.stem}_alpha.png", ROOT / truth,
                    ROOT / predictions / f"{composite.stem}_composite.png"]
        rows.append(np.hstack([cv2.resize(cv2.imread(str(picture)), (240, 240), interpolation=cv2.INTER_AREA)
                               for picture in pictures]))
    cv2.imwrite(str(ROOT / path), np.vstack(rows))


if __name__ == "__main__":
    main()
