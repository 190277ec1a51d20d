"""Exporting a checkpoint as a graph file beside it, which takes its name only after it gave the checkpoint's output."""
from pathlib import Path

import numpy as np

from matting.config import text_for_weights
from matting.config.values import OWN
from matting.embedded import embed
from matting.errors import UserError
from matting.files import atomic_path
from matting.inference import FITS, STRIDE

TINY = np.finfo(np.float32).tiny  # in place of a maximum of 0, with which only 0 agrees
COMPARED = "written, reloaded and compared"
TOLERANCE = 1e-5  # max |exported - checkpoint| / max |checkpoint|


def add_arguments(parser):
    """What the exporting programs take besides the keys of default_config.yaml."""
    parser.add_argument("--dynamic", action="store_true", help="any height and width that are multiples of 32")


def write_checked(config, dynamic, suffix, write, reference, load, measure=np.max, tolerance=TOLERANCE):
    """Write the network of config.ckpt_url as a graph file -> (its path, its output's relative difference).

    write: (path, height, width), with the sides that config.fit makes of config.img_size, the only ones that the
    graph takes unless it is dynamic. reference: the network as a predictor; load: path -> the graph as another.
    measure: of the pixels' differences. Raises UserError, writing nothing, where it is more than `tolerance`, and where
    img_size names no size.
    """
    if config.img_size == OWN:
        raise UserError(f"--img_size {OWN}: is for evaluation; pass --img_size HEIGHT WIDTH, which a graph file takes "
                        "only, or, with --dynamic, is tried with")
    path = graph_path(config.ckpt_url, suffix)
    if path == Path(config.ckpt_url):
        raise UserError(f"{path}: would be replaced by its own export; convert it first, by python -m matting.convert")
    height, width = map(FITS[config.fit].side, config.img_size)
    sizes = ((height, width), (3 * STRIDE, 2 * STRIDE)) if dynamic else ((height, width),)
    with atomic_path(path) as temporary:
        write(temporary, height, width)
        embed(temporary, text_for_weights(config))
        difference = relative_difference(reference, load(temporary), sizes, measure)
        if not difference <= tolerance:
            raise UserError(f"{path}: not written, since its output would differ from the checkpoint's by "
                            f"{difference:.1e} of the maximum (allowed: {tolerance:.0e})")
    return path, difference


def report(path, difference, compared=COMPARED):
    """The exporting program's result, for its user."""
    print(f"{path}: {compared}; difference to the checkpoint's output {difference:.1e} of its maximum")


def graph_path(checkpoint, suffix):
    """logs/best.ckpt, .mindir -> logs/best.mindir; official.pth.tar, .onnx -> official.onnx."""
    path = Path(checkpoint)
    return path.with_name(path.name.removesuffix(".tar")).with_suffix(suffix)


def relative_difference(reference, candidate, sizes, measure=np.max):
    """max |candidate - reference| / max |reference| of two predictors on random (1, 4, H, W) inputs, largest of all.

    measure: what takes the place of the first maximum.
    """
    differences = []
    for size in sizes:
        batch = np.random.default_rng(0).normal(size=(1, 4, *size)).astype(np.float32)
        expected = reference(batch)
        differences.append(measure(np.abs(candidate(batch) - expected)) / np.maximum(np.abs(expected).max(), TINY))
    return np.max(differences)  # which, unlike max, passes NaN on
