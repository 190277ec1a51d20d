"""Every benchmark in turn, into docs/benchmarks.md and docs/benchmarks.png: `python -m benchmarks`, or `make bench`.

Of the page, only what stands below MARK is written anew.
"""
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.extent import add_quick
from matting.files import atomic_path
from matting.usage import program_parser

MODULES = ("network", "metrics", "preparation", "loading", "halo")
LIBRARIES = ("mindspore", "torch", "numpy", "opencv-python-headless", "scikit-image")
RATIO = "ratio"  # the column of a table that the plot shows: times as fast as the transcription beside it
ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- make bench writes what follows -->\n"
PLOT = "![times as fast as a transcription](benchmarks.png)"


def main(argv=None):
    parser = program_parser("benchmarks", __doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE", help=f"of: {', '.join(MODULES)}")
    parser.add_argument("--folder", type=Path, help="default: docs, or with --quick build/benchmarks")
    add_quick(parser)
    arguments = parser.parse_args(argv)
    unknown = set(arguments.modules) - set(MODULES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(MODULES)}")
    folder = arguments.folder or ROOT / ("build/benchmarks" if arguments.quick else "docs")
    sections = {module: run(module, *["--quick"][:arguments.quick]) for module in arguments.modules}
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "benchmarks.md"
    text = with_measured(page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n\n",
                         measured(sections, f"python -m benchmarks {' '.join(arguments.modules)}"))
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    with atomic_path(folder / "benchmarks.png") as temporary:
        plot({module: ratios(output) for module, output in sections.items()}).savefig(temporary, dpi=110)


def with_measured(page, text):
    """A page with `text` in place of what follows MARK."""
    return page.partition(MARK)[0] + MARK + text


def measured(sections, command):
    """{benchmark: what it printed} -> Markdown, each under the command that prints it."""
    parts = [f"\n## As measured\n\n```\n{command}\n```\n\nOn {machine()}.\n\n{PLOT}\n",
             *(f"### {module}\n\n```\npython -m benchmarks.{module}\n```\n\n{output}"
               for module, output in sections.items())]
    return "\n".join(parts)


def run(module, *flags):
    """What a benchmark prints, which is also shown."""
    print(f"\n## {module}\n", flush=True)
    lines = []
    command = [sys.executable, "-m", f"benchmarks.{module}", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        sys.exit(f"benchmarks.{module} ended with status {process.returncode}; nothing was written")
    return "".join(lines)


def machine():
    """The processor, its cores, and the versions of what was timed."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    versions = ", ".join(f"{library} {importlib.metadata.version(library)}" for library in LIBRARIES)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores; {versions}"


def ratios(markdown):
    """Tables with a ratio column -> [(what the row's other words say, ratio)], the baselines' own 1 left out."""
    found, position = [], None
    for line in markdown.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            position = None
        elif RATIO in cells:
            position = cells.index(RATIO)
        elif position is not None and is_number(cells[position]) and float(cells[position]) != 1:
            words = ", ".join(cell for cell in cells if not is_number(cell.replace(",", "")))
            found.append((words, float(cells[position])))
    return found


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def plot(sections):
    """{section: [(label, ratio)]} -> a figure of bars, on a logarithmic axis."""
    bars = [(section, label, ratio) for section, rows in sections.items() for label, ratio in rows]
    figure = Figure(figsize=(9, 1.2 + 0.36 * len(bars)), layout="constrained")
    axes = figure.subplots()
    colours = {section: f"C{number}" for number, section in enumerate(sections)}
    for height, (section, _, ratio) in enumerate(reversed(bars)):
        axes.barh(height, ratio, color=colours[section])
        axes.text(ratio, height, f" {ratio:.1f}", va="center")
    axes.set_yticks(range(len(bars)), [f"{section}: {label}" for section, label, _ in reversed(bars)])
    axes.set_xscale("log")
    axes.set_xlim(1, 2 * max(ratio for _, _, ratio in bars))
    axes.xaxis.set_major_formatter("{x:g}")
    figure.supxlabel("times as fast as a straightforward transcription of the documented procedure", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
