"""python -m matting.trimap: the trimap that would be used, on disk, never over a user's file."""
import cv2
import numpy as np
import pytest

from matting.images.reading import read_alpha
from matting.images.writing import write_png
from matting.programs.trimaps import main
from matting.trimap.band import Band, trimap_from_mask

MASK = np.zeros((60, 90), np.uint8)
cv2.circle(MASK, (45, 30), 20, 255, -1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_png("photo.png", np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
    write_png("mask.png", MASK)
    return tmp_path


def test_the_trimap_of_a_mask_is_written(folder):
    main(["photo.png", "--mask", "mask.png", "--band", "4"])
    np.testing.assert_array_equal(read_alpha("trimaps/photo.png"), trimap_from_mask(MASK, MASK.shape, Band(4, False)))


def test_what_was_written_can_be_given_back(folder):
    main(["photo.png", "--mask", "mask.png"])
    main(["photo.png", "trimaps/photo.png", "-o", "again", "--strict_trimap"])
    np.testing.assert_array_equal(read_alpha("trimaps/photo.png"), read_alpha("again/photo.png"))


def test_no_file_of_the_user_is_written_over(folder, capsys):
    before = (folder / "photo.png").read_bytes()
    with pytest.raises(SystemExit):
        main(["photo.png", "--mask", "mask.png", "-o", "."])
    assert "error: photo.png: would be written over; choose another folder with -o" in capsys.readouterr().err
    assert (folder / "photo.png").read_bytes() == before
