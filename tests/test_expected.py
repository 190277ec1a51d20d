"""Expected numbers as data: every published file has its row, and verdicts are those worked out by hand."""
import fnmatch
import json
import re
from pathlib import Path

import pytest

from matting.config import RESOLVED_NAME
from matting.dataset.aim500 import VALIDATION_STEMS
from matting.dataset.composites import ValidationComposite
from matting.dataset.layouts import LAYOUTS
from matting.errors import UserError
from matting.metrics import METRICS, PROTOCOLS
from matting.programs import evaluation
from matting.programs.evaluation import ImageResult
from matting.programs.expected import AT_MOST, TRAININGS, data_set_of, half_digit, judge, read_table
from matting.weights.published import PUBLISHED
from tests.pages import ROOT, commands, read
from tests.test_evaluation import config_for

INDEXNET = "indexnet_matting.pth.tar"  # published as 45.8, 0.013, 25.9, 43.7
PUBLISHED_ROWS = [row for row in read_table() if row.checkpoint not in TRAININGS.values()]


def composition_1k(count=1000):
    return [ValidationComposite(f"a_{k}", Path("a.png"), Path("b.png"), Path("c.png")) for k in range(count)]


def config_of(tmp_path, **changes):
    return config_for(tmp_path, **{"ckpt_url": f"weights/{INDEXNET}", "layout": "composition_1k", "img_size": "own",
                                   "metric_protocol": "adobe", **changes})


def means(sad=45.8, mse=0.013, grad=25.9, conn=43.7):
    return {"sad": sad, "mse": mse, "grad": grad, "conn": conn}


def verdicts(tmp_path, values, count=1000, **changes):
    return [row["verdict"] for row in judge(config_of(tmp_path, **changes), composition_1k(count), values)]


def test_verdicts_by_hand(tmp_path):
    """2 % of 45.8 and half a digit: 45.8 -+ (0.916 + 0.05); of 0.013: -+ (0.00026 + 0.0005)."""
    assert verdicts(tmp_path, means()) == ["in range"]
    assert verdicts(tmp_path, means(sad=46.76, mse=0.01375)) == ["in range"]
    assert verdicts(tmp_path, means(sad=44.84, mse=0.01225)) == ["in range"]
    for values in (means(sad=46.77), means(sad=44.83), means(mse=0.01377), means(grad=26.6), means(conn=42.7)):
        assert verdicts(tmp_path, values) == ["out of range"]


def test_the_other_word_for_up_is_compared_too(tmp_path):
    assert verdicts(tmp_path, means(), fit="resize") == ["in range"]


def test_half_of_the_last_digit():
    assert [half_digit(text) for text in ("45.8", "0.013", "54.42", "46")] == pytest.approx([0.05, 0.0005, 0.005, 0.5])


def test_a_figure_that_was_not_published_is_not_judged(tmp_path):
    row, = judge(config_of(tmp_path, ckpt_url="my_stage0_sad_72.9.pth", fit="down_linear"), composition_1k(),
                 means(sad=72, mse=9))
    assert row["verdict"] == "in range" and row["mse"] == ""


@pytest.mark.parametrize("changes", [{"metric_protocol": "release"}, {"img_size": [1080, 1620]}, {"fit": "pad"}])
def test_other_conditions_are_not_compared_and_named(tmp_path, changes):
    verdict, = verdicts(tmp_path, means(), **changes)
    assert verdict == "not compared, which takes --metric_protocol adobe --img_size own --fit up"


@pytest.mark.parametrize(("count", "changes"), [
    (999, {}), (1000, {"layout": "folders"}), (1000, {"ckpt_url": "other.pth"})])
def test_another_checkpoint_and_another_data_set_have_no_row(tmp_path, count, changes):
    assert verdicts(tmp_path, means(), count, **changes) == []


def test_published_measured_and_verdict_are_printed_and_reported(tmp_path):
    results = [ImageResult("a_0", 45.9, 0.0131, 25.7, 43.7, 1.0, means())]
    config = config_of(tmp_path)
    lines = list(evaluation._summary(results, evaluation.mean_metrics(results), config, composition_1k()))
    assert ("measured SAD 45.900  MSE 0.01310  Grad 25.700  Conn 43.700; published (within 2 %), "
            f"{INDEXNET}: SAD 45.800  MSE 0.01300  Grad 25.900  Conn 43.700: in range") in lines
    evaluation._write_json(tmp_path / "metrics.json", results, means(), config, {},
                           judge(config, composition_1k(), means()))
    written, = json.loads((tmp_path / "metrics.json").read_text())["expected"]
    assert written["verdict"] == "in range" and written["sad"] == "45.8" and written["measured"] == means()


@pytest.mark.parametrize(("line", "expected"), [("is_distributed: True", ["trained on 8 GPUs"]),
                                                ("is_distributed: False", ["trained on 1 GPU"]),
                                                ("epochs: 30", [*TRAININGS.values()])])
def test_how_it_was_trained_is_read_beside_the_checkpoint(tmp_path, line, expected):
    (tmp_path / RESOLVED_NAME).write_text(line)
    config = config_for(tmp_path, ckpt_url=str(tmp_path / "best.ckpt"), img_size=[1080, 1620])
    aim500 = [ValidationComposite(stem, Path(f"{stem}.png"), None, None) for stem in VALIDATION_STEMS]
    assert [row["checkpoint"] for row in judge(config, aim500, means())] == expected


# --- the table ----------------------------------------------------------------


def test_every_published_file_has_a_row_of_its_own_fit():
    for pattern, fit in ((pattern, row.settings["fit"]) for row in PUBLISHED.values() for pattern in row.files):
        fits = {row.fit for row in PUBLISHED_ROWS if fnmatch.fnmatchcase(row.checkpoint, pattern)}
        assert fits == {fit}, pattern


def test_rows_are_well_formed():
    for row in read_table():
        assert row.protocol in PROTOCOLS and row.figures and row.source
        assert row.tolerance == AT_MOST or re.fullmatch(r"\d+ %", row.tolerance)
        assert all(low < figure <= high for figure, (low, high) in zip(row.figures.values(), row.limits.values(),
                                                                       strict=True))
    assert "composition_1k" in LAYOUTS
    assert len({row.checkpoint for row in read_table()}) == len(read_table())


def test_the_page_of_weights_says_the_same():
    lines = [[cell.strip() for cell in line.split("|")[2:-1]] for line in
             read(ROOT / "docs" / "weights.md").splitlines() if line.count("|") == 8]
    shown = {cells[0].strip("`"): tuple(cells[2:]) for cells in lines if cells[0].startswith("`")}
    assert shown == {row.checkpoint: tuple(getattr(row, name) for name in METRICS) for row in PUBLISHED_ROWS}


def test_the_page_of_evaluation_gives_each_row_its_command():
    typed = commands(read(ROOT / "docs" / "evaluation.md"))
    for row in PUBLISHED_ROWS:
        wanted = (f"--ckpt_url {row.checkpoint} --data_dir {row.data_set} --img_size {row.img_size} "
                  f"--metric_protocol {row.protocol}")
        assert sum(wanted in command for command in typed) == 1, row.checkpoint
    assert sum("--ckpt_url CKPT --data_dir AIM-500 --logs_dir" in command for command in typed) == 1


def test_other_data_is_none_of_the_known(tmp_path):
    assert data_set_of(config_for(tmp_path), composition_1k(1)) is None


def test_a_damaged_config_beside_the_checkpoint_is_named(tmp_path):
    (tmp_path / RESOLVED_NAME).write_text("is_distributed: [")
    config = config_for(tmp_path, ckpt_url=str(tmp_path / "best.ckpt"), img_size=[1080, 1620])
    aim500 = [ValidationComposite(stem, Path(f"{stem}.png"), None, None) for stem in VALIDATION_STEMS]
    with pytest.raises(UserError, match="not a YAML file"):
        judge(config, aim500, means())
