"""Every program: its --help, and what it says of arguments that are missing or too many."""
import re
from importlib import import_module
from pathlib import Path

import pytest

from matting.config import FIELDS, config_parser, default_values
from matting.config.explanations import default_text, explanations
from matting.config.programs import PROGRAMS

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("matting", "ms_impl", "torch_ref", "data", "parity", "benchmarks", "scripts")
NOT_TYPED = {"ms_impl/lite_runner.py"}  # which ms_impl.lite calls, in an interpreter that lacks all but NumPy and Lite
MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts)
                 for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
                 if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
                 and path.relative_to(ROOT).as_posix() not in NOT_TYPED) + ["export"]
TOO_MANY = ["of", "no", "meaning", "here"]
TYPED = {"export": "python export.py", "scripts.demo": "python scripts/demo.py",  # others: python -m MODULE
         **{name: row.command for name, row in PROGRAMS.items() if row.command}}


def program_of(module):
    """As it is called; a package is called by its __main__."""
    return module.removesuffix(".__main__")


def typed(module):
    return TYPED.get(program_of(module), f"python -m {program_of(module)}")


def ended(capsys, program, *arguments):
    """Run a program -> (status, stdout, stderr)."""
    module = program if program in MODULES else f"{program}.__main__"
    with pytest.raises(SystemExit) as end:
        import_module(module).main([*arguments])
    return end.value.code, *capsys.readouterr()


def keys_in(text):
    return {key for key in re.findall(r"^  --(\w+)", text, re.MULTILINE) if key in FIELDS}


def words(text):
    return " ".join(text.split())


def test_the_programs_are_found():
    assert len(MODULES) > 25 and set(PROGRAMS) < set(map(program_of, MODULES))


@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_count_of_arguments_prints_the_usage(module, capsys):
    arguments = [] if module == "ms_impl.launch" else TOO_MANY
    status, _, errors = ended(capsys, module, *arguments)
    assert status == 2
    assert errors.startswith(f"usage: {typed(module)} ") and "error: " in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize("module", MODULES)
def test_help_says_how_the_program_is_called_and_what_it_does(module, capsys):
    status, output, _ = ended(capsys, module, "--help")
    assert not status and output.startswith(f"usage: {typed(module)} ")
    assert "show this help message" in output and len(output.split("\n\n")) > 2


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_explains_the_keys_that_a_program_uses_and_help_all_the_rest(program, capsys):
    _, shown, _ = ended(capsys, program, "--help")
    _, everything, _ = ended(capsys, program, "--help_all")
    assert keys_in(shown) == set(PROGRAMS[program].keys)
    assert keys_in(everything) == set(FIELDS)
    for heading, meanings in explanations().items():
        assert (f"\n{heading}:\n" in shown) == bool(set(meanings) & set(PROGRAMS[program].keys))
        for key, meaning in meanings.items():
            assert words(meaning) in words(everything), key
            assert (words(meaning) in words(shown)) == (key in PROGRAMS[program].keys), key


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_required_key_and_the_device_are_found_by_reading_help_once(program, capsys, nothing_shipped):
    _, shown, _ = ended(capsys, program, "--help")
    usage = words(shown.split("\n\n")[0])
    required = bool(PROGRAMS[program].brought)
    assert ("--ckpt_url PATH" in usage) == ("elsewhere: the checkpoint to use (required)" in words(shown)) == required
    if "device_target" in PROGRAMS[program].keys:
        default = PROGRAMS[program].defaults.get("device_target", "GPU")
        assert f"--device_target WORD GPU | Ascend | CPU (default: {default})" in words(shown)


def test_a_missing_required_key_prints_the_usage(capsys):
    status, _, errors = ended(capsys, "ms_impl.eval", "--device_target", "CPU")
    assert status == 2 and "--ckpt_url PATH" in words(errors)
    assert errors.startswith("usage: python -m ms_impl.eval ")
    assert errors.endswith("error: --ckpt_url is missing; name the checkpoint to use\n")


@pytest.mark.parametrize("key", FIELDS)
def test_hidden_flags_are_accepted_too(key):
    """data.process_dataset shows six."""
    parser = config_parser("", "data.process_dataset")
    assert getattr(parser.parse_args([f"--{key}", "7"]), key) == ["7"]


def test_explanations_are_the_comments_of_the_yaml():
    """A heading, a comment behind a value, one of several lines, one before a block; `#` inside a value is none."""
    text = """# Everything is explained here.

# --- first things ------
a: 1     # one
b: ""    # two
         # and a half

# --- Second (A. Uthor 2019) ---
c:       # three
  - [1, 2]
  - [3, 4]
d: "#x"
"""
    assert explanations(text) == {"first things": {"a": "one", "b": "two and a half"},
                                  "Second (A. Uthor 2019)": {"c": "three", "d": ""}}


def test_every_key_has_a_heading_and_an_explanation():
    found = explanations()
    assert [key for meanings in found.values() for key in meanings] == list(default_values())
    assert all(meaning for meanings in found.values() for meaning in meanings.values())
    assert found["samples"]["trimap_rule"] == (
        "unknown within a radius of 1 to 19: by distance, around partly transparent pixels | by dilation with a 3x3 "
        "ellipse, around all that is not background, pure foreground left out")


@pytest.mark.parametrize(("key", "by_stage", "text"), [
    ("batch_size", True, "16"), ("val_list", True, "empty"), ("amp", True, "False"), ("model", True, "indexnet"),
    ("resampling", True, "indexed; of dim max"), ("epochs", True, "30; of dim 50"),
    ("refine", False, "True"), ("refine", True, "True; of dim's stages False, True, True"),
    ("milestones", True, "[20, 26]; of dim's stages [5, 10, 30], [3, 10, 30], [20, 26]"),
])
def test_defaults_are_told_of_both_models(key, by_stage, text):
    assert default_text(key, by_stage) == text
