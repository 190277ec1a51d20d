"""The mirror: beside its counterpart in torch_ref, a file of ms_impl/src shows little but the frameworks' own words.

`pytest -s tests/test_mirror.py` prints how many lines differ. formulations.py holds what must differ.
"""
import difflib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIDES = (ROOT / "ms_impl" / "src", ROOT / "torch_ref")
# Lines that differ, of both sides together, beyond the frameworks' words: the most that a file may have.
LARGEST = {"dataset": 68, "utils": 103, "layers": 4, "model": 2, "dim": 6,
           "index_blocks": 0, "resampling": 0, "modules": 0, "losses": 0}
OWN = {"formulations", "__init__"}
WORDS = (  # MindSpore's, or either's, as a regular expression; one for both
    (r"^(from|import) (mindspore|torch)\b.*\n", ""),
    (r"\bms_impl\.src\.", "torch_ref."),
    (r"\bconstruct\b", "forward"),
    (r"\bnn\.CellList\b", "nn.ModuleList"),
    (r"\bnn\.SequentialCell\b", "nn.Sequential"),
    (r"\bnn\.Cell\b", "nn.Module"),
    (r"\bcells_and_names\b", "named_modules"),
    (r'\bpad_mode="pad", ', ""),
    (r"\bgroup=", "groups="),
    (r"\bhas_bias=", "bias="),
    (r"\bops\.concat\b", "torch.cat"),
    (r"\b(ops|F)\.", "torch."),
    (r"  # noqa: B905, graph mode has no strict$", ""),
    (r", strict=(True|False)\)", ")"),
    (r"\n\n+", "\n"),
)


def in_common_words(source):
    """A source with each framework's words replaced by one for both; without framework imports and empty lines."""
    for word, common in WORDS:
        source = re.sub(word, common, source, flags=re.MULTILINE)
    return source


def differing_lines(one, other):
    """Lines of two texts that the other lacks, each after the side that has it: "- ..." or "+ ..."."""
    return [line for line in difflib.ndiff(one.splitlines(), other.splitlines()) if line[0] in "-+"]


def sources(name):
    return [(folder / f"{name}.py").read_text(encoding="utf-8") for folder in SIDES]


@pytest.mark.parametrize("name", LARGEST)
def test_a_file_differs_from_its_mirror_by_no_more_than_it_did(name):
    texts = sources(name)
    different = differing_lines(*map(in_common_words, texts))
    print(f"\n{name}: {len(differing_lines(*texts))} lines differ, {len(different)} but for the frameworks' words")
    assert len(different) <= LARGEST[name], "\n".join(different)


def test_every_file_has_its_mirror_and_its_largest_difference():
    assert {path.stem for path in SIDES[0].glob("*.py")} - OWN == set(LARGEST)


@pytest.mark.parametrize(("one", "other", "count"), [
    ("class A(nn.Cell):\n    x = ops.concat((a, b), 1)", "class A(nn.Module):\n\n    x = torch.cat((a, b), 1)", 0),
    ("from mindspore import nn, ops\nx = 1", "import torch\nfrom torch.nn import functional as F\nx = 1", 0),
    ("x = ops.relu6(x)", "x = F.relu(x)", 2),
    ("momentum=0.9", "momentum=0.1", 2),
    ("x = 1\ny = 2", "x = 1", 1),
    ("x = 1\ny = 2", "y = 2\nx = 1", 2),
])
def test_words_are_passed_over_and_everything_else_is_counted(one, other, count):
    assert len(differing_lines(in_common_words(one), in_common_words(other))) == count
