"""The matrix of MindSpore versions: which interpreter, which packages, and what the table says of each outcome."""
import subprocess
import sys

import pytest

from scripts import versions
from scripts.versions import STAGES, VERSIONS, find_python, main, outcome, passed, requirements, table


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("name", "lines"), [
    ("2.7.2", ["mindspore==2.7.2"]), ("2.0.0", ["mindspore==2.0.0", "pillow<10"]),
    ("gpu 1.10.0", ["mindspore-gpu==1.10.0", "pillow<10", "nvidia-cuda-runtime-cu11==11.8.89"])])
def test_only_mindspore_and_what_it_needs_differ_from_the_requirements(name, lines):
    ours = (versions.ROOT / "requirements.txt").read_text().splitlines()
    other = requirements(VERSIONS[name])
    assert [line for line in ours if line not in other] == ["mindspore==2.10.0"]
    assert [line for line in other if line not in ours] == lines


def test_pythons_are_found_on_the_path_then_in_pyenv(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_python("3.9") is None
    write_program(tmp_path / "bin" / "pyenv", f"echo {tmp_path}")
    in_pyenv = write_program(tmp_path / "versions" / "3.9.18" / "bin" / "python", "")
    assert find_python("3.9") == in_pyenv
    assert find_python("3.1") is None
    stand_in = write_program(tmp_path / "bin" / "python3.9", "exit 127")  # as pyenv's is for a version not chosen
    assert find_python("3.9") == in_pyenv
    write_program(stand_in, "")
    assert find_python("3.9") == str(stand_in)


def test_a_version_without_its_python_is_skipped_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "find_python", lambda version: None)
    assert outcome(VERSIONS["2.9.0"], tmp_path) == ({}, "skipped: no Python 3.11 here")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """-> a function that makes a shell program the Python of every version."""

    def install(text):
        program = write_program(tmp_path / "python", text)
        monkeypatch.setattr(versions, "find_python", lambda version: sys.executable)
        monkeypatch.setattr(versions, "environment", lambda *_: program)

    return install


def test_a_version_that_cannot_be_imported_is_told_with_the_reason(installed, tmp_path):
    installed("""echo Traceback >&2; echo "ImportError: libcudart.so.11.0: cannot open" >&2; exit 1""")
    remark = "cannot be imported: ImportError: libcudart.so.11.0: cannot open"
    assert outcome(VERSIONS["gpu 1.10.0"], tmp_path) == ({}, remark)


def test_a_failing_stage_is_told_with_its_error(installed, tmp_path):
    installed('[ "$1" = -m ] || exit 0; echo build; echo "AttributeError: no set_device" >&2; exit 1')
    stages, remark = outcome(VERSIONS["2.7.2"], tmp_path)
    assert stages == {"build": True, "train": False, "evaluate": False, "export": False}
    assert remark == "AttributeError: no set_device"


def test_a_failing_installation_is_told(tmp_path, monkeypatch):
    def fail(*_):
        raise subprocess.CalledProcessError(1, ["python", "-m", "pip", "install", "--quiet"])

    monkeypatch.setattr(versions, "find_python", lambda version: sys.executable)
    monkeypatch.setattr(versions, "environment", fail)
    assert outcome(VERSIONS["2.9.0"], tmp_path) == ({}, "not installed: -m pip install --quiet ended with status 1")


def test_the_table_shows_each_stage():
    outcomes = {"2.9.0": (passed("\n".join(STAGES)), ""), "2.7.2": (passed("build\n"), "no"), "2.0.0": ({}, "skipped")}
    assert table(outcomes).splitlines()[2:] == [
        "| 2.9.0 | 3.11 | yes | yes | yes | yes |  |",
        "| 2.7.2 | 3.11 | yes | no | no | no | no |",
        "| 2.0.0 | 3.9 | - | - | - | - | skipped |"]


def test_an_unknown_version_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["1.6.1"])
    assert f"no row for 1.6.1; known: {', '.join(VERSIONS)}" in capsys.readouterr().err
