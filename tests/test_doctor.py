"""What is said of devices that do not work, and the environment that MindSpore's GPU plugin needs, without a GPU."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ms_impl import doctor

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "gpu_environment.sh"


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder with both plugins, of which `ldd` says that two libraries are missing; trials succeed."""
    for target in ("GPU", "Ascend"):
        (tmp_path / doctor.PLUGINS[target][0]).touch()
    write_program(tmp_path / "bin" / "ldd", "echo ' libc.so.6 => /lib/libc.so.6 (0x7f)\n libcudnn.so.8 => not found\n"
                                            " libcuda.so.1 => not found\n libcudnn.so.8 => not found'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "trial_complaints", lambda target: [])
    return tmp_path


def test_missing_libraries_are_named_once_with_what_to_install(plugins):
    cuda11 = {"CUDA_HOME": str(ROOT / "scripts" / "cuda11")}
    assert doctor.complaints("GPU", plugins, cuda11) == [
        "libcuda.so.1 is missing: install NVIDIA's driver, which no Python package brings",
        "libcudnn.so.8 is missing: pip install -r requirements-gpu.txt, then source scripts/gpu_environment.sh"]
    assert "CANN" in doctor.complaints("Ascend", plugins, {})[0]


def test_a_build_without_the_plugin_is_told_apart_from_missing_libraries(tmp_path):
    complaint, = doctor.complaints("GPU", tmp_path, {})
    assert complaint == "this MindSpore has no libmindspore_gpu.so.11.6; install one that is built for GPU"


def test_nothing_missing_leaves_what_a_trial_says(plugins, monkeypatch):
    write_program(plugins / "bin" / "ldd", "echo ' libc.so.6 => /lib/libc.so.6 (0x7f)'")
    environment = {"CUDA_HOME": str(ROOT / "scripts" / "cuda11")}
    assert doctor.complaints("GPU", plugins, environment) == []
    monkeypatch.setattr(doctor, "trial_complaints", lambda target: [f"no usable {target} device"])
    assert doctor.complaints("GPU", plugins, environment) == ["no usable GPU device"]


@pytest.mark.parametrize(("release", "accepted"), [("11.6", True), ("11.8", True), ("12.4", False), ("1.16", False)])
def test_only_cuda_11_is_accepted(release, accepted, tmp_path):
    write_program(tmp_path / "bin" / "nvcc", f"echo 'Cuda compilation tools, release {release}, V{release}.1'")
    found = doctor.cuda_home_complaints(tmp_path)
    assert found == [] if accepted else f"is CUDA {release}, where MindSpore takes 11.6 or 11.8" in found[0]


def test_an_unset_and_an_empty_cuda_home_are_told_apart(tmp_path):
    assert doctor.cuda_home_complaints(None)[0].startswith("CUDA_HOME is not set")
    assert doctor.cuda_home_complaints(tmp_path)[0].startswith(f"CUDA_HOME {tmp_path} has no bin/nvcc")


def test_the_last_line_of_a_failed_trial_is_passed_on(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    assert doctor.trial_complaints("GPU") == ["a process that computed a sum got status 1"]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess(
        [], 1, stderr="Traceback\n  File\nRuntimeError: no device\n"))
    assert doctor.trial_complaints("GPU") == ["RuntimeError: no device"]


def source(tmp_path, **environment):
    """LD_LIBRARY_PATH and CUDA_HOME after sourcing the script, packages being looked for in tmp_path."""
    told = subprocess.run(["bash", "-c", f'source "{SCRIPT}" && echo "$LD_LIBRARY_PATH" && echo "$CUDA_HOME"'],
                          capture_output=True, text=True, env={"PATH": os.environ["PATH"], "PYTHON": sys.executable,
                                                               "PYTHONUSERBASE": str(tmp_path), **environment})
    return told.returncode, told.stdout.splitlines(), told.stderr


def packages(tmp_path):
    """What requirements-gpu.txt would install, two of them, in the user's site-packages below tmp_path."""
    place = tmp_path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / "nvidia"
    folders = [place / name / "lib" for name in ("cublas", "cudnn")]
    for folder in folders:
        folder.mkdir(parents=True)
    return ":".join(map(str, folders))


def without_nvidia():
    """Whether this interpreter has none of the packages itself."""
    return not list(Path(doctor.find_spec("numpy").origin).parents[1].glob("nvidia/*/lib"))


@pytest.mark.skipif(not without_nvidia(), reason="NVIDIA's packages are installed here")
def test_the_environment_names_the_packages_libraries_before_others(tmp_path):
    status, _, errors = source(tmp_path)
    assert status != 0 and "pip install -r requirements-gpu.txt" in errors
    folders = packages(tmp_path)
    assert source(tmp_path)[1] == [folders, str(ROOT / "scripts" / "cuda11")]
    assert source(tmp_path, LD_LIBRARY_PATH="/mine")[1][0] == f"{folders}:/mine"


@pytest.mark.parametrize(("release", "kept"), [("11.6", True), ("12.4", False)])
def test_a_cuda_home_that_mindspore_accepts_stays(release, kept, tmp_path):
    packages(tmp_path)
    write_program(tmp_path / "cuda" / "bin" / "nvcc", f"echo 'Cuda compilation tools, release {release}, V1'")
    cuda_home = source(tmp_path, CUDA_HOME=str(tmp_path / "cuda"))[1][1]
    assert cuda_home == str(tmp_path / "cuda" if kept else ROOT / "scripts" / "cuda11")
    assert doctor.cuda_home_complaints(cuda_home) == []
