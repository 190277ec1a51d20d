"""Large photographs from file to file: time, peak memory and what windows change: `python -m benchmarks.photos`.

Drawn photographs are matted by the predicting programs, each run in a process of its own. Differences mean something
with trained weights only, which --ckpt_url names; time and memory do not depend on them.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from benchmarks.extent import add_quick
from data.objects import draw_object
from data.scenes import draw_landscape
from matting.compositing import composite_uint8
from matting.images.reading import read_alpha
from matting.images.writing import write_png
from matting.trimap import FOREGROUND, UNKNOWN, make_trimap
from matting.usage import program_parser

ENLARGED = 4  # photographs are drawn so many times smaller: what is soft in them is soft as in a camera's
BAND = 3  # pixels of the drawn size: no unknown pixel is so far from known ones that the photograph is reduced
WHOLE = 16384  # --tile and --max_side, as large as no photograph here
SEED = 3
QUICK = 20  # times smaller are the photographs of --quick
ROOT = Path(__file__).resolve().parent.parent


class Case(NamedTuple):
    """One run of a predicting program."""

    program: str
    size: tuple  # (height, width)
    trimap: str = "whole band"
    flags: tuple = ()
    like: "str | None" = None  # the case whose alpha is the standard


FULL_SIZE = ("--max_side", str(WHOLE))  # never reduced
IN_ONE_PASS = ("--tile", str(WHOLE), *FULL_SIZE)
CASES = {
    "PyTorch, one pass": Case("torch_ref.predict", (3000, 4000), flags=IN_ONE_PASS),
    "MindSpore": Case("ms_impl.predict", (3000, 4000), flags=FULL_SIZE, like="PyTorch, one pass"),
    "MindSpore, half of the band": Case("ms_impl.predict", (3000, 4000), "half of the band", FULL_SIZE),
    "PyTorch": Case("torch_ref.predict", (3000, 4000), flags=FULL_SIZE, like="PyTorch, one pass"),
    "MindSpore, 48 megapixels": Case("ms_impl.predict", (6000, 8000), flags=FULL_SIZE),
    "MindSpore, one pass of 1.6 times a window": Case("ms_impl.predict", (1400, 1880), flags=IN_ONE_PASS),
    "MindSpore, windows": Case("ms_impl.predict", (1400, 1880), flags=FULL_SIZE,
                               like="MindSpore, one pass of 1.6 times a window"),
}


def main(argv=None):
    parser = program_parser("benchmarks.photos", __doc__)
    parser.add_argument("--ckpt_url", metavar="CKPT", help="trained weights (default: random ones)")
    parser.add_argument("--cases", nargs="+", default=list(CASES), metavar="CASE", help=f"of: {'; '.join(CASES)}")
    add_quick(parser)
    arguments = parser.parse_args(argv)
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; known: {'; '.join(CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        weights = weight_files(arguments.ckpt_url, Path(folder))
        print(f"{'Trained' if arguments.ckpt_url else 'Random'} weights, {os.cpu_count()} cores; from file to file, "
              "start and compilation included\n")
        print("| case | photograph | unknown | seconds | peak MiB | alpha differs by, mean | largest |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for name in arguments.cases:
            print(row(name, CASES[name], weights, Path(folder), QUICK if arguments.quick else 1), flush=True)


def row(name, case, weights, folder, smaller):
    """Run one case, its photograph so many times smaller -> its line of the table."""
    case = case._replace(size=tuple(side // smaller for side in case.size))
    photograph, trimap = (draw(case, folder)[kind] for kind in ("photograph", case.trimap))
    output = folder / name
    command = [sys.executable, "-m", case.program, "--ckpt_url", weights[case.program], photograph, trimap,
               "-o", output, "--device_target", "CPU", "--depth", "16", *case.flags]
    seconds, memory = measure([str(word) for word in command])
    unknown = read_alpha(trimap) == UNKNOWN
    words = [name, "{1}x{0}".format(*case.size), f"{unknown.mean():.0%}", f"{seconds:.0f}", f"{memory:.0f}"]
    if case.like and (folder / case.like).exists():
        alpha, standard = (deep_alpha(path) for path in (output, folder / case.like))
        difference = np.abs(alpha - standard)[unknown]
        words += [f"{difference.mean():.5f}", f"{difference.max():.3f}"]
    return f"| {' | '.join(words + [''] * (7 - len(words)))} |"


def measure(command):
    """Run a command -> (seconds, peak MiB of its process); ends with its words where it fails."""
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        words = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}:\n{words[-2000:]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def deep_alpha(folder):
    """The 16-bit matte that a program wrote, (H, W) float64 in [0, 1]."""
    (path,) = folder.glob("*_alpha.png")
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 65535


def draw(case, folder):
    """Lace before a landscape, drawn once a size -> {"photograph", "whole band", ...: file}."""
    height, width = case.size
    names = ("photograph.jpg", "whole band.png", "half of the band.png")
    paths = {name.split(".")[0]: folder / f"{width}x{height} {name}" for name in names}
    if all(path.exists() for path in paths.values()):
        return paths
    rng, small = np.random.default_rng(SEED), (height // ENLARGED, width // ENLARGED)
    alpha, colours = draw_object("lace", *small, rng)
    picture = composite_uint8(colours, draw_landscape(*small, rng), alpha)
    enlarged = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(enlarged).save(paths["photograph"], quality=92)
    trimap = make_trimap(alpha, BAND)
    write_png(paths["whole band"], cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST))
    columns = np.cumsum((trimap == UNKNOWN).sum(axis=0))
    middle = int(np.searchsorted(columns, columns[-1] / 2))
    known = np.where(alpha > 127, np.uint8(FOREGROUND), np.uint8(0))
    trimap[:, middle:] = np.where(trimap[:, middle:] == UNKNOWN, known[:, middle:], trimap[:, middle:])
    write_png(paths["half of the band"], cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST))
    return paths


def weight_files(checkpoint, folder):
    """{program: weight file of its framework}, from a checkpoint or with random weights."""
    files = {"torch_ref.predict": folder / "weights.pth", "ms_impl.predict": folder / "weights.ckpt"}
    if not checkpoint:
        checkpoint = folder / "random.pth"
        subprocess.run([sys.executable, "-c", "import sys, torch\nfrom matting.config import Config\n"
                        "from torch_ref.registry import build\nfrom torch_ref.utils import save_checkpoint\n"
                        "torch.manual_seed(0)\nsave_checkpoint(build(Config()), sys.argv[1], Config())", checkpoint],
                       cwd=ROOT, check=True)
    for file in files.values():
        subprocess.run([sys.executable, "-m", "matting.convert", Path(checkpoint).resolve(), file], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL)
    return files


if __name__ == "__main__":
    main()
