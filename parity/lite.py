"""How far MindSpore Lite is from MindSpore, network by network: python -m parity.lite [NETWORK ...], or make lite.

Each network has random weights, is exported by `--runtime lite`, and runs in Lite 2.0.0 with 1, 2, 4 and Lite's own
number of threads, several times each: the largest difference counts. MindSpore 2.0.0, whose files Lite 2.0.0 is made
for, reads each file, too. Both are installed into environments of their own, or skipped by name where their Python is
missing.
"""
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np

import ms_impl.registry
import torch_ref.registry
from matting.config import default_values, make_config
from matting.errors import UserError, entry_point
from matting.usage import program_parser
from ms_impl import lite
from ms_impl.export import exportable, write_mindir
from ms_impl.src.utils import get_weights, predictor, set_device, set_weights
from parity.networks import INDEX_VARIANTS, OTHER_VARIANTS, SHORT, name_of, network_pair
from scripts.versions import FOLDER, LITE, ROOT, VERSIONS, installed, last_line, requirements

MINDSPORE = VERSIONS["2.0.0"]
NARROW = {"width_mult": 0.125}  # Deep Image Matting: the same layers in an eighth of the time
SMALL, LARGE = (64, 96), (544, 800)  # at the larger some convolutions overflow Lite's buffers, which networks avoid
NETWORKS = {  # name: (model, settings, (height, width))
    "indexnet": ("indexnet", {}, SMALL),
    "indexnet, large": ("indexnet", {}, LARGE),
    "dim": ("dim", {}, SMALL),
    "dim, large": ("dim", {}, LARGE),
    **{f"indexnet {name_of(settings)}": ("indexnet", {**SHORT, **settings}, SMALL)
       for settings in (*INDEX_VARIANTS, *OTHER_VARIANTS, {"resampling": "bilinear"})},
    **{f"dim {name_of(settings)}": ("dim", {**NARROW, **settings}, SMALL)
       for settings in ({"refine": False}, {"refine_on": "logit"}, {"output_activation": "linear"},
                        {"encoder_batch_norm": False}, {"decoder_batch_norm": False}, {"decoder_skips": True},
                        {"bridge": "fc6"}, {"resampling": "bilinear"}, {"resampling": "indexed"})},
}
THREADS = {"1": 1, "2": 2, "4": 4, "own": 0}  # column: of lite.run
RUNS = 5
READ = """
import sys, numpy
from matting.config import Config
from ms_impl.src.utils import load_mindir, predictor, set_device
set_device(Config(device_target="CPU"))
numpy.save(sys.argv[3], predictor(load_mindir(sys.argv[1]))(numpy.load(sys.argv[2])))
"""


def measure(name, folder, pythons):
    """One network -> {column: difference to MindSpore's own output, of its maximum}, of those that are installed."""
    model, settings, size = NETWORKS[name]
    config = replace(make_config(default_values(model)), device_target="CPU", **settings)
    set_device(config)
    pair = network_pair(config.network, networks=(ms_impl.registry.MODELS[model].network,
                                                  torch_ref.registry.MODELS[model].network))
    batch = np.random.default_rng(0).standard_normal((1, 4, *size)).astype(np.float32)
    expected = predictor(pair.mindspore)(batch)
    exported = exportable(config, for_lite=True)
    set_weights(exported, get_weights(pair.mindspore))
    path = folder / "network.mindir"
    write_mindir(exported, path, size, for_lite=True)
    # rounding decides which of two nearly equal maxima is unpooled: single pixels differ, 99 of 100 must not
    pixels = nearly_all if config.resampling == "max" else np.max
    found = {}
    if LITE in pythons:
        for column, threads in THREADS.items():
            outputs, _ = lite.run(pythons[LITE], path, batch, threads, RUNS)
            found[column] = max(relative(pixels, output, expected) for output in outputs)
    if MINDSPORE in pythons:
        found[MINDSPORE.package] = relative(pixels, read(pythons[MINDSPORE], path, batch, folder), expected)
    return found


def nearly_all(differences):
    """What 99 of 100 differences do not exceed."""
    return np.quantile(differences, 0.99)


def relative(pixels, output, expected):
    """Of the differences, in parts of the largest expected value, their maximum or another figure."""
    return pixels(np.abs(output - expected)) / np.abs(expected).max()


def read(python, path, batch, folder):
    """What another MindSpore makes of a MINDIR."""
    np.save(folder / "batch.npy", batch)
    done = subprocess.run([python, "-c", READ, path, folder / "batch.npy", folder / "output.npy"], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{path}: is refused by {MINDSPORE.package}: {last_line(done.stderr)}")
    return np.load(folder / "output.npy")


@entry_point
def main(argv=None):
    parser = program_parser("parity.lite", __doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of: {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--folder", type=Path, default=FOLDER,
                        help="where the environments are kept; default: %(default)s")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.networks) - set(NETWORKS)
    if unknown:
        parser.error(f"no network {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    pythons = {}
    for version, packages in ((LITE, [LITE.package, "numpy"]), (MINDSPORE, requirements(MINDSPORE))):
        python, remark = installed(version, packages, arguments.folder)
        if python:
            pythons[version] = python
        else:
            print(f"{version.package}: {remark}")
    if not pythons:
        return
    print(f"To MindSpore {ms.__version__}, of the maximum; in Lite with so many threads, the largest of {RUNS} runs\n")
    columns = [*(THREADS if LITE in pythons else ()), *([MINDSPORE.package] if MINDSPORE in pythons else ())]
    print(f"| network | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", flush=True)
    apart = []
    for name in arguments.networks or NETWORKS:
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = measure(name, Path(folder), pythons)
        except UserError as refusal:
            print(f"| {name} | refused: {str(refusal).rsplit(': ', 1)[-1]} |", flush=True)
            apart.append(name)
            continue
        print(f"| {name} | {' | '.join(f'{found[column]:.1e}' for column in columns)} |", flush=True)
        apart += [name] * (not max(found.values()) <= lite.TOLERANCE)
    if apart:
        raise UserError(f"refused, or more than {lite.TOLERANCE:.0e} apart: {', '.join(apart)}")


if __name__ == "__main__":
    main()
