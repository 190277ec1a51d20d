"""Measure how far MindSpore is from PyTorch, tensor by tensor: python -m parity.report [-o FOLDER].

Writes FOLDER/parity.html, one page that needs nothing else, and FOLDER/parity.json with the same figures.
"""
import dataclasses
import html
import json
import math
import platform
from pathlib import Path
from typing import NamedTuple

import mindspore as ms
import numpy as np
import torch

import ms_impl.src.utils
import torch_ref.utils
from matting.config import Config
from matting.errors import entry_point
from matting.files import atomic_path
from matting.usage import program_parser
from parity.compare import Difference, differences
from parity.networks import matting_gradients, network_pair, open_gates, smooth_batch
from parity.picture import SHADES, shade
from parity.trajectory import CEILING, WINDOW, distances, train, training_settings

VARIANTS = {
    "default": {},
    "holistic index": {"index_kind": "holistic"},
    "one-to-one index": {"index_kind": "depthwise_o2o"},
    "max pooling": {"resampling": "max"},
    "output stride 16": {"output_stride": 16},
    "separable decoder": {"conv_operator": "dep_sep_conv"},
}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Parity of MindSpore and PyTorch</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
.strip{{display:flex;height:1.6rem}}.strip i{{flex:1}}
table{{border-collapse:collapse}}td,th{{padding:.1rem .8rem .1rem 0;text-align:left}}</style>
<h1>Parity of MindSpore and PyTorch</h1>
<p>The same weights and the same input go into two implementations of one network. Every intermediate result (a
<em>tensor</em>) is compared: the largest difference anywhere in it, divided by the largest value in PyTorch's.
Computers round each float32 to about one part in ten million, so differences near 1e-6 are rounding. The
<em>budget</em> is what a test allows; the mildest of the bugs that the suite plants on purpose differs by 1e-3.</p>
<p>{shades}</p><p>Each strip is one network, its input on the left, its output on the right; point at a cell for its
name and figure.</p>
{sections}
<h2>Where it was measured</h2><table>{environment}</table></html>
"""


class Strip(NamedTuple):
    """One network's tensors in order."""

    label: str
    tensors: list  # of Difference


class Section(NamedTuple):
    """What was compared, and what a test allows."""

    title: str
    meaning: str
    budget: float
    strips: list


def measure(config, variants):
    """Compare whole networks -> [Section]; MindSpore runs line by line, as taps need."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    batch = smooth_batch(4, 64, 64, seed=4)
    evaluation, training, statistics, gradients = [], [], [], []
    for label, settings in variants.items():
        pair = network_pair(dataclasses.replace(config, **settings).network)
        evaluation.append(Strip(label, differences(pair.mindspore_taps(batch["input"]),
                                                   pair.torch_taps(batch["input"]))))
        smooth = network_pair(dataclasses.replace(config, **settings).network, change=open_gates)
        gradients.append(Strip(label, differences(*matting_gradients(smooth, batch))))
        pair.set_train(True)
        training.append(Strip(label, differences(pair.mindspore_taps(batch["input"]), pair.torch_taps(batch["input"]))))
        after = [{name: value for name, value in weights.items() if "running" in name} for weights in
                 (ms_impl.src.utils.get_weights(pair.mindspore), torch_ref.utils.get_weights(pair.torch))]
        statistics.append(Strip(label, differences(*after)))
    return [
        Section("Evaluation", "every intermediate result when the network is used", 1e-5, evaluation),
        Section("Training", "the same in training mode, where batch norm uses the batch's own statistics", 5e-5,
                training),
        Section("Running statistics", "what batch norm remembers of that pass", 5e-5, statistics),
        Section("Gradients", "of the matting loss, by the input and by every weight; with max pooling, rounding "
                "decides between nearly equal values, and a gradient takes another way", 1e-4, gradients),
    ]


def measure_steps(config):
    """Train with both frameworks' learners -> Section of what has become of losses, weights and Adam's moments."""
    ms.set_context(mode=ms.GRAPH_MODE)
    config = training_settings(config, config.encoder_bn, WINDOW)
    states = {side: train(side, config, WINDOW) for side in ("mindspore", "torch", "float64")}
    worst = {}
    for step, truth in states["float64"].items():
        for side, label in (("mindspore", "MindSpore"), ("torch", "PyTorch itself")):
            for kind, (distance, name) in distances(states[side][step], truth).items():
                found = Difference(f"{name} after step {step}", distance, math.nan)
                worst.setdefault((kind, f"{kind.replace('_', ' ')}, {label}"), []).append(found)
    steps = ", ".join(map(str, WINDOW))
    return Section("Training steps",
                   f"the worst tensor of each kind after {steps} steps of the programs' own learners, beside "
                   "PyTorch in double precision; PyTorch's own float32 shows how much of that is rounding",
                   CEILING, [Strip(label, worst[kind, label]) for kind, label in sorted(worst)])


def environment():
    """{what: its version} of all that the figures depend on."""
    return {"MindSpore": ms.__version__, "PyTorch": torch.__version__, "NumPy": np.__version__,
            "Python": platform.python_version(), "device": f"CPU, {platform.machine()}", "system": platform.system()}


def to_json(sections):
    """JSON text; an infinite difference, of another shape or not finite, is null."""
    def tensor(found):
        return {"name": found.name, "difference": found.relative if math.isfinite(found.relative) else None}

    listed = [{"title": section.title, "meaning": section.meaning, "budget": section.budget,
               "within": all(map(within(section), section.strips)),
               "strips": [{"label": strip.label, "tensors": [tensor(found) for found in strip.tensors]}
                          for strip in section.strips]} for section in sections]
    return json.dumps({"environment": environment(), "sections": listed}, indent=1) + "\n"


def to_html(sections):
    """The page."""
    cells = " ".join(f'<b style="color:{colour}">&#9632;</b> {share}' for share, colour in SHADES.items())
    rows = "".join(f"<tr><th>{html.escape(what)}<td>{html.escape(version)}" for what, version in environment().items())
    return PAGE.format(shades=cells, sections="\n".join(map(section_html, sections)), environment=rows)


def section_html(section):
    parts = [f"<h2>{section.title}</h2><p>{section.meaning[0].upper()}{section.meaning[1:]}. "
             f"Budget {section.budget:.0e}.</p>"]
    for strip in section.strips:
        worst = max(strip.tensors, key=lambda found: found.relative)
        verdict = "within" if within(section)(strip) else "<strong>above</strong>"
        cells = "".join(f'<i style="background:{shade(found.relative, section.budget)}" '
                        f'title="{html.escape(found.name)}: {found.relative:.1e}"></i>' for found in strip.tensors)
        parts.append(f"<p>{html.escape(strip.label)}: {len(strip.tensors)} tensors, {verdict} the budget, largest "
                     f'{worst.relative:.1e} at {html.escape(worst.name)}</p><div class="strip">{cells}</div>')
    return "\n".join(parts)


def within(section):
    """A function: whether all tensors of a strip are within the section's budget."""
    return lambda strip: all(found.relative <= section.budget for found in strip.tensors)


@entry_point
def main(argv=None):
    parser = program_parser("parity.report", __doc__)
    parser.add_argument("-o", "--output", default="build/parity", metavar="FOLDER", help="default: build/parity")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="VARIANT",
                        help=f"of: {', '.join(VARIANTS)} (default: all)")
    own = parser.parse_args(argv)
    folder = Path(own.output)
    config = Config()
    sections = [*measure(config, {label: VARIANTS[label] for label in own.only}), measure_steps(config)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("parity.json", to_json(sections)), ("parity.html", to_html(sections))):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"{folder / 'parity.html'}: written, and parity.json beside it")


if __name__ == "__main__":
    main()
