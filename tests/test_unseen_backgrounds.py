"""What is evaluated online is what training validated on, and never over a background that training draws."""
import itertools
import shutil
from pathlib import Path

import pytest

import ms_impl.eval
import torch_ref.eval
from matting.config import config_parser, load_config, save_config, text_for_weights
from matting.dataset.composites import OnlineComposites, check_unseen
from matting.errors import UserError
from matting.programs.evaluation import evaluation_composites, validation_composites
from tests.tiny_data import NUM_BGS_TRAIN, prepare_data_set, tiny_config


def trained(raw, **changes):
    """The configuration of an online training, written into logs/."""
    config = tiny_config(raw, composition="online", logs_dir=str(raw / "logs"), **changes)
    (raw / "logs").mkdir(exist_ok=True)
    save_config(config, config.logs_dir)
    return config


def flags(raw, *more):
    return ["--ckpt_url", str(raw / "logs" / "best.ckpt"), "--data_dir", str(raw / "AIM-500"),
            "--bg_dir", str(raw / "train2014"), *map(str, more)]


def evaluated(raw, *more):
    """The ValidationComposites that evaluating logs/best.ckpt takes."""
    return evaluation_composites(load_config(config_parser("", "ms_impl.eval"), flags(raw, *more))[0])


def backgrounds(composites):
    return [files.background.name for files in composites]


def drawn(config):
    return {path.name for path in OnlineComposites(config)._backgrounds}


def test_evaluation_without_flags_takes_the_composites_that_training_validated_on(raw):
    training = trained(raw, num_bgs_train=2)
    assert evaluated(raw) == validation_composites(training) != validation_composites(tiny_config(
        raw, composition="online"))
    assert backgrounds(evaluated(raw)) == ["16.jpg", "17.jpg"]  # of 0, 1, 10, ... in this order the 9th and 10th


@pytest.mark.parametrize(("training", "flags", "background"), [
    ({"num_bgs_train": 2}, ["--num_bgs_train", 1], "12.jpg"),
    ({}, ["--num_bgs_val", 3], "7.jpg"),  # more than training left
    ({"num_bgs_train": 99}, ["--num_bgs_train", 3], "4.jpg"),
])
def test_a_background_of_training_is_refused(raw, training, flags, background):
    config = trained(raw, **training)
    with pytest.raises(UserError) as refused:
        evaluated(raw, *flags)
    assert str(refused.value) == (
        f"{raw}/train2014/{background}: is a background of training, over which nothing is validated; leave "
        f"num_bgs_train ({config.num_bgs_train}), num_bgs_val (2) and val_list ({raw}/validation.txt) as in training, "
        "or name another --bg_dir")


@pytest.mark.parametrize(("train", "val"), list(itertools.product((1, 2, 4, 9), (1, 5))))
def test_whatever_the_flags_no_background_of_training_is_evaluated(raw, train, val):
    taken = refused = 0
    seen = drawn(trained(raw, num_bgs_train=train, num_bgs_val=val))
    for other_train, other_val in itertools.product((1, 2, 4, 9), (1, 5)):
        try:
            found = evaluated(raw, "--num_bgs_train", other_train, "--num_bgs_val", other_val)
        except UserError:
            refused += 1
        else:
            taken += 1
            assert seen.isdisjoint(backgrounds(found)) and len(found) == other_val
    assert taken and (refused or train == 1)


def test_fewer_composites_and_other_backgrounds_are_a_users_choice(raw):
    trained(raw)
    assert backgrounds(evaluated(raw, "--num_bgs_val", 1)) == ["8.jpg"]
    shutil.copytree(raw / "train2014", raw / "others")
    assert backgrounds(evaluated(raw, "--num_bgs_train", 1, "--bg_dir", raw / "others")) == ["12.jpg", "13.jpg"]


def test_data_may_have_moved_since_training(raw, tmp_path_factory):
    training = trained(raw, num_bgs_train=2)
    expected = backgrounds(validation_composites(training))
    moved = Path(shutil.move(raw, tmp_path_factory.mktemp("elsewhere") / "data"))
    val_list = ["--val_list", moved / "validation.txt"]
    assert backgrounds(evaluated(moved, *val_list)) == expected
    with pytest.raises(UserError, match="12.jpg: is a background of training"):
        evaluated(moved, *val_list, "--num_bgs_train", 1)


def test_a_weight_file_by_itself_names_no_folders_and_is_evaluated_alike(raw):
    training = trained(raw, num_bgs_train=2)
    (raw / "logs" / "config.yaml").write_text(text_for_weights(training))
    val_list = ["--val_list", raw / "validation.txt"]
    assert evaluated(raw, *val_list) == validation_composites(training)
    with pytest.raises(UserError, match="12.jpg: is a background of training"):
        evaluated(raw, *val_list, "--num_bgs_train", 1)


@pytest.mark.parametrize("told", [None, "index_kind: holistic"])
def test_a_checkpoint_of_whose_training_nothing_is_told_is_evaluated_as_the_flags_say(told, raw, monkeypatch):
    (raw / "logs").mkdir()
    if told:
        (raw / "logs" / "config.yaml").write_text(told)
    monkeypatch.chdir(raw)  # where the default folders are
    found = evaluated(raw, "--composition", "online", "--num_bgs_train", 1, "--num_bgs_val", 1, "--val_list",
                      raw / "validation.txt")
    assert backgrounds(found) == ["12.jpg"]


@pytest.mark.parametrize("framework", [ms_impl, torch_ref])
def test_the_programs_refuse_before_anything_else(framework, raw, capsys):
    trained(raw, num_bgs_train=2)
    with pytest.raises(SystemExit, match="^1$"):
        framework.eval.main(flags(raw, "--num_bgs_train", 1, "--device_target", "CPU"))
    line, = capsys.readouterr().err.splitlines()
    assert "12.jpg: is a background of training" in line


def test_training_beside_half_a_preparation_never_validates_on_what_it_draws(raw):
    prepare_data_set(raw)  # with NUM_BGS_TRAIN, and train/ only
    config = tiny_config(raw, composition="online", num_bgs_train=NUM_BGS_TRAIN - 1)
    with pytest.raises(UserError, match="is a background of training"):
        check_unseen(validation_composites(config), config)
    config = tiny_config(raw, composition="online")
    check_unseen(validation_composites(config), config)


def test_a_prepared_validation_without_its_training_is_not_trained_beside(raw):
    (raw / "AIM-500" / "validation").mkdir()
    (raw / "AIM-500" / "validation" / "data.txt").write_text("a|b|c")
    config = tiny_config(raw, composition="online")
    assert len(drawn(config)) == 18  # all: a user's own validation set takes others
    (raw / "AIM-500" / "manifest.json").touch()
    with pytest.raises(UserError, match="train/data.txt: no such file, and .*validation/data.txt may take what "
                                        "training would draw; prepare the data again"):
        OnlineComposites(config)
