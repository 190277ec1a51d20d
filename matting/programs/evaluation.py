"""Evaluation of a network on a prepared validation set: predicted mattes and the four metrics.

By the release's protocol images are fitted into a frame of img_size, and both mattes are compared at that size; with
img_size own, as most others do, each image keeps its size, and large ones are matted in windows. What is measured is
the 8-bit matte that is written, so that anyone can measure it again from the files.
"""
import csv
import json
import logging
import math
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from matting import classical
from matting.config import make_config, trained_with
from matting.config.values import OWN
from matting.dataset.composites import VALIDATION_COMPOSITES, ValidationComposite, check_unseen, compose
from matting.dataset.layouts import PREPARED, as_they_are, check_no_other, find_layout
from matting.errors import UserError, short_of_memory
from matting.files import atomic_path
from matting.images.reading import check_same_size, read_alpha, read_image, read_trimap
from matting.images.writing import write_png
from matting.inference import FITS, Frame, OwnSize, to_alpha, to_network_input, to_uint8
from matting.metrics import METRICS, evaluate
from matting.overlap import map_ahead
from matting.programs.expected import AT_MOST, judge
from matting.tiling import estimate_in_windows, window_for
from matting.trimap import fuse

log = logging.getLogger(__name__)

WORKERS = 2  # threads that read and measure while the network predicts
AHEAD = 4  # images read, and as many measured, ahead of their turn
SLOWEST = 3  # images named
WINDOW = 2048  # pixels of side; with img_size own, an image of more than such a square is matted in windows
FORMATS = {"sad": "SAD {:.3f}", "mse": "MSE {:.5f}", "grad": "Grad {:.3f}", "conn": "Conn {:.3f}"}
COLUMNS = ("name", *METRICS, "seconds")  # of metrics.csv


class ImageResult(NamedTuple):
    """One image's metrics, the seconds that the network took for it, and the metrics of a matte of 0.5 for scale."""

    name: str
    sad: float
    mse: float
    grad: float
    conn: float
    seconds: float
    half_matte: "dict | None"  # {metric: value} of a matte that is 0.5 in all of the unknown region; None: not asked
    baselines: dict = MappingProxyType({})  # {method of classical.METHODS: {metric: value}}, where asked


class _Image(NamedTuple):
    """A validation image in its frame; `pixels` and `trimap` are placed there, `alpha` is not."""

    name: str
    frame: "Frame | OwnSize"
    pixels: np.ndarray
    estimate: Callable  # of a predictor, called in the caller's thread: a function that gives the alpha in any other
    trimap: np.ndarray
    alpha: np.ndarray


def validation_composites(config):
    """The ValidationComposites of config's data set, prepared or, with `composition: online`, to be composed."""
    return VALIDATION_COMPOSITES[config.composition](config)


def evaluation_composites(config):
    """validation_composites for the evaluation of config.ckpt_url, or the images of a public data set as they are.

    Raises UserError where it was trained on a background of these, as far as its configuration tells. What that does
    not name, or what is no longer there, is taken to be what is evaluated now.
    """
    layout = find_layout(config)
    if layout != PREPARED:
        return photographs(config, layout)
    check_no_other(config)
    composites = validation_composites(config)
    told = trained_with(config.ckpt_url)
    if "num_bgs_train" in told:
        training = make_config(told)
        here = {key: getattr(config, key) for key in ("data_dir", "bg_dir", "val_list")
                if key not in told or not Path(getattr(training, key)).exists()}
        check_unseen(composites, replace(training, **here))
    return composites


def photographs(config, layout):
    """The ValidationComposites of a public data set as it is, by a row of layouts.LAYOUTS."""
    return [ValidationComposite(files.name, files.true, files.trimap, files.predicted)
            for files in as_they_are(config, layout)]


def add_arguments(parser):
    """What the evaluating programs take besides the keys of default_config.yaml."""
    parser.add_argument("--baselines", action="store_true", help="measure what needs no weights, too, "
                        f"{' and '.join(classical.METHODS)}; an image takes seconds to minutes, once for each logs_dir")


def evaluate_by(load_network, config, own):
    """The evaluating programs: load_network(config) gives the Network; own: what add_arguments took."""
    composites = evaluation_composites(config)
    network = load_network(config)
    evaluate_folder(network.predict, config, composites, config.logs_dir, network.versions,
                    tuple(classical.METHODS) if own.baselines else ())


def evaluate_folder(predict, config, composites, folder, versions, baselines=()):
    """Predict every validation image into `folder`/NAME_K.png and write eval.log, metrics.csv, metrics.json there.

    predict: (1, 4, H, W) -> (1, 1, H, W) float32 arrays. composites: ValidationComposites. versions: {library: version}
    of the framework, for the report. baselines: methods of classical.METHODS that are measured for scale; what they
    gave stays in `folder`/classical. Returns {metric: mean}. Raises UserError for an unusable file, before the first
    prediction if the file is missing.
    """
    check_all_there(composites)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "eval.log").open("w", encoding="utf-8") as log_file, logging_redirect_tqdm():
        def tell(line):
            log.info("%s", line)
            print(line, file=log_file, flush=True)

        tell(f"{config.ckpt_url} on {len(composites)} images of {config.data_dir}, {config.metric_protocol} protocol")
        results = []
        images = evaluate_images(predict, config, composites,
                                 lambda name, pixels: write_png(folder / f"{name}.png", pixels), for_scale=True,
                                 store=classical.Store(folder / "classical"), baselines=baselines)
        for result in tqdm(images, total=len(composites), disable=None, unit="image"):
            results.append(result)
            tell(f"{result.name}: {_told(result._asdict())}")
        means = mean_metrics(results)
        for line in _summary(results, means, config, composites):
            tell(line)
    _write_csv(folder / "metrics.csv", results)
    _write_json(folder / "metrics.json", results, means, config, versions, judge(config, composites, means))
    return means


def validate(predict, composites, config):
    """{metric: mean} over the ValidationComposites, as evaluate_folder measures them, writing nothing."""
    return mean_metrics(list(evaluate_images(predict, config, composites)))


def evaluate_images(predict, config, composites, keep=lambda name, pixels: None, for_scale=False, store=None,
                    baselines=()):
    """Yield an ImageResult for each ValidationComposite, in order.

    keep(name, (h, w) uint8 matte at the fitted size) is called in a thread. Reading, measuring and keeping overlap with
    prediction, which stays in the caller's thread. for_scale: measure mattes of 0.5, too. baselines: and those of these
    methods, from the classical.Store.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        images = map_ahead(pool, partial(_read, config), composites, AHEAD)
        predicted = (_timed_prediction(predict, image) for image in images)
        yield from map_ahead(pool, partial(_measure, config, keep, for_scale, store, baselines), predicted, AHEAD)


def mean_metrics(results):
    """ImageResults -> {metric: mean}."""
    return {name: statistics.fmean(getattr(result, name) for result in results) for name in METRICS}


def baseline_metrics(results):
    """ImageResults -> {method: {metric: mean}} of the classical mattes, where there are any."""
    return {method: {name: statistics.fmean(result.baselines[method][name] for result in results) for name in METRICS}
            for method in results[0].baselines}


def half_matte_metrics(results):
    """ImageResults -> {metric: mean} of the mattes of 0.5."""
    return {name: statistics.fmean(result.half_matte[name] for result in results) for name in METRICS}


def _read(config, files):
    alpha, trimap = read_alpha(files.mask), read_trimap(files.trimap)
    path = files.merged or files.original
    image = read_image(path)
    check_same_size(files.mask, alpha, path, image)
    check_same_size(files.trimap, trimap, path, image)
    if not files.merged:
        image = compose(image, alpha, files.background)
    frame = OwnSize() if config.img_size == OWN else Frame(trimap.shape, config.img_size)
    image, trimap = frame.place(image), frame.place(trimap, cv2.INTER_NEAREST)
    large = config.img_size == OWN and math.prod(map(FITS[config.fit].side, trimap.shape)) > WINDOW ** 2
    estimate = (partial(_estimate_in_windows, image, trimap, config) if large else
                partial(_estimate_whole, to_network_input(image, trimap, config), trimap, config))
    return _Image(files.name, frame, image, estimate, trimap, alpha)


def _estimate_whole(network_input, trimap, config, predict):
    return partial(to_alpha, predict(network_input), trimap, config)


def _estimate_in_windows(image, trimap, config, predict):
    alpha = estimate_in_windows(predict, image, trimap, config, window_for(trimap.shape, WINDOW ** 2))
    return lambda: alpha


def _timed_prediction(predict, image):
    start = time.perf_counter()
    with short_of_memory(f"{image.name} in a frame of {image.trimap.shape[1]}x{image.trimap.shape[0]}",
                         "lower --img_size, with which the figures are others"):
        alpha = image.estimate(predict)
    return image, alpha, time.perf_counter() - start


def _measure(config, keep, for_scale, store, baselines, predicted):
    image, alpha, seconds = predicted
    pixels = to_uint8(image.frame.extract(alpha()))
    keep(image.name, pixels)
    true_pixels, trimap = (image.frame.extract(placed) for placed in (image.frame.place(image.alpha), image.trimap))
    alpha = true_pixels / np.float32(255)
    metrics = evaluate(pixels / np.float32(255), alpha, trimap, config.metric_protocol)
    half_matte = _measure_half(alpha, trimap, config.metric_protocol) if for_scale else None
    mattes = {method: _baseline(store, method, image, trimap) for method in baselines}
    measured = {method: evaluate(matte / np.float32(255), alpha, trimap, config.metric_protocol)
                for method, matte in mattes.items()}
    return ImageResult(image.name, **metrics, seconds=seconds, half_matte=half_matte, baselines=measured)


def _measure_half(alpha, trimap, protocol):
    pixels = to_uint8(fuse(np.full_like(alpha, 0.5), trimap))
    return evaluate(pixels / np.float32(255), alpha, trimap, protocol)


def _baseline(store, method, image, trimap):
    """The matte of a classical method, of the image at its fitted size."""
    try:
        return store.matte(method, image.frame.extract(image.pixels), trimap)[0]
    except UserError as error:
        raise UserError(f"{image.name}: {error}; or leave --baselines out") from None


def check_all_there(composites):
    """Raise UserError, naming a file that ValidationComposites are made of and that is not there."""
    for path in sorted({path for files in composites for path in files if isinstance(path, Path)}):
        if not path.is_file():
            raise UserError(f"{path}: no such file, though the validation set names it; prepare the data again")


def _told(values):
    """Those of the metrics that are in {name: number}."""
    return "  ".join(FORMATS[name].format(values[name]) for name in METRICS if name in values)


def _summary(results, means, config, composites):
    """The lines that end eval.log."""
    yield f"mean of {len(results)} images: {_told(means)}"
    yield f"for scale, a matte of 0.5 in the unknown region: {_told(half_matte_metrics(results))}"
    for method, metrics in baseline_metrics(results).items():
        yield f"for scale, {method}: {_told(metrics)}"
    for row in judge(config, composites, means):
        figures = {name: float(row[name]) for name in METRICS if row[name]}
        meaning = "expected at most" if row["tolerance"] == AT_MOST else f"published (within {row['tolerance']})"
        yield (f"measured {_told({name: means[name] for name in figures})}; {meaning}, {row['checkpoint']}: "
               f"{_told(figures)}: {row['verdict']}")
    timed = results[1:] or results  # the first image's time holds the compilation of the graph
    slowest = sorted(timed, key=lambda result: -result.seconds)[:SLOWEST]
    yield (f"network: {statistics.median(result.seconds for result in timed):.3f} s an image (median); slowest: "
           + ", ".join(f"{result.name} {result.seconds:.3f} s" for result in slowest))


def _write_csv(path, results):
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(result._asdict() for result in results)


def _write_json(path, results, means, config, versions, expected):
    report = {
        "protocol": config.metric_protocol,
        "img_size": config.img_size,
        "ckpt_url": config.ckpt_url,
        "data_dir": config.data_dir,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__,
                     **versions},
        "means": means,
        "half_matte": half_matte_metrics(results),
        "baselines": baseline_metrics(results),
        "expected": expected,
        "images": [{**result._asdict(), "baselines": dict(result.baselines)} for result in results],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
