"""The whole workflow on a drawn data set: prepare, train, evaluate before and after, export, predict (`make demo`)."""
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DEMO = Path("build/demo")
FOREGROUNDS, BACKGROUNDS = DEMO / "data/foregrounds", DEMO / "data/backgrounds"
PREDICTIONS = DEMO / "predictions"
CPU = ("--device_target", "CPU")
SIZE = ("--img_size", 448, 448)
TRAINING = ("--data_dir", FOREGROUNDS, "--bg_dir", BACKGROUNDS, "--input_size", 96, "--batch_size", 4,
            "--learning_rate", 0.003, "--backbone_lr_mult", 1, "--log_every", 10, "--num_workers", 1, *SIZE, *CPU)
METRICS = {"sad": "SAD", "mse": "MSE", "grad": "Grad", "conn": "Conn"}
PICTURED = 4  # validation images in the contact sheet


def main():
    began = time.perf_counter()
    shutil.rmtree(DEMO, ignore_errors=True)
    run("data.synthetic", "--out", DEMO / "data")
    run("data.process_dataset", "--data_dir", FOREGROUNDS, "--bg_dir", BACKGROUNDS,
        "--val_list", FOREGROUNDS / "validation.txt", "--num_bgs_train", 6, "--num_bgs_val", 2)

    print("\n# one step barely moves the random weights: this is the untrained network")
    run("ms_impl.train", "--logs_dir", DEMO / "untrained", "--max_steps", 1, "--val_every", 0, *TRAINING)
    before = evaluate(DEMO / "untrained")
    run("ms_impl.train", "--logs_dir", DEMO / "trained", "--epochs", 5, "--milestones", 4, "--val_every", 5, *TRAINING)
    after = evaluate(DEMO / "trained")

    checkpoint = newest_checkpoint(DEMO / "trained")
    run("export.py", "--ckpt_url", checkpoint, *SIZE, *CPU)
    composites = sorted((ROOT / FOREGROUNDS / "validation/merged").glob("*_0.png"))[:PICTURED]
    trimaps = [FOREGROUNDS / "validation/trimap" / f"{path.stem.rpartition('_')[0]}.png" for path in composites]
    for path, trimap in zip(composites, trimaps, strict=True):
        run("ms_impl.predict", "--ckpt_url", checkpoint.with_suffix(".mindir"), path.relative_to(ROOT), trimap,
            "-o", PREDICTIONS, "--background", "#00b140", *CPU)
    draw_contact_sheet(composites, trimaps, DEMO / "demo.png")

    print(f"\n{table(before, after)}\n\n{time.perf_counter() - began:.0f} seconds\n"
          f"pictures:    {DEMO / 'demo.png'} (composite, trimap, matte, true matte, over green), {PREDICTIONS}\n"
          f"evaluations: {DEMO / 'untrained/eval'}, {DEMO / 'trained/eval'}\n"
          f"curves:      tensorboard --logdir {DEMO / 'trained'}")


def run(program, *arguments):
    """Run a documented command from the repository root, showing it as one would type it."""
    command = [*([program] if program.endswith(".py") else ["-m", program]), *map(str, arguments)]
    print(f"\n$ python {shlex.join(command)}", flush=True)
    status = subprocess.run([sys.executable, *command], cwd=ROOT).returncode
    if status:
        raise SystemExit(status)


def evaluate(logs):
    """Evaluate the newest checkpoint of a training -> the report of metrics.json."""
    run("ms_impl.eval", "--ckpt_url", newest_checkpoint(logs), "--data_dir", FOREGROUNDS, "--logs_dir", logs / "eval",
        *SIZE, *CPU)
    return json.loads((ROOT / logs / "eval/metrics.json").read_text(encoding="utf-8"))


def newest_checkpoint(logs):
    """The last checkpoint that a training wrote, relative to the repository root."""
    return max((ROOT / logs).glob("indexnet-*.ckpt"), key=lambda path: path.stat().st_mtime).relative_to(ROOT)


def table(before, after):
    """Markdown: the trivial matte, the untrained and the trained network, metric by metric."""
    rows = {"a matte of 0.5": before["half_matte"], "untrained": before["means"], "trained": after["means"]}
    lines = [f"| validation ({len(after['images'])} images, {after['protocol']} protocol) | "
             f"{' | '.join(METRICS.values())} |", "|---|---|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(f'{means[metric]:.4g}' for metric in METRICS)} |"
                              for name, means in rows.items()])


def draw_contact_sheet(composites, trimaps, path):
    """A row of pictures for each prediction: composite, trimap, matte, true matte, cut-out over green."""
    rows = []
    for composite, trimap in zip(composites, trimaps, strict=True):
        truth = trimap.parent.parent / "mask" / trimap.name
        pictures = [composite, ROOT / trimap, ROOT / PREDICTIONS / f"{composite.stem}_alpha.png", ROOT / truth,
                    ROOT / PREDICTIONS / f"{composite.stem}_composite.png"]
        rows.append(np.hstack([cv2.resize(cv2.imread(str(picture)), (240, 240), interpolation=cv2.INTER_AREA)
                               for picture in pictures]))
    cv2.imwrite(str(ROOT / path), np.vstack(rows))


if __name__ == "__main__":
    main()
