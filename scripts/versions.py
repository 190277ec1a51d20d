"""Try the MindSpore side on several versions of MindSpore, each in an environment of its own (`make versions`).

python -m scripts.versions [VERSION ...] [--folder FOLDER]
"""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from matting.errors import entry_point
from matting.usage import program_parser

ROOT = Path(__file__).resolve().parent.parent
OLD_PILLOW = "pillow<10"  # with the names that MindSpore imported up to 2.0.0
CUDA_RUNTIME = "nvidia-cuda-runtime-cu11==11.8.89"  # all of CUDA that importing the GPU build of 1.10.0 asks for
STAGES = ("build", "train", "evaluate", "export")  # of scripts/version_trial.py
SMOKE_SECONDS = 600
FOLDER = Path(tempfile.gettempdir()) / "indexnet-versions"


class Version(NamedTuple):
    """A row of VERSIONS."""

    package: str  # as pip takes it
    python: str  # the newest that it has a wheel for, at most ours
    needs: tuple = ()  # beyond requirements.txt


VERSIONS = {
    "gpu 1.6.1": Version("mindspore-gpu==1.6.1", "3.7", (OLD_PILLOW,)),
    "gpu 1.10.0": Version("mindspore-gpu==1.10.0", "3.9", (OLD_PILLOW, CUDA_RUNTIME)),
    "2.0.0": Version("mindspore==2.0.0", "3.9", (OLD_PILLOW,)),
    **{number: Version(f"mindspore=={number}", "3.11") for number in ("2.7.2", "2.8.0", "2.9.0", "2.10.0")},
}
LITE = Version("mindspore-lite==2.0.0", "3.7")  # which python -m parity.lite installs


def find_python(version):
    """The interpreter of a Python version, on the PATH or pyenv's; None where there is none."""
    on_path = shutil.which(f"python{version}")
    if on_path and not subprocess.run([on_path, "--version"], capture_output=True).returncode:  # pyenv's stand-in fails
        return on_path
    if not shutil.which("pyenv"):
        return None
    pyenv = Path(subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip())
    return next(iter(sorted(pyenv.glob(f"versions/{version}.*/bin/python"))), None)


def requirements(version):
    """What the program needs, with that version of MindSpore."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    return [re.sub(r"^mindspore==.*", version.package, line) for line in lines if line] + list(version.needs)


def interpreter(version, folder):
    """Of that version's environment in the folder; None where it was not installed."""
    place = folder / version.package.replace("==", "-")
    return place / "bin/python" if (place / "ready").is_file() else None


def environment(python, packages, place):
    """The interpreter of a new virtual environment with those packages at that place."""
    subprocess.run([python, "-m", "venv", "--clear", place], check=True)
    subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", *packages], check=True)
    (place / "ready").touch()
    return place / "bin/python"


def installed(version, packages, folder):
    """(the interpreter of an environment of that version in the folder, "") or (None, why there is none).

    The environment is made where there is none yet.
    """
    ready = interpreter(version, folder)
    if ready:
        return ready, ""
    python = find_python(version.python)
    if not python:
        return None, f"skipped: no Python {version.python} here"
    try:
        return environment(python, packages, folder / version.package.replace("==", "-")), ""
    except subprocess.CalledProcessError as error:
        return None, f"not installed: {' '.join(map(str, error.cmd[1:5]))} ended with status {error.returncode}"


def outcome(version, folder):
    """({stage: whether it passed}, remark) of one version."""
    python, remark = installed(version, requirements(version), folder)
    if not python:
        return {}, remark
    cuda = map(str, python.parent.parent.glob("lib/python*/site-packages/nvidia/*/lib"))
    variables = {**os.environ, "LD_LIBRARY_PATH": ":".join([*cuda, os.environ.get("LD_LIBRARY_PATH", "")])}
    imported = subprocess.run([python, "-c", "import mindspore"], cwd=folder, env=variables, capture_output=True,
                              text=True)
    if imported.returncode:
        return {}, f"cannot be imported: {last_line(imported.stderr)}"
    try:
        trial = subprocess.run([python, "-m", "scripts.version_trial"], cwd=ROOT, env=variables, capture_output=True,
                               text=True, timeout=SMOKE_SECONDS)
    except subprocess.TimeoutExpired:
        return {}, f"not done within {SMOKE_SECONDS} seconds"
    return passed(trial.stdout), "" if trial.returncode == 0 else last_line(trial.stderr)


def last_line(errors):
    return errors.strip().splitlines()[-1]


def passed(output):
    """{stage: whether the trial's output names it}."""
    return {stage: stage in output.splitlines() for stage in STAGES}


def table(outcomes):
    """{name in VERSIONS: outcome} as a Markdown table."""
    rows = [["MindSpore", "Python", *STAGES, "remark"], ["---"] * (len(STAGES) + 3)]
    for name, (stages, remark) in outcomes.items():
        marks = [{True: "yes", False: "no", None: "-"}[stages.get(stage)] for stage in STAGES]
        rows.append([name, VERSIONS[name].python, *marks, remark])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@entry_point
def main(argv=None):
    parser = program_parser("scripts.versions", __doc__)
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"of {', '.join(VERSIONS)}; default: all")
    parser.add_argument("--folder", type=Path, default=FOLDER,
                        help="where the environments are kept; default: %(default)s")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.versions) - set(VERSIONS)
    if unknown:
        parser.error(f"no row for {', '.join(sorted(unknown))}; known: {', '.join(VERSIONS)}")
    names = arguments.versions or VERSIONS
    print(table({name: outcome(VERSIONS[name], arguments.folder) for name in names}))


if __name__ == "__main__":
    main()
