"""data.txt: what it says is read back, what is wrong with it is said in one line."""
import dataclasses

import numpy as np
import pytest

from matting.dataset.data_list import SEPARATOR, TrainRow, ValidationRow, read_rows
from matting.dataset.sample import Sample
from matting.errors import UserError


def test_documented_lines_are_read(tmp_path):
    data_txt = tmp_path / "data.txt"
    data_txt.write_text("train/merged/o_1_0.png|train/mask/o_1.png|train/original/o_1.jpg|COCO 9.jpg\n"
                        "train/merged/o_1_1.png|train/mask/o_1.png|train/original/o_1.jpg|COCO_é.jpg\r\n")
    first, second = read_rows(data_txt, TrainRow)
    assert first == ("train/merged/o_1_0.png", "train/mask/o_1.png", "train/original/o_1.jpg", "COCO 9.jpg")
    assert (second.merged, second.background) == ("train/merged/o_1_1.png", "COCO_é.jpg")


def test_a_row_is_written_as_it_is_read(tmp_path):
    row = ValidationRow("validation/merged/o_1_0.png", "validation/mask/o_1.png", "validation/trimap/o_1.png")
    (tmp_path / "data.txt").write_text(SEPARATOR.join(row))
    assert read_rows(tmp_path / "data.txt", ValidationRow) == [row]


@pytest.mark.parametrize("line", ["a|b|c", "a|b|c|d|e", "a||c|d", "a|b|c|", "", "a b c d"])
def test_a_malformed_line_is_named(tmp_path, line):
    data_txt = tmp_path / "data.txt"
    data_txt.write_text(f"a|b|c|d\n{line}\na|b|c|d\n")
    with pytest.raises(UserError, match=r"data.txt, line 2: .* is not of the form merged\|mask\|original\|background"):
        read_rows(data_txt, TrainRow)


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"", "is empty"), (b"\xff|", "not UTF-8")])
def test_an_unusable_file_is_named(tmp_path, content, message):
    data_txt = tmp_path / "data.txt"
    if content is not None:
        data_txt.write_bytes(content)
    with pytest.raises(UserError, match=f"data.txt: .*{message}"):
        read_rows(data_txt, TrainRow)


def test_a_sample_cannot_be_changed():
    sample = Sample(*(np.zeros((2, 2)) for _ in dataclasses.fields(Sample)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.alpha = np.ones((2, 2))
