"""How good mattes are, beside what people use without networks: `python -m benchmarks.quality DATA_DIR`.

Every image is matted at its own size by closed-form and KNN matting, as a matte of 0.5, and by any number of weight
files. A table gives the four metrics by both protocols and the seconds an image takes; OUT/contact_sheet.png shows the
mattes, OUT/metrics.csv has every figure. What the classical methods gave stays in OUT and is not computed again.
"""
import csv
import fnmatch
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from matting import load
from matting.classical import METHODS, Store
from matting.config import CHOICES, Config
from matting.dataset.composites import prepared_validation
from matting.dataset.layouts import PREPARED, find_layout
from matting.errors import UserError, entry_point, short_of_memory
from matting.estimation import SMALLER
from matting.files import atomic_path
from matting.images.reading import check_same_size, read_alpha, read_image, read_trimap
from matting.images.writing import write_png
from matting.inference import to_uint8
from matting.metrics import METRICS, PROTOCOLS, evaluate
from matting.programs.evaluation import check_all_there, photographs
from matting.trimap import fuse
from matting.usage import program_parser

log = logging.getLogger(__name__)

HALF = "a matte of 0.5"
CELL, GAP = 240, 6  # pixels of the contact sheet: the longer side of a picture, the space between pictures
LINE, SIZE = 22, 14  # pixels: a line of words, its letters


class Sample(NamedTuple):
    """An image with what its mattes are measured by."""

    name: str
    image: np.ndarray  # (H, W, 3) uint8 RGB
    trimap: np.ndarray
    alpha: np.ndarray  # (H, W) uint8


class Result(NamedTuple):
    """A method's matte of one image: the seconds that it took, its metrics by each protocol."""

    image: str
    method: str
    seconds: float
    metrics: dict  # {protocol: {metric: value}}


def methods(checkpoints, store, device="CPU"):
    """{name: (image, trimap) -> (H, W) uint8 matte, seconds} of all that is compared, in the order of the table."""
    compared = {HALF: _half, **{method: _remembered(store, method) for method in METHODS}}
    for path in checkpoints:
        compared[str(path)] = _timed(load(path, device).alpha)
    return compared


def _half(image, trimap):
    return to_uint8(fuse(np.full(trimap.shape, 0.5, np.float32), trimap)), 0.0


def _remembered(store, method):
    return lambda image, trimap: store.matte(method, image, trimap)


def _timed(estimate: Callable):
    def matte(image, trimap):
        start = time.perf_counter()
        alpha = estimate(image, trimap)
        return to_uint8(alpha), time.perf_counter() - start

    return matte


def find_composites(data_dir, layout="auto", val_list=""):
    """The ValidationComposites of a prepared set, or of photographs with trimaps and mattes; raises UserError."""
    config = Config(data_dir=str(data_dir), layout=layout, val_list=str(val_list))
    layout = find_layout(config)
    composites = prepared_validation(config) if layout == PREPARED else photographs(config, layout)
    check_all_there(composites)
    return composites


def read_sample(files):
    """A ValidationComposite whose image is a file -> Sample; raises UserError for unusable files."""
    image, alpha, trimap = read_image(files.merged), read_alpha(files.mask), read_trimap(files.trimap)
    check_same_size(files.mask, alpha, files.merged, image)
    check_same_size(files.trimap, trimap, files.merged, image)
    return Sample(files.name, image, trimap, alpha)


def measure(composites, compared, keep=lambda sample, mattes: None):
    """ValidationComposites by {name: method} -> [Result]; keep(Sample, {name: (H, W) uint8 matte}) for each image.

    An image that a method cannot matte is left out for all, and the log says why; raises UserError where none is left.
    """
    results = []
    with logging_redirect_tqdm(), tqdm(total=len(composites) * len(compared), disable=None, unit="matte") as progress:
        for files in composites:
            sample = read_sample(files)
            try:
                mattes, of_sample = _measure(sample, compared, progress)
            except UserError as error:
                log.warning("left out: %s", error)
                problem = error
                continue
            results += of_sample
            keep(sample, mattes)
    if not results:
        raise problem
    return results


def _measure(sample, compared, progress):
    """-> {name: (H, W) uint8 matte}, [Result]."""
    mattes, results = {}, []
    for name, method in compared.items():
        progress.set_description(f"{sample.name} {Path(name).name}")
        with short_of_memory(f"{sample.name} by {name}", SMALLER):
            mattes[name], seconds = _named(sample, name, method)
        metrics = {protocol: evaluate(mattes[name], sample.alpha, sample.trimap, protocol) for protocol in PROTOCOLS}
        results.append(Result(sample.name, name, seconds, metrics))
        progress.update()
    return mattes, results


def _named(sample, name, method):
    try:
        return method(sample.image, sample.trimap)
    except UserError as error:
        raise UserError(f"{sample.name} by {name}: {error}") from None


def of_group(results, pattern):
    """The results of the images whose names match, as those of files do; raises UserError where there are none."""
    found = [result for result in results if fnmatch.fnmatchcase(result.image, pattern)]
    if not found:
        raise UserError(f"--groups {pattern!r} matches none of {', '.join(sorted({row.image for row in results}))}")
    return found


def means(results, method, protocol):
    """{metric: mean} of a method."""
    found = [result.metrics[protocol] for result in results if result.method == method]
    return {metric: statistics.fmean(metrics[metric] for metrics in found) for metric in METRICS}


def table(results):
    """Results -> the lines of a Markdown table, the protocols below each other."""
    yield "| protocol | method | SAD | MSE | Grad | Conn | s an image |"
    yield "|---|---|---|---|---|---|---|"
    for protocol in PROTOCOLS:
        for method in dict.fromkeys(result.method for result in results):
            figures = means(results, method, protocol)
            seconds = statistics.median(result.seconds for result in results if result.method == method)
            yield (f"| {protocol} | {method} | {figures['sad']:.3f} | {figures['mse']:.5f} | {figures['grad']:.3f} | "
                   f"{figures['conn']:.3f} | {seconds:.2f} |")


def write_csv(path, results):
    """A row for each image, method and protocol, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "method", "protocol", *METRICS, "seconds"))
        for result in results:
            for protocol, metrics in result.metrics.items():
                writer.writerow((result.image, result.method, protocol, *(metrics[name] for name in METRICS),
                                 result.seconds))


class ContactSheet:
    """One picture: a row for each image, a column for each method, a heading above each column."""

    def __init__(self, headings):
        self._headings = ("image", "trimap", "true matte", *headings)
        self._rows = []

    def add(self, sample, mattes):
        """A row: the image's name above it, its SAD in the adobe protocol above each matte."""
        pictures = [sample.image, sample.trimap, sample.alpha, *mattes.values()]
        sads = [f"SAD {evaluate(matte, sample.alpha, sample.trimap, 'adobe')['sad']:.2f}" for matte in mattes.values()]
        self._rows.append([_cell(words, picture) for words, picture in
                           zip((sample.name, "", "", *sads), pictures, strict=True)])

    def write(self, path):
        """As a PNG, atomically."""
        headings = [_words(heading) for heading in self._headings]
        write_png(path, np.vstack([np.hstack(headings), *(np.hstack(row) for row in self._rows)]))


def _words(text):
    """A line of words, as wide as a cell: the end of what does not fit."""
    line, font = Image.new("RGB", (CELL + GAP, LINE), "white"), ImageFont.load_default(SIZE)
    while text and font.getlength(text) > CELL:
        text = text[1:]
    ImageDraw.Draw(line).text((0, (LINE - SIZE) // 2), text, "black", font)
    return np.asarray(line)


def _cell(words, picture):
    """(H, W) or (H, W, 3) uint8 -> a cell of the sheet, words above the reduced picture."""
    scale = CELL / max(picture.shape[:2])
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    cell = np.full((height + GAP, CELL + GAP, 3), 255, np.uint8)
    cell[:height, :width] = small if small.ndim == 3 else small[:, :, None]
    return np.vstack([_words(words), cell])


def compare(composites, compared, out, shown):
    """Measure, and write metrics.csv and contact_sheet.png into the folder `out`, made where missing -> [Result]."""
    out.mkdir(parents=True, exist_ok=True)
    sheet, chosen = ContactSheet(compared), {files.name for files in composites[::-(-len(composites) // shown)]}
    results = measure(composites, compared,
                      lambda sample, mattes: sheet.add(sample, mattes) if sample.name in chosen else None)
    write_csv(out / "metrics.csv", results)
    sheet.write(out / "contact_sheet.png")
    return results


@entry_point
def main(argv=None):
    parser = program_parser("benchmarks.quality", __doc__)
    parser.add_argument("data_dir", metavar="DATA_DIR", help="prepared set, or folder of photographs with trimaps and "
                        "mattes, as a public data set has them")
    parser.add_argument("--ckpt_url", nargs="+", default=[], metavar="FILE", help="weight files of any kind")
    parser.add_argument("--layout", choices=CHOICES["layout"], default="auto", help="(default: guessed)")
    parser.add_argument("--val_list", default="", metavar="FILE", help="which photographs, one stem a line")
    parser.add_argument("--device_target", choices=CHOICES["device_target"], default="CPU",
                        help="for the weight files (default: %(default)s)")
    parser.add_argument("--groups", nargs="+", default=["*"], metavar="PATTERN", help="a table each of the images "
                        "whose names match, such as '*_0' (default: one of all)")
    parser.add_argument("--shown", type=int, default=24, metavar="NUMBER", help="images in the contact sheet, evenly "
                        "chosen (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, default=Path("build/quality"),
                        help="folder, made where missing (default: %(default)s)")
    arguments = parser.parse_args(argv)
    out = arguments.output
    composites = find_composites(arguments.data_dir, arguments.layout, arguments.val_list)
    compared = methods(arguments.ckpt_url, Store(out / "classical"), arguments.device_target)
    results = compare(composites, compared, out, arguments.shown)
    measured = len({result.image for result in results})
    print(f"{measured} of {len(composites)} images of {arguments.data_dir}, mattes of 8 bits at the images' own size")
    for pattern in arguments.groups:
        group = of_group(results, pattern)
        print(f"\n{len({result.image for result in group})} images {pattern}:\n\n" + "\n".join(table(group)))
    print(f"\neach image: {out / 'metrics.csv'}; mattes: {out / 'contact_sheet.png'}")


if __name__ == "__main__":
    main()
