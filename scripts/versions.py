"""Try the MindSpore side on several versions of MindSpore, each in an environment of its own (`make versions`).

python -m scripts.versions [VERSION ...] [--folder FOLDER]
"""
import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from matting.errors import entry_point

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = {"gpu 1.6.1": "3.9", "gpu 1.10.0": "3.9", "2.0.0": "3.9",  # by MindSpore
           "2.7.2": "3.11", "2.8.0": "3.11", "2.9.0": "3.11", "2.10.0": "3.11"}
OLDEST_PYTHON = (3, 10)  # that this code runs on
STAGES = ("build", "train", "evaluate", "export")  # of scripts/smoke.py
SMOKE_SECONDS = 600


def find_python(version):
    """The interpreter of a Python version, on the PATH or pyenv's; None where there is none."""
    on_path = shutil.which(f"python{version}")
    if on_path and not subprocess.run([on_path, "--version"], capture_output=True).returncode:  # pyenv's stand-in fails
        return on_path
    if not shutil.which("pyenv"):
        return None
    pyenv = Path(subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip())
    return next(iter(sorted(pyenv.glob(f"versions/{version}.*/bin/python"))), None)


def requirements(mindspore):
    """What the program needs, with that version of MindSpore."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    return [re.sub(r"^mindspore==.*", f"mindspore=={mindspore}", line) for line in lines if line]


def environment(python, mindspore, folder):
    """The interpreter of a virtual environment with that version of MindSpore, made where there is none yet."""
    place = folder / f"mindspore-{mindspore}"
    if not (place / "ready").is_file():
        subprocess.run([python, "-m", "venv", "--clear", place], check=True)
        subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", *requirements(mindspore)], check=True)
        (place / "ready").touch()
    return place / "bin/python"


def outcome(mindspore, folder):
    """({stage: whether it passed}, remark) of one version."""
    if tuple(map(int, PYTHONS[mindspore].split("."))) < OLDEST_PYTHON:
        return {}, f"skipped: its newest Python is {PYTHONS[mindspore]}, this code needs 3.10"
    python = find_python(PYTHONS[mindspore])
    if not python:
        return {}, f"skipped: no Python {PYTHONS[mindspore]} here"
    try:
        python = environment(python, mindspore, folder)
    except subprocess.CalledProcessError as error:
        return {}, f"not installed: {' '.join(map(str, error.cmd[1:5]))} ended with status {error.returncode}"
    try:
        smoke = subprocess.run([python, "-m", "scripts.smoke"], cwd=ROOT, capture_output=True, text=True,
                               timeout=SMOKE_SECONDS)
    except subprocess.TimeoutExpired:
        return {}, f"not done within {SMOKE_SECONDS} seconds"
    return passed(smoke.stdout), "" if smoke.returncode == 0 else smoke.stderr.strip().splitlines()[-1]


def passed(output):
    """{stage: whether the smoke's output names it}."""
    return {stage: stage in output.splitlines() for stage in STAGES}


def table(outcomes):
    """{version: outcome} as a Markdown table."""
    rows = [["MindSpore", "Python", *STAGES, "remark"], ["---"] * (len(STAGES) + 3)]
    for mindspore, (stages, remark) in outcomes.items():
        marks = [{True: "yes", False: "no", None: "-"}[stages.get(stage)] for stage in STAGES]
        rows.append([mindspore, PYTHONS[mindspore], *marks, remark])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@entry_point
def main(argv=None):
    parser = argparse.ArgumentParser(description="Try the MindSpore side on several versions of MindSpore.")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"of {', '.join(PYTHONS)}; default: all")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "indexnet-versions",
                        help="where the environments are kept; default: %(default)s")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.versions) - set(PYTHONS)
    if unknown:
        parser.error(f"no row for {', '.join(sorted(unknown))}; known: {', '.join(PYTHONS)}")
    print(table({version: outcome(version, arguments.folder) for version in arguments.versions or PYTHONS}))


if __name__ == "__main__":
    main()
