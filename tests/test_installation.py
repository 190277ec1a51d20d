"""What is installed: the wheel's contents, the versions asked for, and `matte` with the core's packages alone."""
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from matting.images.reading import read_alpha
from matting.images.writing import write_png
from tests.test_runtimes import write_first_channel
from tests.tiny_images import photograph, trimap_of

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PACKAGES = ("matting", "ms_impl", "torch_ref")
CORE = {"numpy", "opencv-python-headless", "pillow", "pyyaml", "tqdm", "pymatting", "onnxruntime"}
ONLY_ALLOWED = """
import sys

class Refusal:
    \"\"\"Finds no package but Python's own, those of the wheel and those allowed.\"\"\"

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Refusal())
from matting.__main__ import main
main()
"""


def lines(name):
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] not in "#-"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in a copy of the checkout, with a stand-in for the weights that come with the project, and another file."""
    folder, copy = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "default_config.yaml", "dim_config.yaml"):
        shutil.copy(ROOT / name, copy)
    (copy / ".git").mkdir()  # so that .gitignore counts
    for name in ("indexnet", "best"):
        write_first_channel(copy / "matting" / "weights" / f"{name}.onnx")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=copy, check=True,
                   stdout=subprocess.DEVNULL)
    return next(folder.iterdir())


@pytest.fixture
def photo(tmp_path):
    """A folder with a photograph, its trimap, and a model that says that red is opaque."""
    write_png(tmp_path / "photo.png", photograph(45, 70))
    write_png(tmp_path / "trimap.png", trimap_of(45, 70))
    write_first_channel(tmp_path / "model.onnx")
    return tmp_path


def run(command, folder, **variables):
    words = [*map(str, command), "photo.png", "trimap.png", "--ckpt_url", "model.onnx", "-o", "out"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def assert_matted(finished, folder):
    assert finished.returncode == 0, finished.stderr
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["photo_alpha.png", "photo_composite.png", "photo_cutout.png"]
    alpha = read_alpha(folder / "out" / "photo_alpha.png")
    trimap = trimap_of(45, 70)
    np.testing.assert_array_equal(alpha[trimap != 128], trimap[trimap != 128])
    assert len(np.unique(alpha)) > 50


def test_a_wheel_holds_the_three_packages_their_defaults_weights_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for name in ("default_config.yaml", "dim_config.yaml"):
            assert archive.read(f"matting/{name}") == (ROOT / name).read_bytes()
        assert {"matting/programs/expected.csv", "matting/weights/indexnet.onnx"} <= names
        assert "matting/weights/best.onnx" not in names
        commands = next(name for name in names if name.endswith("entry_points.txt"))
        assert "matte = matting.__main__:main" in archive.read(commands).decode()
    ours = {path.relative_to(ROOT).as_posix() for package in PACKAGES
            for path in (ROOT / package).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == ours


def needed(names):
    """The distributions of these names and all that they need, as far as they are installed here."""
    found, wanted = set(), [Requirement(name) for name in names]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += map(Requirement, distribution(name).requires or [])
    return found


def refused(allowed):
    """The packages that are installed here, but not by these distributions."""
    return {package for package, owners in packages_distributions().items()
            if not {canonicalize_name(owner) for owner in owners} & allowed}


@pytest.mark.parametrize("without", [(), ("pymatting",)], ids=["core", "less than the core"])
def test_matte_of_the_wheel_needs_the_core_alone(wheel, photo, without):
    """Also the control: without one of the core's packages it does not run, so that the others are really missing."""
    shutil.unpack_archive(wheel, photo / "site", "zip")
    missing = refused(needed(CORE - set(without)))
    assert {"torch", "mindspore", "tensorboardX", "isal", "simplejpeg", "pyspng", "onnx", *without} <= missing
    finished = run([sys.executable, "-c", ONLY_ALLOWED.format(refused=missing)], photo, PYTHONPATH=str(photo / "site"))
    if without:
        assert finished.returncode == 1 and "pymatting is not installed here" in finished.stderr
    else:
        assert_matted(finished, photo)


@pytest.mark.full
def test_matte_in_a_fresh_environment(wheel, photo):
    """As a person installs it, with neither framework; on the network, and with pymatting's compilation."""
    venv.create(photo / "fresh", with_pip=True)
    python = photo / "fresh" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    installed = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "indexnet-matting" in installed
    assert not re.search(r"^(torch|mindspore|tensorboardX|isal|simplejpeg|pyspng|onnx) ", installed, re.M)
    finished = run([photo / "fresh" / "bin" / "matte"], photo)
    assert_matted(finished, photo)
    assert "compiling pymatting" in finished.stdout


# --- versions ---------------------------------------------------------------

def test_the_core_is_what_is_documented():
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == CORE
    assert EXTRAS.keys() == {"mindspore", "torch", "heic", "web", "dev"}


def test_requirements_and_extras_ask_for_the_same_versions():
    """Pinned are the two frameworks only, which the requirements name by what was tested."""
    asked = {}
    for line in (*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)):
        requirement = Requirement(line)
        asked.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert asked.pop("numpy") == {"<3", "<2"}  # MindSpore is built for NumPy 1
    assert {len(specifiers) for specifiers in asked.values()} == {1}
    requirements = {Requirement(line).name: str(Requirement(line).specifier)
                    for line in lines("requirements.txt") + lines("requirements-dev.txt")}
    assert requirements.pop("numpy") == "<2" and requirements.pop("mindspore") == "==2.10.0"
    assert requirements.items() <= {name: specifier for name, (specifier,) in asked.items()}.items()
    assert asked.keys() - requirements.keys() == {"mindspore", "torch"}


def test_what_ci_ran_with_is_within_the_bounds():
    pinned = {canonicalize_name(name): version for name, _, version in
              (line.partition("==") for line in lines("constraints.txt"))}
    asked = [*map(Requirement, PROJECT["dependencies"]),
             *(Requirement(line) for extra in EXTRAS.values() for line in extra)]
    for requirement in asked:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement
    assert needed(lines("requirements-dev.txt") + lines("requirements.txt")) <= pinned.keys()


def test_every_major_release_that_may_break_something_is_kept_out():
    for line in (*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)):
        assert re.search(r"<\d", line), line
