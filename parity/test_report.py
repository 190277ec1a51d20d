"""The report shows what was measured, and says what is above its budget."""
import json
import re

import numpy as np
import pytest

from parity.compare import Difference
from parity.report import SHADES, Section, Strip, measure, shade, to_html, to_json

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


@pytest.mark.parametrize("relative, position", [(0, 0), (1e-12, 0), (2e-9, 0), (2e-8, 1), (2e-7, 2), (2e-6, 3),
                                                (1e-5, 4), (1.1e-5, 5), (np.inf, 5), (np.nan, 5)])
def test_shades_count_factors_of_ten_below_the_budget(relative, position):
    assert shade(relative, 1e-5) == SHADES[position]


def test_a_measured_network_is_within_every_budget(config, pynative):
    sections = measure(config, {"default": {}})
    assert [section.title for section in sections] == ["Evaluation", "Training", "Running statistics", "Gradients"]
    for section in sections:
        for strip in section.strips:
            assert strip.tensors
            assert all(found.relative <= section.budget for found in strip.tensors), section.title
