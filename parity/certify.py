"""Certify that a checkpoint computes the same in every runtime: python -m parity.certify CKPT [IMAGE TRIMAP ...].

This very file in MindSpore, line by line and compiled, its MINDIR, PyTorch, and its ONNX file in ONNX Runtime: how far
each is from PyTorch at every tap of a drawn input, and on the photographs in levels of the 8-bit matte. Writes one page
and a JSON file; ends with status 1 where a budget is exceeded.
"""
import dataclasses
import datetime
import hashlib
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from matting.config import CHECKPOINT_KEYS, brought, make_config
from matting.errors import UserError, entry_point
from matting.estimation import DEFAULT_SCALE, estimate_alpha
from matting.files import file_kind
from matting.inference import FITS, to_network_input, to_uint8
from matting.programs.inputs import Rules, Source, read_input
from matting.tiling import window_for
from matting.trimap import BACKGROUND, FOREGROUND, UNKNOWN, unknown_region
from matting.usage import program_parser
from matting.weights.files import READERS, read_weights
from matting.weights.published import PUBLISHED, find
from ms_impl.src.utils import set_device
from parity import runtimes
from parity.certificate import TAP_BUDGET, Certificate, Column, Matte, Picture, write
from parity.compare import differences
from parity.report import environment
from parity.runtimes import Case

SIZE = (64, 96)  # (height, width) of a drawn picture
FEW_CELLS = (32, 64)  # of one for networks that unpool: the fewer cells, the farther its closest maxima lie apart
INPUT_KEYS = ("img_scale", "img_mean", "img_std", "fit")  # what an image becomes the network's input by
APART = 1e-5  # of the maximum: as far as the two largest values of a pooled cell should lie apart, for rounding is 1e-6
DRAWN = 20  # inputs that are tried for that


class Photograph(NamedTuple):
    """What the mattes are estimated from."""

    name: str
    image: np.ndarray  # (H, W, 3) uint8
    trimap: np.ndarray


@entry_point
def main(argv=None):
    parser = program_parser("parity.certify", __doc__)
    parser.add_argument("checkpoint", metavar="CKPT", help=f"weight file: {', '.join(READERS)}")
    parser.add_argument("photographs", nargs="*", default=[], metavar="IMAGE TRIMAP",
                        help="photographs, each with its trimap (default: a drawn one)")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/certificate.html"), metavar="PAGE",
                        help="the .json goes beside it (default: build/certificate.html)")
    parser.add_argument("--weights_from", default="", metavar="WORD", help="which published checkpoint it is, where it "
                        f"does not tell itself: {', '.join(PUBLISHED)}")
    own = parser.parse_args(argv)
    if len(own.photographs) % 2:
        parser.error(f"{own.photographs[-1]}: has no trimap; give each photograph with its trimap, IMAGE TRIMAP")
    if own.output.suffix != ".html":
        raise UserError(f"-o {own.output}: name a page, PAGE.html")
    photographs = read_photographs(own.photographs)
    config, facts = read_checkpoint(Path(own.checkpoint), own.weights_from)
    own.output.parent.mkdir(parents=True, exist_ok=True)
    set_device(config)
    certificate = certify(config, facts, photographs)
    write(certificate, own.output)
    if certificate.faults:
        raise UserError(f"{own.output}: written; above a budget: {in_words(certificate)}")
    print(f"{own.output}: written, and {own.output.stem}.json beside it; equal in every runtime, within every budget")


def in_words(certificate):
    """Who is beyond which budget, in one line."""
    found = [f"{name} ({'; '.join(faults)})" for name, faults in certificate.faults.items()]
    return ", ".join([*found, certificate.remark] if certificate.remark else found)


def read_photographs(paths):
    """IMAGE TRIMAP IMAGE TRIMAP ... -> [Photograph]; raises UserError where one is unusable."""
    found = []
    for image, trimap in zip(paths[::2], paths[1::2], strict=True):
        read = read_input(Source(Path(image), Path(trimap)), Rules())
        if not unknown_region(read.trimap).any():
            raise UserError(f"{trimap}: has no unknown pixel (128), so that nothing would be compared")
        found.append(Photograph(Path(image).name, read.photo.image, read.trimap))
    return found or [Photograph("drawn", *draw(seed=0))]


def draw(seed, size=SIZE):
    """A picture of noise, (h, w, 3) uint8, and a trimap with all three regions."""
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    trimap = np.full(size, UNKNOWN, np.uint8)
    trimap[:, :size[1] // 6], trimap[:, -(size[1] // 6):] = BACKGROUND, FOREGROUND
    return image, trimap


def read_checkpoint(path, weights_from=""):
    """-> its Config, on the CPU, and what the page says of the file; raises UserError where it is none."""
    if path.is_file() and file_kind(path) not in READERS:
        raise UserError(f"{path}: is no checkpoint; give the one it was made from, a file of {', '.join(READERS)}")
    found = find(path, read_weights(path), weights_from)
    config = make_config(brought(path, CHECKPOINT_KEYS, weights_from) | {
        "ckpt_url": str(path), "weights_from": weights_from, "device_target": "CPU"})
    content = path.read_bytes()
    facts = {"bytes": f"{len(content):,}", "SHA-256": hashlib.sha256(content).hexdigest(),
             "recognised as": found.says.removeprefix(f"{path}: ") or "a file of this project"}
    return config, facts


def certify(config, facts, photographs):
    """Run the checkpoint in every row of RUNTIMES -> Certificate."""
    path = Path(config.ckpt_url)
    reference = runtimes.load_reference(config)
    batch = far_from_ties(reference, config)
    expected = runtimes.reference_taps(reference, batch)
    rounding = differences(runtimes.reference_taps(runtimes.double(reference), batch), expected)
    largest = tuple(map(max, zip(*(photograph.trimap.shape for photograph in photographs), strict=True)))
    window = tuple(map(FITS[config.fit].side, window_for(largest, DEFAULT_SCALE.tile ** 2)))
    shapes = {name: value.shape for name, value in expected.items() if name != "output"}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, path.name)  # graph files are written beside it; a published file is known by its name
        own.symlink_to(path.resolve())
        case = Case(dataclasses.replace(config, ckpt_url=str(own), img_size=window), shapes, batch.shape[2:])
        for name, open_runtime in runtimes.RUNTIMES.items():
            found[name] = run(open_runtime, case, batch, photographs)
            print(f"{name}: {found[name].refused or 'run'}", flush=True)
    first, *others = found.items()
    columns = [compared(name, run, first[1], photographs) for name, run in others]
    pictures = [Picture(*photograph, matte) for photograph, matte in zip(photographs, first[1].mattes, strict=True)]
    settings = {"model": config.model} | vars(config.network) | {key: getattr(config, key) for key in INPUT_KEYS}
    taken = (f"Measured with a picture of noise, {batch.shape[3]}x{batch.shape[2]}; the mattes in windows of "
             f"{window[1]}x{window[0]}.")
    return Certificate(path.name, facts, settings, first[0], rounding, columns, pictures, taken, where(),
                       remark(first, others))


class Run(NamedTuple):
    """What one runtime computed."""

    taps: dict
    mattes: list
    refused: str = ""  # why it did not


def run(open_runtime, case, batch, photographs):
    """Everything of one runtime; what it refuses is told."""
    try:
        opened = open_runtime(case)
    except UserError as error:
        return Run({}, [], str(error))
    mattes = [to_uint8(estimate_alpha(opened.predict, photograph.image, photograph.trimap, case.config,
                                      case.config.img_size)) for photograph in photographs]
    return Run(opened.taps(batch), mattes)


def compared(name, run, reference, photographs):
    """A Run -> its Column."""
    mattes = []
    for matte, true, photograph in zip(run.mattes, reference.mattes, photographs, strict=bool(run.mattes)):
        levels = np.abs(matte.astype(int) - true)
        mattes.append(Matte(int(levels.max()), int(np.count_nonzero(levels)),
                            int(np.count_nonzero(unknown_region(photograph.trimap)))))
    return Column(name, differences(run.taps, reference.taps), mattes, run.refused)


def remark(reference, others):
    """Whether it is the reference that is off: (its name, Run), [(name, Run)] -> a sentence, or none."""
    taps = [run.taps for _, run in others if run.taps]
    if len(taps) > 1 and differs(taps[0], reference[1].taps) and not any(differs(taps[0], other) for other in taps[1:]):
        return f"all others agree with one another, so that the fault is {reference[0]}'s"
    return ""


def differs(taps, others):
    """Whether any tap that both have is beyond the budget."""
    return any(not found.relative <= TAP_BUDGET for found in differences(taps, others))


def far_from_ties(network, config):
    """A drawn input, as images become one, (1, 4, h, w) float32, for which rounding tips no maximum.

    Where the two largest values of a cell are equal but for rounding, either may be the largest, and unpooling then
    puts a value elsewhere. Of a few inputs the first whose closest ones lie APART, or the one where they do most.
    """
    if config.resampling != "max":
        return to_network_input(*draw(0), config)
    best, farthest = None, -1
    for seed in range(DRAWN):
        batch = to_network_input(*draw(seed, FEW_CELLS), config)
        distance = closest_maxima(network, batch)
        if distance > farthest:
            best, farthest = batch, distance
        if farthest > APART:
            break
    return best


def closest_maxima(network, batch):
    """The least distance of the two largest values of a pooled cell, as a share of the largest value of all cells.

    Cells whose values vanish beside that do not count.
    """
    distances = []

    def pooled(pool, inputs):
        cells = inputs[0].unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
        largest, second = cells.topk(2).values.unbind(-1)
        counts = largest > APART * largest.max()
        distances.append(((largest - second)[counts] / largest.max()).min().item() if counts.any() else 1)

    hooks = [module.register_forward_pre_hook(pooled) for module in network.modules()
             if isinstance(module, torch.nn.MaxPool2d)]
    with torch.no_grad():
        network(torch.from_numpy(batch))
    for hook in hooks:
        hook.remove()
    return min(distances)


def where():
    """{what: its version} of all that the figures depend on, and when they were measured."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return environment() | {"ONNX Runtime": runtimes.onnxruntime.__version__, "date": today}


if __name__ == "__main__":
    main()
