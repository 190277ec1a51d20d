"""What `make bench` reads out of the tables that it prints, and what it writes of its page."""
from benchmarks.__main__ import MARK, measured, plot, ratios, with_measured
from benchmarks.extent import read_extent
from benchmarks.soak import problems
from tests.pages import ROOT, commands, read

TABLES = """words | before

| | composites/s | ratio | bytes | ratio |
|---|---|---|---|---|
| transcription, 1 process | 0.30 | 1 | 3,000,000 | 1 |
| --num_workers 2 | 11.5 | 39.1 | 3,300,000 | 1.100 |

| kind | samples |
|---|---|
| none | 5.0 |

| protocol | mattes | ms | ratio |
|---|---|---|---|
| release | float32 | 80 | 9.5 |
"""


def test_ratios_are_read_from_tables_that_have_them():
    assert ratios(TABLES) == [("--num_workers 2", 39.1), ("release, float32", 9.5)]


def test_every_ratio_gets_a_bar():
    figure = plot({"preparation": [("--num_workers 2", 39.1)], "metrics": [("release, float32", 9.5)]})
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [9.5, 39.1]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["metrics: release, float32",
                                                                    "preparation: --num_workers 2"]


def readings(memory=(100,) * 12, descriptors=(40,) * 12):
    return [(500, mib, count, 3) for mib, count in zip(memory, descriptors, strict=True)]


def test_a_soak_without_growth_after_its_warm_up_passes():
    assert not list(problems(readings(memory=(60, 80, 90, 95) + (100, 101) * 4)))


def test_a_soak_names_what_leaks():
    assert list(problems(readings(memory=range(100, 148, 4)))) == ["memory grew from 122 to 138 MiB"]
    assert list(problems(readings(descriptors=range(40, 52)))) == ["descriptors grew from 46 to 50"]


def test_a_page_keeps_what_people_wrote():
    page = f"# Benchmarks\n\nby hand\n\n{MARK}\nas it was\n"
    assert with_measured(page, "\nanew\n") == f"# Benchmarks\n\nby hand\n\n{MARK}\nanew\n"
    assert read(ROOT / "docs/benchmarks.md").count(MARK) == 1


def test_each_table_stands_below_the_command_that_prints_it():
    written = measured({"metrics": "| a |\n", "halo": "| b |\n"}, "python -m benchmarks metrics halo")
    assert commands(written) == ["python -m benchmarks metrics halo", "python -m benchmarks.metrics",
                                 "python -m benchmarks.halo"]
    assert written.index("benchmarks.metrics\n") < written.index("| a |") < written.index("benchmarks.halo\n")


def test_quick_is_asked_for():
    assert read_extent("benchmarks.a", "Something.", "full", "quick", []) == "full"
    assert read_extent("benchmarks.a", "Something.", "full", "quick", ["--quick"]) == "quick"
