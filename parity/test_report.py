"""The report shows what was measured, and says what is above its budget."""
import json
import re

import numpy as np
import pytest

import parity.picture
import parity.report
from matting.images.reading import read_image
from parity.compare import Difference
from parity.networks import SMALL
from parity.picture import END, LABEL, SHADES, STRIP, shade
from parity.report import Section, Strip, measure, measure_steps, to_html, to_json

SECTIONS = [Section("Evaluation", "all of it", 1e-5, [
    Strip("good", [Difference("stem", 2e-6, 1.0), Difference("head<1>", 3e-6, 1.0)]),
    Strip("bad", [Difference("stem", 4e-5, 1.0), Difference("head", np.inf, np.nan)])])]


def test_the_page_names_the_largest_difference_and_says_which_network_is_above_the_budget():
    page = to_html(SECTIONS)
    assert "good: 2 tensors, within the budget, largest 3.0e-06 at head&lt;1&gt;" in page
    assert "bad: 2 tensors, <strong>above</strong> the budget, largest inf at head" in page
    assert 'title="stem: 4.0e-05"' in page
    assert not re.search(r"(src|href)=|url\(|@import", page)  # nothing but itself


def test_the_json_has_the_same_figures():
    section, = json.loads(to_json(SECTIONS))["sections"]
    assert section["within"] is False and section["budget"] == 1e-5
    assert section["strips"][0]["tensors"][1] == {"name": "head<1>", "difference": 3e-6}
    assert section["strips"][1]["tensors"][1]["difference"] is None


@pytest.mark.parametrize("relative, position", [(0, 0), (1e-12, 0), (1e-9, 0), (2e-9, 1), (2e-8, 2), (2e-7, 3),
                                                (2e-6, 4), (1e-5, 4), (1.1e-5, 5), (np.inf, 5), (np.nan, 5)])
def test_shades_count_factors_of_ten_below_the_budget(relative, position):
    assert shade(relative, 1e-5) == [*SHADES.values()][position]


def test_training_steps_show_mindspore_and_rounding_beside_double_precision(config, monkeypatch):
    errors = {"mindspore": 3e-6, "torch": 1e-6, "float64": 0}

    def train(side, config, steps):
        assert config.milestones  # the learning rate falls inside the window
        return {step: {"losses": np.ones(step), "a.weight": np.full(2, 1 + step * errors[side])} for step in steps}

    monkeypatch.setattr(parity.report, "train", train)
    section = measure_steps(config)
    assert [strip.label for strip in section.strips] == [
        "losses, MindSpore", "losses, PyTorch itself", "weights, MindSpore", "weights, PyTorch itself"]
    found = section.strips[2].tensors[-1]
    assert found.name == "a.weight after step 20" and found.relative == pytest.approx(6e-5)
    assert section.strips[3].tensors[-1].relative == pytest.approx(2e-5)


def test_the_picture_has_a_row_for_each_network_in_its_colours(tmp_path):
    (tmp_path / "parity.json").write_text(to_json(SECTIONS))
    parity.picture.main([str(tmp_path / "parity.json"), str(tmp_path / "parity.png")])
    pixels = read_image(tmp_path / "parity.png")
    cells = [int(part * pixels.shape[1] / END) for part in ((3 * LABEL + STRIP) / 4, (LABEL + 3 * STRIP) / 4)]
    colours = {tuple(pixels[y, x]) for x in cells for y in range(pixels.shape[0])}
    for found in (2e-6, 3e-6, 4e-5, np.inf):
        assert tuple(int(shade(found, 1e-5)[i:i + 2], 16) for i in (1, 3, 5)) in colours


def test_what_is_no_report_is_named_in_one_line(tmp_path, capsys):
    (tmp_path / "parity.json").write_text("{")
    with pytest.raises(SystemExit):
        parity.picture.main([str(tmp_path / "parity.json"), str(tmp_path / "parity.png")])
    assert "parity.json: is not a report; write one with" in capsys.readouterr().err


def test_a_measured_network_is_within_every_budget(config, pynative):
    sections = measure(config, {"small": SMALL})
    assert [section.title for section in sections] == ["Evaluation", "Training", "Running statistics", "Gradients"]
    for section in sections:
        for strip in section.strips:
            assert strip.tensors
            assert all(found.relative <= section.budget for found in strip.tensors), section.title
