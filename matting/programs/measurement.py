"""The ruler alone: mattes in files, whoever predicted them, measured by the four metrics against true ones."""
import csv
import itertools
import json
import platform
import statistics
from pathlib import Path

import cv2
import numpy as np

from matting.files import atomic_path
from matting.images.reading import check_same_size, read_matte, read_trimap
from matting.metrics import PROTOCOLS, evaluate
from matting.workers import progress, run_in_processes, stopping

AT_ONCE = 8  # mattes that a process measures before it reports
WORST, BY = 3, "SAD (thousands)"  # mattes named, and by which figure
# What is printed and written, each by a name that says its unit: papers use different ones.
FIGURES = {
    BY: lambda values, unit: values["sad"],
    "MSE": lambda values, unit: values["mse"],
    "MSE (x 1000)": lambda values, unit: 1000 * values["mse"],
    "Grad (thousands)": lambda values, unit: values["grad"] * unit / 1000,
    "Conn (thousands)": lambda values, unit: values["conn"],
}
TENS = 10
IN_TENS = "Grad (tens)"  # as the release prints it


def measure(mattes, protocol, num_workers):
    """[MatteFiles] -> [{"name": its name, figure: number}] in their order.

    protocol: a key of metrics.PROTOCOLS. Raises UserError for an unusable file.
    """
    if len(mattes) == 1:
        return [_measured(mattes[0], read_matte(mattes[0].true), protocol)]
    groups = [tuple(group) for _, group in itertools.groupby(mattes, key=lambda files: files.true)]
    groups = [group[first:first + AT_ONCE] for group in groups for first in range(0, len(group), AT_ONCE)]
    found = {}
    with progress(len(mattes), "matte") as advance:

        def note(group, results):
            found[group] = results
            advance(len(group))

        run_in_processes(measure_group, groups, num_workers, note, protocol=protocol)
    return [result for group in groups for result in found[group]]


def measure_group(group, protocol):
    """In a worker: MatteFiles that share their true matte, which is read once."""
    alpha, results = read_matte(group[0].true), []
    for files in group:
        if stopping():
            break
        results.append(_measured(files, alpha, protocol))
    return results


def means_of(results):
    """{figure: mean} of what `measure` gives."""
    return {name: statistics.fmean(result[name] for result in results) for name in results[0] if name != "name"}


def worst_of(results):
    """The WORST results, the worst first."""
    return sorted(results, key=lambda result: -result[BY])[:WORST]


def write_report(folder, mattes, results, protocol):
    """Write metrics.csv, a row for each matte, and metrics.json into a folder, made where missing."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "metrics.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, results[0])
        writer.writeheader()
        writer.writerows(results)
    report = {
        "protocol": protocol,
        "region": region_of(mattes),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__},
        "means": means_of(results),
        "worst": [result["name"] for result in worst_of(results)],
        "files": [{role: str(path) for role, path in files._asdict().items() if path} for files in mattes],
        "images": results,
    }
    with atomic_path(folder / "metrics.json") as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def region_of(mattes):
    """Which pixels count, in words."""
    return "unknown pixels of the trimap" if mattes[0].trimap else "whole image"


def _measured(files, alpha, protocol):
    prediction, trimap = read_matte(files.predicted), None
    check_same_size(files.predicted, prediction, files.true, alpha)
    if files.trimap:
        trimap = read_trimap(files.trimap)
        check_same_size(files.trimap, trimap, files.true, alpha)
    values, unit = evaluate(prediction, alpha, trimap, protocol), PROTOCOLS[protocol].gradient_unit
    figures = {name: figure(values, unit) for name, figure in FIGURES.items()}
    return {"name": files.name, **figures, **({IN_TENS: values["grad"]} if unit == TENS else {})}
