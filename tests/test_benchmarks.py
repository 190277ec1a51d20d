"""What `make bench` reads out of the tables that it prints."""
from benchmarks.__main__ import plot, ratios
from benchmarks.soak import problems

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
