"""Public data sets as they are downloaded, drawn in small: which files are evaluated, and each fault one line."""
import logging
import shutil

import numpy as np
import pytest

from matting.config import Config
from matting.config.settings import CHOICES
from matting.dataset.aim500 import VALIDATION_STEMS
from matting.dataset.composites import MANIFEST
from matting.dataset.layouts import AUTO, LAYOUTS, PREPARED, find_layout
from matting.errors import UserError
from matting.images.writing import write_png
from matting.programs.evaluation import evaluate_folder, evaluation_composites, validate
from matting.programs.expected import data_set_of
from tests.damage import shrink, truncate
from tests.test_evaluation import half, red_channel
from tests.tiny_images import LANDSCAPE, write_row

FOLDERS = {  # layout: folders of images, true mattes, trimaps
    "folders": ("original", "mask", "trimap"),
    "composition_1k": ("Test_set/merged", "Test_set/Adobe-licensed images/alpha",
                       "Test_set/Adobe-licensed images/trimaps"),
    "alphamatting": ("input_training_lowres", "gt_training_lowres", "trimap_training_lowres/Trimap1"),
    "alphamatting_trimap2": ("input_training_lowres", "gt_training_lowres", "trimap_training_lowres/Trimap2"),
}
NAMES = {"composition_1k": (("a_0", "a", "a_0"), ("a_1", "a", "a_1"), ("b_0", "b", "b_0"))}  # else the same in all
PLAIN = (("a", "a", "a"), ("b", "b", "b"))


def draw(root, layout):
    """A set of that layout, whose images' red channel is their alpha."""
    for k, names in enumerate(NAMES.get(layout, PLAIN)):
        row = write_row(root / "drawn", "x", LANDSCAPE, k)
        for drawn, folder, name in zip(row, FOLDERS[layout], names, strict=True):
            (root / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "drawn" / drawn, root / folder / f"{name}.png")
    shutil.rmtree(root / "drawn")


def config_of(root, **changes):
    return Config(**{"data_dir": str(root), "img_size": [64, 96], "ckpt_url": "none.ckpt", **changes})


@pytest.mark.parametrize("layout", FOLDERS)
def test_each_layout_is_guessed_said_and_evaluated(tmp_path, caplog, layout):
    draw(tmp_path, layout)
    config = config_of(tmp_path)
    with caplog.at_level(logging.INFO):
        composites = evaluation_composites(config)
    assert f"--layout {layout})" in caplog.text and FOLDERS[layout][2] in caplog.text
    assert [files.name for files in composites] == [names[0] for names in NAMES.get(layout, PLAIN)]
    assert all(files.mask.parent == tmp_path / FOLDERS[layout][1] for files in composites)
    perfect, trivial = (validate(predict, composites, config) for predict in (red_channel, half))
    assert perfect["sad"] < 0.02 * trivial["sad"]
    assert evaluation_composites(config_of(tmp_path, layout=layout)) == composites


def test_both_trimaps_can_be_chosen(tmp_path):
    draw(tmp_path, "alphamatting")
    draw(tmp_path, "alphamatting_trimap2")
    assert find_layout(config_of(tmp_path)) == "alphamatting"
    chosen = evaluation_composites(config_of(tmp_path, layout="alphamatting_trimap2"))
    assert {files.trimap.parent.name for files in chosen} == {"Trimap2"}


def test_p3m_and_am_2k_name_their_folders_otherwise(tmp_path):
    draw(tmp_path, "folders")
    (tmp_path / "original").rename(tmp_path / "blurred_image")
    (tmp_path / "mask").rename(tmp_path / "alpha")
    assert evaluation_composites(config_of(tmp_path))[0].merged == tmp_path / "blurred_image" / "a.png"


@pytest.mark.parametrize("place", ["validation", "validation/P3M-500-P"])
def test_a_folder_that_holds_the_data_set_names_it(tmp_path, place):
    """As AM-2k and P3M-10k are downloaded; what was prepared is not taken for one."""
    draw(tmp_path / place, "folders")
    with pytest.raises(UserError, match=f"holds a data set in a folder of it; pass --data_dir {tmp_path / place}$"):
        evaluation_composites(config_of(tmp_path))
    (tmp_path / MANIFEST).touch()
    with pytest.raises(UserError, match="data.txt: no such file; prepare the data"):
        evaluation_composites(config_of(tmp_path))


@pytest.mark.parametrize("layout", ["auto", "composition_1k"])
def test_composition_1k_without_its_images_says_how_to_compose_them(tmp_path, layout):
    draw(tmp_path, "composition_1k")
    shutil.rmtree(tmp_path / FOLDERS["composition_1k"][IMAGE])
    with pytest.raises(UserError, match="no folder Test_set/merged, .*compose the test set with python -m data.comp"):
        evaluation_composites(config_of(tmp_path, layout=layout))


def test_missing_backgrounds_name_the_other_way(tmp_path):
    """A checkpoint brings composition: online, where its user may want the photographs as they are."""
    draw(tmp_path, "folders")
    config = config_of(tmp_path, composition="online", bg_dir=str(tmp_path / "none"))
    with pytest.raises(UserError, match="none: no such folder; name .* with --bg_dir, or read .* --layout folders$"):
        evaluation_composites(config)


@pytest.mark.parametrize("changes", [{"composition": "online"}, {"layout": "prepared"}])
def test_what_is_to_be_composed_or_prepared_is_not_read_as_it_is(tmp_path, changes):
    draw(tmp_path, "folders")
    assert find_layout(config_of(tmp_path, **changes)) == "prepared"


def test_a_prepared_set_stays_one(tmp_path):
    draw(tmp_path, "folders")
    (tmp_path / "validation").mkdir()
    (tmp_path / "validation" / "data.txt").write_text("")
    assert find_layout(config_of(tmp_path)) == "prepared"


def test_val_list_chooses_and_aim_500_has_one(tmp_path, caplog):
    draw(tmp_path, "folders")
    (tmp_path / "list.txt").write_text("b")
    chosen = evaluation_composites(config_of(tmp_path, val_list=str(tmp_path / "list.txt")))
    assert [files.name for files in chosen] == ["b"]
    for stem in VALIDATION_STEMS:
        for folder in FOLDERS["folders"]:
            (tmp_path / folder / f"{stem}.png").symlink_to(tmp_path / folder / "a.png")
    with caplog.at_level(logging.INFO):
        chosen = evaluation_composites(config_of(tmp_path))
    assert {files.name for files in chosen} == set(VALIDATION_STEMS) and "50 of 52 images" in caplog.text


def test_composites_expectations_are_not_told_of_the_photographs(tmp_path):
    draw(tmp_path, "folders")
    for stem in VALIDATION_STEMS:
        for folder in FOLDERS["folders"]:
            (tmp_path / folder / f"{stem}.png").symlink_to(tmp_path / folder / "a.png")
    config = config_of(tmp_path, img_size=[1080, 1620])
    assert data_set_of(config, evaluation_composites(config)) is None


# --- faults -------------------------------------------------------------------

IMAGE, MASK, TRIMAP = range(3)  # of FOLDERS


def first(folder):
    return min(folder.iterdir())


def surplus(folder):
    shutil.copy(first(folder), folder / "z.png")


def missing(folder):
    for path in [*folder.glob("a.*"), *folder.glob("a_0.*")]:
        path.unlink()


def changed(change):
    return lambda folder: change(first(folder))


def fill(value):
    return changed(lambda path: write_png(path, np.full(LANDSCAPE, value, np.uint8)))


FAULTS = {  # what is wrong: (which folder, what is done to it, the line)
    "no image": (IMAGE, missing, "has no a|a_0"),
    "no true matte": (MASK, missing, "has no a"),
    "no trimap": (TRIMAP, missing, "has no a"),
    "a surplus image": (IMAGE, surplus, "has no z, which .* has; add what is missing, or move out"),
    "a surplus true matte": (MASK, surplus, "has no z, which .* has"),
    "a surplus trimap": (TRIMAP, surplus, "has no z, which .* has"),
    "no folder of images": (IMAGE, shutil.rmtree, "has no folder .*, which --layout"),
    "no folder of true mattes": (MASK, shutil.rmtree, "has no folder .*, which --layout"),
    "no folder of trimaps": (TRIMAP, shutil.rmtree, "has no folder .*, which --layout"),
    "an image of another size": (IMAGE, changed(shrink), "is 60x40, but .* is 40x36"),
    "a true matte of another size": (MASK, changed(shrink), "is 40x36, but .* is 60x40"),
    "a damaged image": (IMAGE, changed(truncate), "cannot be read as an image"),
    "a damaged true matte": (MASK, changed(truncate), "cannot be read as an image"),
    "a trimap of other values": (TRIMAP, fill(127), "has the values 127; a trimap holds"),
    "a trimap without unknown pixels": (TRIMAP, fill(255), r"has no unknown pixel \(128\)"),
}


@pytest.mark.parametrize("layout", FOLDERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_each_layout_is_one_line(tmp_path, layout, fault):
    draw(tmp_path, layout)
    place, damage, line = FAULTS[fault]
    damage(tmp_path / FOLDERS[layout][place])
    config = config_of(tmp_path, layout=layout)
    with pytest.raises(UserError, match=line) as caught:
        evaluate_folder(half, config, evaluation_composites(config), tmp_path / "logs", {})
    assert "\n" not in str(caught.value)


def test_every_layout_is_a_word_of_the_key():
    assert {*LAYOUTS, AUTO, PREPARED} == set(CHOICES["layout"]) and set(FOLDERS) == set(LAYOUTS)
