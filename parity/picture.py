"""Draw the report's figures as one picture: python -m parity.picture build/parity/parity.json docs/parity.png."""
import json
import math
from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from matting.errors import UserError, entry_point
from matting.files import atomic_path
from matting.usage import program_parser

SHADES = {  # up to which share of the budget a difference has which colour
    "1/10000 of the budget or less": "#1a7f4e", "to 1/1000": "#57ab5a", "to 1/100": "#a3c76d", "to 1/10": "#dfe07a",
    "to the budget": "#f2b84b", "above it": "#b00020",
}
LABEL, STRIP, END = 2.6, 8.2, 13  # inches: where labels end, where strips end, where the picture does
ROW, HEADING, TOP, LEGEND, FOOT = 0.26, 0.72, 1.0, 0.5, 0.5  # inches of height


def shade(relative, budget):
    """A difference -> its colour: one for each factor of ten below the budget."""
    colours = [*SHADES.values()]
    if not relative <= budget:
        return colours[-1]
    decades = math.ceil(math.log10(relative / budget)) if relative else -math.inf
    return colours[int(max(0, decades + 4))]


def draw(report, path):
    """The parsed parity.json -> a PNG: a strip of coloured cells for each network, a cell for each tensor."""
    rows = sum(len(section["strips"]) for section in report["sections"])
    height = TOP + LEGEND + HEADING * len(report["sections"]) + ROW * rows + FOOT
    figure = Figure(figsize=(END, height), dpi=110, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, END), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(0.2, 0.3, "How far MindSpore is from PyTorch", fontsize=15, weight="bold", va="center")
    axes.text(0.2, 0.6, "Same weights, same input into both. One cell is one tensor, from the network's input (left) "
              "to its output (right): largest difference over largest value.", fontsize=9.5, va="center")
    axes.text(0.2, 0.85, "The budget is what a test allows of it. Rounding to float32 alone makes about 1e-6; the "
              "mildest bug that the tests plant makes 1e-3.", fontsize=9.5, va="center")
    draw_legend(axes, TOP + LEGEND / 2)
    y = TOP + LEGEND
    for section in report["sections"]:
        axes.text(0.2, y + 0.3, f"{section['title']}: budget {section['budget']:.0e}", fontsize=11.5, weight="bold",
                  va="center")
        axes.text(0.2, y + 0.54, sentence(section["meaning"]), fontsize=8.5, color="#555555", va="center")
        y += HEADING
        for strip in section["strips"]:
            draw_strip(axes, y, strip, section["budget"])
            y += ROW
    axes.text(0.2, y + FOOT / 2, ", ".join(f"{what} {version}" for what, version in report["environment"].items()),
              fontsize=8.5, color="#555555", va="center")
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def draw_legend(axes, y):
    """What each colour means, along one line."""
    x = 0.2
    for share, colour in SHADES.items():
        axes.text(x, y, "\N{BLACK SQUARE}", fontsize=14, color=colour, va="center")
        axes.text(x + 0.22, y, share, fontsize=9, va="center")
        x += 0.6 + 0.08 * len(share)


def draw_strip(axes, y, strip, budget):
    """One network's label, its cells, and where its largest difference is."""
    found = [(math.inf if tensor["difference"] is None else tensor["difference"], tensor["name"])
             for tensor in strip["tensors"]]
    cells = [[to_rgb(shade(difference, budget)) for difference, _ in found]]
    axes.imshow(cells, extent=(LABEL, STRIP, y + ROW - 0.04, y), aspect="auto", interpolation="nearest")
    axes.text(LABEL - 0.1, y + ROW / 2, strip["label"], fontsize=9, ha="right", va="center")
    largest, name = max(found, key=lambda pair: pair[0])
    axes.text(STRIP + 0.1, y + ROW / 2, f"at most {largest:.1e}  {name}", fontsize=8, va="center")


def sentence(text):
    return text[0].upper() + text[1:]


@entry_point
def main(argv=None):
    parser = program_parser("parity.picture", __doc__)
    parser.add_argument("report", metavar="JSON", help="parity.json, as parity.report writes it")
    parser.add_argument("picture", metavar="PNG")
    arguments = parser.parse_args(argv)
    try:
        report = json.loads(Path(arguments.report).read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{arguments.report}: is not a report; write one with python -m parity.report") from None
    draw(report, arguments.picture)
    print(f"{arguments.picture}: drawn")


if __name__ == "__main__":
    main()
