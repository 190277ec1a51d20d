"""Edits that pages show are made where they belong, and nowhere else."""
import pytest

from tests.edits import make_edits

SHOWN = """--- a.py
-first = 1
+first = 2
@@
 third = 3

+fourth = 4
@@
+last = 5
--- b/new.py
+only = 1
"""


def test_lines_go_come_and_stay(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.py").write_text("first = 1\nsecond = 2\nthird = 3\n\n")
    make_edits(tmp_path, SHOWN)
    assert (tmp_path / "a.py").read_text() == "first = 2\nsecond = 2\nthird = 3\n\nfourth = 4\nlast = 5\n"
    assert (tmp_path / "b/new.py").read_text() == "only = 1\n"


@pytest.mark.parametrize("source", ["first = 3\n", "first = 1\nfirst = 1\n"])
def test_what_is_not_there_once_is_named(tmp_path, source):
    (tmp_path / "a.py").write_text(source)
    with pytest.raises(AssertionError, match="^a.py holds [02] times\nfirst = 1"):
        make_edits(tmp_path, SHOWN)
