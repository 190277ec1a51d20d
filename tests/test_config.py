"""Configuration: documented keys and defaults, every key a flag, mistakes named."""
import dataclasses
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import matting.config.defaults
from matting.config import (
    CHOICES,
    FIELDS,
    Config,
    DimConfig,
    IndexNetConfig,
    config_from_text,
    config_parser,
    config_to_text,
    default_values,
    load_config,
    make_config,
    read_yaml,
    save_config,
    settings_file,
    text_for_weights,
    trained_with,
)
from matting.config.settings import LOCAL_KEYS
from matting.embedded import embed
from matting.errors import UserError

DOCUMENTED = yaml.safe_load("""
batch_size: 16
epochs: 30
learning_rate: 0.01
backbone_lr_mult: 100
lr_decay: 0.1
milestones: [20, 26]
input_size: 320
img_size: [1080, 1620]
width_mult: 1.0
output_stride: 32
decoder_kernel_size: 5
conv_operator: std_conv
apply_aspp: True
use_context: True
use_nonlinear: True
rate: 1
current_stride: 1
inverted_residual_setting: [[1,32,16,1,1,1], [6,16,24,2,2,1], [6,24,32,3,2,1], [6,32,64,4,2,1], [6,64,96,3,1,1],
                            [6,96,160,3,2,1], [6,160,320,1,1,1]]
num_bgs_train: 96
num_bgs_val: 20
img_scale: 255
scales: [1, 1.5, 2]
img_std: [0.229, 0.224, 0.225, 1]
img_mean: [0.485, 0.456, 0.406, 0]
logs_dir: logs
device_target: GPU
device_id: 0
device_start: 0
keep_checkpoint_max: 10
is_distributed: False
num_workers: 12
""")
DOCUMENTED_WITHOUT_DEFAULT = ("data_dir", "bg_dir", "ckpt_url")


def parse(*argv, with_checkpoint=False):
    return load_config(config_parser("test", "ms_impl.eval" if with_checkpoint else None), argv)[0]


def test_documented_keys_have_their_documented_defaults():
    defaults = default_values()
    assert {key: defaults[key] for key in DOCUMENTED} == DOCUMENTED
    assert set(DOCUMENTED_WITHOUT_DEFAULT) < set(defaults)


def test_yaml_and_dataclass_have_the_same_keys_and_each_has_a_comment_or_block():
    assert set(default_values()) == set(FIELDS)


def test_a_network_or_all_settings_can_be_made_in_python_with_the_defaults():
    assert (IndexNetConfig().index_kind, IndexNetConfig(width_mult=1.4).width_mult) == ("depthwise_m2o", 1.4)
    assert (DimConfig().resampling, DimConfig().encoder_bn, DimConfig().refine) == ("max", "trained", True)
    assert Config() == parse() and Config().network == IndexNetConfig()
    assert Config(model="dim").network == DimConfig() != Config(model="dim", stage="encoder_decoder").network
    assert [Config(model="dim", stage=stage).learning_rate for stage in ("refine", "finetune")] == [1e-4, 1e-5]
    assert Config(milestones=[3], output_stride=16) == parse("--milestones", "3", "--output_stride", "16")


@pytest.mark.parametrize(("kind", "values", "message"), [
    (IndexNetConfig, {"output_stride": 8}, "output_stride 8 is not one of 16, 32"),
    (IndexNetConfig, {"inverted_residual_setting": [[1, 32, 16]] * 7},
     r"inverted_residual_setting: \(1, 32, 16\) is not a row of 6 whole numbers"),
    (DimConfig, {"bridge": "fc7"}, "bridge 'fc7' is not one of conv3x3, fc6"),
    (DimConfig, {"width_mult": "wide"}, "width_mult 'wide': expected a number"),
    (DimConfig, {"width_mult": float("nan")}, "width_mult nan: expected a number"),
    (Config, {"scales": [[1, 2]]}, r"scales \(\(1, 2\),\): expected a list such as 20 26"),
    (Config, {"scales": ["a"]}, r"scales \['a'\]: expected a list such as 20 26"),
])
def test_mistakes_in_python_are_named(kind, values, message):
    with pytest.raises(UserError, match=message):
        kind(**values)


def test_importing_reads_nothing():
    """Whoever asks for a default reads the YAML, once."""
    source = ("import matting.config, matting.config.defaults as defaults; "
              "assert not defaults._contents.cache_info().currsize; matting.config.Config(); matting.config.Config(); "
              "assert defaults._contents.cache_info()[1:] == (1, None, 1)")
    subprocess.run([sys.executable, "-c", source], check=True)


def test_an_installed_package_has_the_defaults_inside_and_a_checkout_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(matting.config.defaults, "PACKAGE", tmp_path / "matting")
    (tmp_path / "matting").mkdir()
    with pytest.raises(UserError, match="dim_config.yaml: lies neither in .*matting nor in .*; install the project"):
        settings_file("dim_config.yaml")
    for folder in (tmp_path, tmp_path / "matting"):
        (folder / "dim_config.yaml").touch()
        assert settings_file("dim_config.yaml") == folder / "dim_config.yaml"


def test_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().epochs = 3


@pytest.mark.parametrize("key", FIELDS)
def test_every_key_is_a_flag(key):
    default = getattr(parse(), key)
    text = str(list(map(list, default)) if key == "inverted_residual_setting" else
               list(default) if isinstance(default, tuple) else default)
    assert getattr(parse(f"--{key}", text), key) == default


@pytest.mark.parametrize("tokens", [["5", "9"], ["5,9"], ["[5, 9]"], ["[5,", "9]"]])
def test_lists_work_from_the_command_line(tokens):
    assert parse("--milestones", *tokens).milestones == (5, 9)


@pytest.mark.parametrize("text, value", [("False", False), ("false", False), ("0", False), ("True", True), ("1", True)])
def test_booleans_work_from_the_command_line(text, value):
    assert parse("--use_context", text).use_context is value


def test_flags_beat_the_file_and_the_file_beats_the_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 5\nbatch_size: 2\n")
    config = parse("--config_path", str(path), "--batch_size", "3")
    assert (config.epochs, config.batch_size, config.seed) == (5, 3, 0)


@pytest.mark.parametrize("argv, message", [
    (["--lerning_rate", "1"], "unknown flag --lerning_rate; did you mean --learning_rate?"),
    (["--epoch", "1"], "unknown flag --epoch; did you mean --epochs?"),
    (["extra"], "unexpected argument 'extra'; see --help"),
    (["--batch_size", "many"], "batch_size 'many': expected a whole number"),
    (["--batch_size", "1.5"], "batch_size 1.5: expected a whole number"),
    (["--batch_size", "0"], "batch_size 0 must be greater than 0"),
    (["--use_context", "maybe"], "use_context 'maybe': expected True or False"),
    (["--index_kind", "deepwise"], "index_kind 'deepwise' is not one of holistic, depthwise_o2o, depthwise_m2o"),
    (["--decoder_kernel_size", "4"], "decoder_kernel_size 4 must be odd"),
    (["--input_size", "300"], "input_size 300 is not a multiple of 32; 320 is the next one"),
    (["--milestones", "[5"], r"--milestones [5: expected a list such as 20 26 or [20, 26]"),
    (["--img_mean", "1"], "img_mean needs 4 entries, not 1"),
    (["--clip_norm", "-1"], "clip_norm -1.0 must be 0 or more"),
    (["--ema_decay", "1"], "ema_decay 1.0 must be less than 1"),
    (["--config_path", "absent.yaml"], "absent.yaml: no such configuration file"),
])
def test_mistakes_are_named(argv, message):
    with pytest.raises(UserError) as error:
        parse(*argv)
    assert str(error.value) == message


def test_unknown_key_in_a_file_is_named_with_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("mile_stones: [1]\n")
    with pytest.raises(UserError, match=r"mine.yaml: unknown key mile_stones; did you mean milestones\?"):
        parse("--config_path", str(path))


def test_saved_configuration_reads_back_equal(tmp_path):
    config = parse("--milestones", "3", "--width_mult", "1.4", "--bg_dir", "a folder: with colon")
    save_config(config, tmp_path)
    assert make_config(read_yaml(tmp_path / "config.yaml")) == config


def test_a_configuration_is_text_and_back():
    config = parse("--model", "dim", "--stage", "refine", "--bg_dir", "a folder: # with signs")
    assert config_from_text(config_to_text(config), "x") == config
    of_an_older_version = config_to_text(config).replace("trimap_rule: dilation\n", "")
    assert config_from_text(of_an_older_version, "x") == config


@pytest.fixture
def edit_defaults(tmp_path, monkeypatch):
    """A function that changes the text of default_config.yaml -> path of what is read from then on."""
    read = matting.config.defaults._contents

    def edit(change):
        (tmp_path / "dim_config.yaml").write_text(settings_file("dim_config.yaml").read_text())
        path = tmp_path / "default_config.yaml"
        path.write_text(change(settings_file(path.name).read_text()))
        monkeypatch.setattr(matting.config.defaults, "PACKAGE", tmp_path)
        read.cache_clear()
        return path

    yield edit
    read.cache_clear()


@pytest.mark.parametrize(("change", "message"), [
    (lambda text: text.replace("seed: 0", "sed: 0"), "lacks seed, has the unknown key sed; restore it from the"),
    (lambda text: text.replace("batch_size: 16", "batch_size: [16"), "not a YAML file"),
    (lambda text: "", "expected 'key: value' lines"),
])
def test_defaults_that_a_user_edited_badly_are_named(edit_defaults, change, message):
    path = edit_defaults(change)
    with pytest.raises(UserError, match=re.escape(f"{path}: {message}")):
        parse()


def test_comments_and_headings_are_a_users_to_delete(edit_defaults):
    edit_defaults(lambda text: "\n".join(line.split(" # ")[0] for line in text.splitlines() if line[:1] != "#"))
    assert re.search(r"--batch_size NUMBER +\(default: 16\)", config_parser("").format_help())
    assert parse("--epochs", "3") == Config(epochs=3)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda text: "", "is damaged, "),
    (lambda text: text[:-4], "is damaged, its last line '...' is missing; restore it from where it was written"),
    (lambda text: text[:200], "is damaged, its last line"),
    (lambda text: text.replace("index_kind: ", "index_kind: {"), "not a YAML file"),
    (lambda text: text.replace("index_kind", "index_kin"), "unknown key index_kin; did you mean index_kind?"),
    (lambda text: text.replace("width_mult: 1.0", "width_mult: l.0"), "width_mult 'l.0': expected a number"),
])
def test_a_damaged_configuration_is_named_not_passed_over(tmp_path, damage, message):
    path = tmp_path / "config.yaml"
    path.write_text(damage(config_to_text(Config())))
    with pytest.raises(UserError, match=re.escape(f"{path}: {message}")):
        parse("--ckpt_url", str(tmp_path / "best.ckpt"), with_checkpoint=True)
    with pytest.raises(UserError, match=re.escape(f"best.ckpt: {message}")):
        config_from_text(path.read_text(), "best.ckpt")


def test_a_configuration_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    save_config(Config(), tmp_path)
    before = (tmp_path / "config.yaml").read_text()

    def half(path, text, encoding):
        path.write_bytes(text[:50].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError):
        save_config(Config(seed=7), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == before


def test_checkpoint_brings_its_network_but_not_its_folders(tmp_path):
    save_config(parse("--index_kind", "holistic", "--data_dir", "theirs", "--img_scale", "1023"), tmp_path)
    checkpoint = str(tmp_path / "best.ckpt")
    config = parse("--ckpt_url", checkpoint, with_checkpoint=True)
    assert (config.index_kind, config.img_scale, config.data_dir) == ("holistic", 1023, "AIM-500")
    assert parse("--ckpt_url", checkpoint).index_kind == "depthwise_m2o"
    assert parse("--ckpt_url", checkpoint, "--index_kind", "depthwise_o2o", with_checkpoint=True).index_kind == (
        "depthwise_o2o")


def test_a_checkpoint_alone_brings_its_network_and_the_file_beside_it_wins(tmp_path):
    checkpoint = tmp_path / "best.npz"
    np.savez(checkpoint, a=np.ones(1))
    assert trained_with(checkpoint) == {}
    trained = parse("--model", "dim", "--bridge", "fc6", "--seed", "3", "--data_dir", "theirs", "--resume", "True")
    embed(checkpoint, text_for_weights(trained))
    config = parse("--ckpt_url", str(checkpoint), with_checkpoint=True)
    assert (config.model, config.bridge, config.seed, config.data_dir, config.resume) == (
        "dim", "fc6", 0, "AIM-500", False)
    told = trained_with(checkpoint)
    assert told["seed"] == 3 and not told.keys() & set(LOCAL_KEYS) and told.keys() | set(LOCAL_KEYS) == FIELDS.keys()
    save_config(parse("--model", "dim", "--bridge", "conv3x3"), tmp_path)
    assert parse("--ckpt_url", str(checkpoint), with_checkpoint=True).bridge == "conv3x3"


def test_no_path_goes_into_a_weight_file():
    texts = {key for key, kind in FIELDS.items() if kind is str}
    assert texts - {*CHOICES, "stage"} <= {*LOCAL_KEYS}


@pytest.mark.parametrize(("text", "message"), [
    ("---\nmodel: dim\n", "is damaged, its last line '...' is missing"),
    ("---\nmodle: dim\n...\n", "unknown key modle; did you mean model?"),
])
def test_a_damaged_configuration_in_a_checkpoint_is_named(tmp_path, text, message):
    checkpoint = tmp_path / "best.npz"
    np.savez(checkpoint, a=np.ones(1))
    embed(checkpoint, text)
    with pytest.raises(UserError, match=re.escape(f"best.npz, the configuration in it: {message}")):
        parse("--ckpt_url", str(checkpoint), with_checkpoint=True)


def test_a_model_changes_defaults_and_flags_beat_them(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("model: dim\nepochs: 7\n")
    config = parse("--config_path", str(path), "--encoder_bn", "frozen")
    assert (config.resampling, config.epochs, config.encoder_bn) == ("max", 7, "frozen")
    assert parse("--model", "indexnet", "--config_path", str(path)).resampling == "indexed"


def test_checkpoint_brings_its_model_and_that_brings_its_defaults(tmp_path):
    save_config(parse("--model", "dim", "--stage", "encoder_decoder", "--bridge", "fc6"), tmp_path)
    config = parse("--ckpt_url", str(tmp_path / "best.ckpt"), with_checkpoint=True)
    assert (config.model, config.stage, config.refine, config.bridge, config.img_mean[3]) == (
        "dim", "all", False, "fc6", 0.5)
    assert config.network.bridge == "fc6" and not hasattr(config.network, "apply_aspp")


def test_unknown_model_is_named():
    with pytest.raises(UserError, match="model 'dimm' is not one of indexnet, dim"):
        parse("--model", "dimm")


def test_network_configuration_is_the_network_part():
    assert Config.network.fget(parse("--use_context", "False")).use_context is False
