"""Make a trained checkpoint the weights that come with the project.

    python -m scripts.ship_weights CHECKPOINT --data_dir SET

SET is what data.mixed_set wrote: STEM_0 shows a validation photograph as it is, STEM_1 and on over other backgrounds.
The checkpoint is exported with --half and measured beside closed-form and KNN matting. Unless it beats closed-form in
SAD and MSE, over own backgrounds and over others, nothing is changed. Then it is converted for MindSpore and PyTorch,
exported as a MINDIR, and compared. matting/weights gets it with its terms, pages get the figures, between their marks,
of drawn objects of another seed, too, and docs/ the pictures.
"""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import quality
from matting import load
from matting.classical import Store
from matting.config import make_config, shipped, trained_with
from matting.errors import UserError, entry_point
from matting.files import atomic_path
from matting.programs.export import relative_difference
from matting.training.reporting import JOURNAL_NAME
from matting.usage import program_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/model_card.md", "docs/quality.md")
PICTURES = {"photograph/steps.png": "docs/photograph.png", "drawn/contact_sheet.png": "docs/quality.png"}
DRAWN = ("--kinds", "all", "--foregrounds", 95, "--backgrounds", 95, "--seed", 2)  # a fifth of them validates
GROUPS = {"own backgrounds": "*_0", "other backgrounds": "*_[!0]"}
END = "<!-- end -->"
BAR, BARRED = "closed_form", ("sad", "mse")  # what is to be beaten, in what, in each group
TERMS = """indexnet.onnx: weights of IndexNet matting, trained by this project on, among others, photographs that were
published for research. They may be used for research only; the project's licence covers its code, not these weights.
What they were trained on, and how good they are: docs/model_card.md of the project.
"""
NAME = shipped.SHIPPED.relative_to(ROOT).as_posix()
SIZES = ((320, 320), (96, 64))  # of the inputs on which conversions are compared
TOLERANCE = 1e-4  # of their outputs, over the maximum


def check_bar(results):
    """Raise UserError, saying where, unless the weights are below the bar in every figure of each group."""
    missed = []
    for words, pattern in GROUPS.items():
        ours, bar = (quality.means(quality.of_group(results, pattern), method, "adobe") for method in (NAME, BAR))
        missed += [f"{metric.upper()} {ours[metric]:.4g} over {words}, {BAR} {bar[metric]:.4g}"
                   for metric in BARRED if not ours[metric] < bar[metric]]
    if missed:
        raise UserError(f"{NAME}: not shipped, since it does not beat {BAR}: {'; '.join(missed)}")


def export_half(checkpoint, folder):
    """The checkpoint -> the .onnx of half the size, in the folder."""
    source = folder / f"{shipped.SHIPPED.stem}.pth"
    run("matting.convert", checkpoint, source)
    run("export.py", "--file_format", "ONNX", "--dynamic", "--half", "--device_target", "CPU", "--ckpt_url", source)
    return source.with_suffix(".onnx")


def convert(graph, folder):
    """The .onnx -> {kind of file: path} of what other runtimes take."""
    files = {kind: folder / f"converted{kind}" for kind in (".ckpt", ".pth")}
    for path in files.values():
        run("matting.convert", graph, path)
    run("export.py", "--dynamic", "--device_target", "CPU", "--ckpt_url", files[".ckpt"])
    return files | {".mindir": files[".ckpt"].with_suffix(".mindir")}


def compare(graph, files):
    """{kind: the relative difference of its output to the .onnx's}; raises UserError where one exceeds TOLERANCE."""
    reference = load(graph).predict
    found = {kind: float(relative_difference(reference, load(path).predict, SIZES)) for kind, path in files.items()}
    for kind, difference in found.items():
        if not difference <= TOLERANCE:
            raise UserError(f"{files[kind]}: differs from {graph} by {difference:.1e} of the maximum")
    return found


def training_facts(checkpoint):
    """The lines of a table: settings of the training, steps, hours; from the configuration and metrics.jsonl beside."""
    config = make_config(trained_with(checkpoint))
    journal = Path(checkpoint).parent / JOURNAL_NAME
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    best = min((record for record in records if "validation" in record), key=lambda row: row["validation"]["sad"])
    timed = [record for record in records if "step_ms" in record and record["step"] <= best["step"]]
    steps = np.diff([0, *(record["step"] for record in timed)])
    hours = sum(steps * [record["step_ms"] for record in timed]) / 3.6e6
    yield from ("| | |", "|---|---|")
    yield f"| steps, samples | {best['step']:,}, {best['step'] * config.batch_size:,} |"
    yield f"| time | {hours:.1f} hours of one CPU core, beside other work |"
    yield f"| crops, batch | {config.input_size}, {config.batch_size} |"
    encoder = config.learning_rate / config.backbone_lr_mult
    yield (f"| learning rate | {config.learning_rate:g}, the encoder's {encoder:g}; times {config.lr_decay:g} after "
           f"epochs {', '.join(map(str, config.milestones))} |")
    yield f"| moving average | {config.ema_decay:g} |"


def draw(folder):
    """A prepared set of drawn objects -> its data_dir; what lies in the folder from an earlier time is taken."""
    foregrounds = folder / "foregrounds"
    if not (foregrounds / "validation" / "data.txt").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        run("data.synthetic", "--out", folder, *DRAWN)
        run("data.process_dataset", "--data_dir", foregrounds, "--bg_dir", folder / "backgrounds", "--val_list",
            foregrounds / "validation.txt", "--num_bgs_train", 1, "--num_bgs_val", 1)
    return foregrounds


def measure(graph, data_dir, out, shown):
    """benchmarks.quality of the .onnx, which the table calls by its name in the project -> [Result]."""
    compared = quality.methods([graph], Store(out / "classical"))
    compared[NAME] = compared.pop(str(graph))
    return quality.compare(quality.find_composites(data_dir), compared, out, shown)


def tables(results, groups):
    """The lines of benchmarks.quality's tables, one for each group."""
    for words, pattern in groups.items():
        group = quality.of_group(results, pattern)
        count = len({result.image for result in group})
        yield from (f"{count} images over {words} (`{pattern}`):", "", *quality.table(group), "")


def fill(page, blocks):
    """Replace what stands between <!-- NAME --> and <!-- end --> in a page, for each {NAME: lines} that it has."""
    text = page.read_text(encoding="utf-8")
    for name, lines in blocks.items():
        block = "\n".join([f"<!-- {name} -->", *lines, END])
        text = re.sub(f"<!-- {name} -->\n.*?{END}", block.replace("\\", r"\\"), text, flags=re.DOTALL)
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def run(program, *arguments):
    """One of the project's programs, from the repository root; raises UserError where it fails."""
    command = [sys.executable, *([program] if program.endswith(".py") else ["-m", program]), *map(str, arguments)]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise UserError(f"{' '.join(command[1:])}: failed, see above; nothing is shipped")


@entry_point
def main(argv=None):
    parser = program_parser("scripts.ship_weights", __doc__)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="weights, config.yaml and metrics.jsonl "
                        "beside them")
    parser.add_argument("--data_dir", required=True, metavar="SET", help="with the validation set of data.mixed_set")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, default=Path("build/shipping"),
                        help="folder for all that is made (default: %(default)s)")
    arguments = parser.parse_args(argv)
    out = arguments.output.resolve()
    out.mkdir(parents=True, exist_ok=True)
    facts = list(training_facts(arguments.checkpoint))
    graph = export_half(arguments.checkpoint.resolve(), out)
    results = measure(graph, arguments.data_dir, out / "validation", shown=24)
    validation = list(tables(results, GROUPS))
    print("\n".join(validation))
    check_bar(results)
    of_drawn = measure(graph, draw(out / "drawn_set"), out / "drawn", shown=10)
    drawn = list(tables(of_drawn, {"backgrounds that training did not see": "*"}))
    print("\n".join(drawn))
    agreement = ["| file | difference to the `.onnx` over the maximum |", "|---|---|"]
    agreement += [f"| `{kind}` | {found:.1e} |" for kind, found in compare(graph, convert(graph, out)).items()]
    print("\n".join(agreement))
    shutil.copyfile(graph, shipped.SHIPPED)
    shipped.SHIPPED.with_suffix(".txt").write_text(TERMS, encoding="utf-8")
    run("scripts.photograph", "-o", out / "photograph")
    for page in PAGES:
        fill(ROOT / page, {"training": facts, "validation": validation, "drawn": drawn, "conversions": agreement})
    for made, shown in PICTURES.items():
        shutil.copyfile(out / made, ROOT / shown)
    print(f"{NAME}: {shipped.SHIPPED.stat().st_size:,} bytes, its terms beside it; figures in {', '.join(PAGES)}; "
          f"pictures: {', '.join(PICTURES.values())}")


if __name__ == "__main__":
    main()
