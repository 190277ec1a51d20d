"""The field's published matting checkpoints: what tells each, what it was trained with, what makes it one of ours.

A file whose names are a public project's is read as one of the rows of PUBLISHED. Where several rows fit, since files
of the same names and shapes want different networks, the user says which, or a published file's own name does.
"""
import fnmatch
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting.errors import UserError
from matting.files import file_kind
from matting.weights.files import READERS, read_weights
from matting.weights.foldings import (
    BRIDGING,
    added_skips,
    biases_into_means,
    bridge_3x3,
    enlarged_alpha,
    reversed_colours,
    with_refinement,
)
from matting.weights.published_names import NAMINGS, naming_of

log = logging.getLogger(__name__)

EMPTY = np.empty(0)
HUO = "huochaitiantang/pytorch-deep-image-matting"
# Colours less ImageNet's mean, by its deviation; the trimap in [0, 1]. As in the projects' own programs.
IMAGENET = {"img_scale": 255.0, "img_mean": [0.485, 0.456, 0.406, 0], "img_std": [0.229, 0.224, 0.225, 1]}
FILE_VALUES = {"img_scale": 1.0, "img_mean": [0, 0, 0, 0], "img_std": [1, 1, 1, 1]}  # 0 to 255, nothing subtracted
INDEXNET = {"model": "indexnet", **IMAGENET}
DIM = {"model": "dim", "resampling": "max", "encoder_batch_norm": False, "decoder_batch_norm": False,
       "bridge": "conv3x3", "decoder_skips": False, "decoder_kernel_size": 5, "width_mult": 1.0,
       "output_activation": "sigmoid", "refine": True, "refine_on": "logit", **IMAGENET}
MMAGIC_DIM = {**DIM, "fit": "pad"}
HUOCHAITIANTANG = {**DIM, "fit": "down_linear"}
DEEP_MATTING = {**DIM, "encoder_batch_norm": True, "bridge": "fc6", "output_activation": "linear",
                "refine_on": "alpha", "fit": "up"}


class Published(NamedTuple):
    """A row of PUBLISHED."""

    naming: str  # a key of NAMINGS
    says: str  # of the project and its release
    settings: dict  # {key of the configuration: value as YAML gives it}; whether it refines, a file's names tell
    foldings: tuple = ()
    bridge_kernel: "int | None" = None  # in the file, where rows of one naming differ in it
    files: tuple = ()  # names under which it was published, as patterns


# --weights_from: its row
PUBLISHED = {
    "indexnet-release": Published(
        "release", "the official IndexNet release", {**INDEXNET, "fit": "up"}, files=("indexnet_matting.pth.tar",)),
    "indexnet-release-deep-matting": Published(
        "deep_matting", "Deep Matting of the official IndexNet release", DEEP_MATTING,
        (biases_into_means, with_refinement), files=("deep_matting.pth.tar",)),
    "mindspore-model-zoo-indexnet": Published(
        "model_zoo", "IndexNet of MindSpore's model zoo", {**INDEXNET, "fit": "up"}),
    "mmagic-indexnet": Published(
        "mmagic_indexnet", "IndexNet of mmagic", {**INDEXNET, "fit": "down"}, files=("indexnet_*_comp1k_SAD-*.pth",)),
    "mmagic-dim": Published(
        "mmagic_dim", "Deep Image Matting of mmagic", MMAGIC_DIM, (bridge_3x3, with_refinement),
        files=("dim_stage[123]_*_comp1k_SAD-*.pth",)),
    "huochaitiantang-v1.0": Published(
        "huochaitiantang", f"{HUO} v1.0 (colours as in the file, blue first)", {**HUOCHAITIANTANG, **FILE_VALUES},
        (bridge_3x3, reversed_colours, enlarged_alpha, with_refinement), 1, ("my_stage0_sad_72.9.pth",)),
    "huochaitiantang-v1.1": Published(
        "huochaitiantang", f"{HUO} v1.1", HUOCHAITIANTANG, (bridge_3x3, enlarged_alpha, with_refinement), 1,
        ("stage0_norm_e12_sad_69.1.pth",)),
    "huochaitiantang-v1.2": Published(
        "huochaitiantang", f"{HUO} v1.2", HUOCHAITIANTANG, (bridge_3x3, with_refinement), 1,
        ("stage[012]_norm_balance_sad_*.pth",)),
    "huochaitiantang-v1.3": Published(
        "huochaitiantang", f"{HUO} v1.3", HUOCHAITIANTANG, (bridge_3x3, with_refinement), 1,
        ("stage1_sad_57.1.pth",)),
    "huochaitiantang-v1.4": Published(
        "huochaitiantang", f"{HUO} v1.4", HUOCHAITIANTANG, (with_refinement,), 3, ("stage1_sad_54.4.pth",)),
    "huochaitiantang-v1.5": Published(
        "huochaitiantang", f"{HUO} V1.5 (skips added)", {**HUOCHAITIANTANG, "decoder_skips": True},
        (added_skips, with_refinement), 3, ("stage1_skip_sad_52.9.pth",)),
}


KINDS = tuple(kind for kind in READERS if kind != ".onnx")  # of their files


class Found(NamedTuple):
    """What a weight file was found to be, in this project's words."""

    weights: dict  # {canonical name: array}
    settings: dict  # {key of the configuration: value as YAML gives it} that it can only be used with
    says: str  # one line for the user; empty for a file of this project's own
    unknown: tuple  # names of the file that its project's rules do not know, and that are thus as they were


def find(path, weights, weights_from=""):
    """A weight file as read_weights gives it -> Found; the weights as they are where no project is recognised.

    weights_from: a key of PUBLISHED, or empty. Raises UserError where it is unknown or belongs to other files, where
    several rows fit and nothing decides, and for a file with names of one weight or without what a folding needs.
    """
    naming = naming_of(weights)
    canonical = {}
    if naming:
        names = NAMINGS[naming].canonical(weights)
        canonical = {names[name]: value for name, value in weights.items()}
        if len(canonical) < len(weights):
            raise UserError(f"{path}: several of its names are of one weight")
    key, by = _decide(path, naming, canonical, weights_from)
    if not key:
        return Found(weights, {}, "", ())
    row = PUBLISHED[key]
    settings = dict(row.settings)
    if "refine" in settings:
        settings["refine"] = any(name.startswith("refinement.") for name in canonical)
    try:
        for folding in row.foldings:
            canonical = folding(canonical)
    except KeyError as error:
        raise UserError(f"{path}: lacks {error.args[0]}, which {row.says} has") from None
    says = f"{path}: {row.says}, by {by}: {', '.join(f'{key} {value}' for key, value in settings.items())}"
    return Found(canonical, settings, says, tuple(name for name, translated in names.items() if name == translated))


def settings_of(path, weights_from=""):
    """{key of the configuration: value} that a published weight file is used with, told in a line of the log.

    Nothing for files of this project's own, for exported graphs, and for files that cannot be read, of which whoever
    loads them knows better what to say. Raises what find raises.
    """
    if file_kind(path) not in KINDS and weights_from:
        raise UserError(f"{path}: is no weight file; --weights_from is for {', '.join(KINDS)}")
    try:
        weights = read_weights(path)
    except UserError:
        return {}
    found = find(path, weights, weights_from)
    if found.says:
        log.info("%s", found.says)
    return found.settings


def holds_network(path):
    """Whether a weight file is of a whole matting network, this project's or a published one, and not of ImageNet's.

    False where there is no file. Raises what read_weights raises.
    """
    names = read_weights(path) if Path(path).is_file() else ()
    return bool(naming_of(names)) or {"encoder", "decoder"} <= {name.partition(".")[0] for name in names}


def _decide(path, naming, canonical, weights_from):
    """The key of the row that a file is read as, and by what; None where its names are no project's."""
    fitting = [key for key, row in PUBLISHED.items() if row.naming == naming and _has_bridge(row, canonical)]
    if weights_from and weights_from not in PUBLISHED:
        raise UserError(f"--weights_from {weights_from!r} is not one of {', '.join(PUBLISHED)}")
    if weights_from and weights_from not in fitting:
        told = f"they fit {' or '.join(fitting)}" if fitting else "they are no public project's"
        raise UserError(f"{path}: its names and shapes are not those of --weights_from {weights_from}; {told}")
    if weights_from:
        return weights_from, "--weights_from"
    if len(fitting) <= 1:
        return fitting[0] if fitting else None, "its names"
    named = [key for key in fitting
             if any(fnmatch.fnmatchcase(Path(path).name, pattern) for pattern in PUBLISHED[key].files)]
    if not named:
        raise UserError(f"{path}: its names and shapes do not tell which it is of {', '.join(fitting)}, and these "
                        "compute different mattes; say it with --weights_from")
    return named[0], "its file name"


def _has_bridge(row, canonical):
    """Whether the bridge's kernel is of the row's size, where it has one."""
    return not row.bridge_kernel or canonical.get(BRIDGING, EMPTY).shape[2:] == (row.bridge_kernel,) * 2
