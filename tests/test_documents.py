"""Every command and every Python block of every page runs as typed, from the root of a copy of the repository."""
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path

import pytest

from tests import given_files, published_files
from tests.edits import make_edits
from tests.given_files import TINY_NETWORK
from tests.pages import PAGES, ROOT, commands, fences, name, read
from tests.waiting import wait_until

USER = "user"  # folder in the copy for packages of the user's own
# What the pages' capitals stand for here.
PLACEHOLDERS = {
    "DEVICE_ID": "0", "DEVICE_NUM": "2", "LOGS_CKPT_DIR": "logs", "MOBILENET_CKPT": "mobilenet.pth",
    "DATA_DIR": "AIM-500", "BG_DIR": "train2014", "CKPT_URL": "given/best.ckpt", "LOGS_DIR": "eval",
    "CKPT": "given/best.ckpt", "IMAGE": "photo.jpg", "TRIMAP": "trimap.png", "OUT": "mattes", "TRIAL": "trial",
    "PHOTOS": "photos", "COCO": "train2014", "LIST": "list.txt", "MOBILENET": "mobilenet", "LOGS": "photo_logs",
    "EVAL": "photo_eval", "DRAWN": "drawn", "MIXED": "mixed", "WEIGHTS": "weights",
    "X,Y,W,H": "20,12,50,50",
    "MACHINES": "1", "RANK": "0", "ADDRESS": "127.0.0.1", "PREDICTED": "matte.png", "VOC": "voc", "TRUE": "true.png",
}
PLACEHOLDER = re.compile(rf"\b({'|'.join(PLACEHOLDERS)})\b")
# What a user has before the first command, made where a command mentions it.
GIVEN = {
    "Composition-1k": given_files.write_composition_1k, "AIM-500": given_files.write_aim500,
    "train2014": given_files.write_backgrounds,
    "photo.jpg": given_files.write_disc, "trimap.png": given_files.write_trimap,
    "mask.png": given_files.write_mask, "strokes.png": given_files.write_strokes,
    "object.png": given_files.write_cutout,
    "matte.png": given_files.write_matte, "true.png": given_files.write_matte,
    "photos": given_files.write_photos, "list.txt": given_files.write_validation_list,
    "mobilenet.pth": given_files.write_mobilenet, "VGG16_BN.pth": given_files.write_vgg,
    "given/best.ckpt": given_files.write_checkpoint, "best.ckpt": given_files.write_checkpoint,
    "model.onnx": given_files.write_onnx,
    "wheels": partial(given_files.write_wheels, requirements=ROOT / "requirements-gpu.txt"),
    "indexnet_matting.pth.tar": published_files.write_release,
    "build/demo": given_files.write_demo,
    **dict.fromkeys(given_files.PUBLISHED, given_files.write_published),
}
# Flags that make a command small; each is a documented one, and none changes what the command does. The first row whose
# words a command holds counts.
FEW = "--num_bgs_train 2 --num_bgs_val 1"
TRAINING = "--max_steps 1 --batch_size 2 --input_size 64 --img_size 32 64 --num_workers 1"
SERVED = """> page.log & until grep -q "in a browser" page.log; do kill -0 $! && sleep .1 || exit 1; done
kill $!; wait $!; [ $? = 143 ]"""  # until the page is there
SMALLER = {
    "-k mean_absolute_difference": "", "-k rises": "", "-k pairs": "", "test_plain.py": "",
    "make ": "--dry-run",
    "pip install -r requirements-gpu.txt": "--dry-run --no-index --find-links wheels",
    "pip install .": f"--no-deps --no-build-isolation --prefix {USER}",
    "pip install \".[": "--no-deps --no-build-isolation --dry-run",
    "pytest": "--collect-only",
    "data.process_dataset": FEW,
    "--kinds more": "--foregrounds 3 --backgrounds 1 --size 64",
    "--kinds all": "--foregrounds 10 --backgrounds 18 --size 64",
    "data.synthetic": "--foregrounds 5 --backgrounds 4 --size 64",
    "scripts.train_weights": f"--drawn 3 --size 64 {TRAINING}",
    "scripts/run_standalone_train_gpu.sh": f"{TRAINING} {TINY_NETWORK}",
    "NODES=": f"{TRAINING} {TINY_NETWORK} --logs_dir logs3",
    "scripts/run_distribute_train_gpu.sh": f"{TRAINING} {TINY_NETWORK} --logs_dir logs2",
    "scripts/run_eval_gpu.sh": "--img_size 32 64",
    "export.py": "--img_size 32 64 --device_target CPU",
    "ms_impl.first_look": f"{FEW} --input_size 64 --width_mult 0.25 --num_workers 1 --device_target CPU",
    "ms_impl.train": f"{FEW} {TRAINING} --device_target CPU",
    "torch_ref.train": f"{FEW} {TRAINING}",
    "ms_impl.eval": f"{FEW} --img_size 32 64 --device_target CPU",
    "benchmarks.quality": "",
    "benchmarks": "--quick",
    "matting.web": SERVED,
    "parity.report": "--only default",
    "parity.spread": "--only short --seeds 2",
}
# Too long for every run, or what another such command leaves.
FULL = ("NODES=", "scripts.train_weights", "--data_dir photos", "photo_logs", "VGG16_BN.pth", "logs/finetune",
        "--layout folders", "--data_dir Composition-1k", "--out Adobe-431", "--data_dir Adobe-431",
        "--data_dir AIM-500 --logs_dir photo_eval",
        "--method knn", "benchmarks.quality", "QUALITY", "scripts.photograph", "--runtime lite", "--half",
        "matting.web --ckpt_url",
        "benchmarks metrics", "benchmarks.network", "benchmarks.scaling", "benchmarks.soak", "benchmarks.working_size",
        "benchmarks.photos", "benchmarks.folders", "parity.",
        # masks, and what is made of them
        "--box", "--strokes",
        # of the published weights one of each project is for every run
        "deep_matting", "indexnet_mobv2", "indexnet_dimaug", "dim_stage2", "dim_stage3", "my_stage0", "stage0_norm",
        "_norm_balance", "stage1_sad", "stage1_skip", "--stage refine --data_dir AIM-500")
WRITES = {
    "data.process_dataset --data_dir AIM-500": "AIM-500/train/data.txt",
    "data.synthetic --out trial": "trial/foregrounds/validation.txt",
    "data.mixed_set": "mixed/train.txt",
    "scripts/run_standalone_train_gpu.sh 0 logs": "logs/best.ckpt",
    "scripts/run_standalone_train_gpu.sh 0 photo_logs": "photo_logs/best.ckpt",
    "NODES=": "logs3/best.ckpt",
    "scripts/run_distribute_train_gpu.sh": "logs2/best.ckpt",
    "scripts/run_eval_gpu.sh 0 given": "eval/metrics.json",
    "--dynamic --half": "given/best.onnx",
    "export.py --ckpt_url given/best.ckpt": "given/best.mindir",
    "matte photo.jpg trimap.png": "predictions/photo_alpha.png",
    "matting.trimap photo.jpg": "trimaps/photo.png",
    "matte object.png": "predictions/object_alpha.png",
    "matting photo.jpg trimap.png --ckpt_url model.onnx": "mattes/photo_alpha.png",
    "ms_impl.predict photo.jpg": "mattes/photo_cutout.png",
    "--ckpt_url dim_stage1_v16_1x1_1000k_comp1k_SAD-53.8_20200605_140257-979a420f.pth -o": "mattes/photo_cutout.png",
    "--method knn": "predictions/photo_alpha.png",
    "scripts.photograph": "build/photograph/steps.png",
    "matting/weights/indexnet.onnx indexnet.ckpt": "indexnet.ckpt",
    "benchmarks.quality": "build/quality/contact_sheet.png",
    "-o measured": "measured/metrics.json",
    "parity.certify given/best.ckpt": "certificate.html",
    "parity.certify matting/weights/indexnet.onnx": "docs/certificates/indexnet.json",
    "parity.certify build/demo": "docs/certificates/demo.json",
    "--out Adobe-431": "Adobe-431/validation/data.txt",
    "matting.convert indexnet_matting.pth.tar": "indexnet_release.ckpt",
    "matting.convert dim_stage1": "dim_stage1.ckpt",
}
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "logs")
RUN_ELSEWHERE = {"parity/README.md": "parity/test_compare.py"}  # Python of pages
PATIENCE = 600  # seconds for a command, and for a training in the background, on a busy machine


def first_of(table, command):
    """The row of a table whose words a command holds, the first such row; None where there is none."""
    return next((row for words, row in table.items() if words in command), None)


def typed(text):
    """What a page shows -> what its user types: capitals filled in."""
    return PLACEHOLDER.sub(lambda match: PLACEHOLDERS[match[0]], text)


def shown():
    """(page, command) of every command, each once, the long ones marked."""
    pages = {}
    for page in PAGES:
        for command in commands(read(page)):
            pages.setdefault(typed(command), page)
    return [pytest.param(page, command, id=f"{name(page)}: {' '.join(command.split())}",
                         marks=[pytest.mark.full] * any(words in command for words in FULL))
            for command, page in pages.items()]


def python(page):
    """A page's Python, all of it one program."""
    return "\n".join(fence.text for fence in fences(read(page)) if fence.language == "python")


@pytest.fixture(scope="module")
def clones(tmp_path_factory):
    """A function: page -> a copy of the repository's files, with the edits that the page shows."""
    made = {}

    def clone_for(page):
        edits = "".join(fence.text for fence in fences(read(page)) if fence.language == "diff")
        if edits not in made:
            made[edits] = shutil.copytree(ROOT, tmp_path_factory.mktemp("clone") / "repository", ignore=NOT_COPIED)
            make_edits(made[edits], edits)
            given_files.write_cuda_libraries(Path(sysconfig.get_path("purelib", "posix_user",
                                                                     {"userbase": made[edits] / USER})))
            given_files.write_commands(made[edits] / USER / "bin", made[edits])
        return made[edits]

    return clone_for


def give(clone, text):
    """Make the files that a text mentions and that a user has before the first command."""
    for file, write in GIVEN.items():
        if re.search(rf"(?<![\w/]){re.escape(file)}\b", text) and not (clone / file).exists():
            write(clone / file)


def run(clone, words):
    """In the copy, on the CPU, with this interpreter's programs and those that were installed into the copy's USER."""
    folders = f"{clone / USER / 'bin'}:{Path(sys.executable).parent}"
    environment = os.environ | {"PATH": f"{folders}:{os.environ['PATH']}", "DEVICE_TARGET": "CPU",
                                "PYTHONUSERBASE": str(clone / USER), "PYTHONPATH": str(clone)}
    return subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize(("page", "command"), shown())
def test_command_runs_as_typed(clones, page, command):
    command = f"{command} {first_of(SMALLER, command) or ''}"
    clone = clones(page)
    give(clone, command)
    finished = run(clone, ["bash", "-c", command])
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    output = first_of(WRITES, command)
    if output:
        wait_until((clone / output).is_file, PATIENCE, f"{output} was not written")  # trained in the background


@pytest.mark.parametrize("page", [page for page in PAGES if python(page) and name(page) not in RUN_ELSEWHERE], ids=name)
def test_python_runs_as_typed(clones, page):
    code, clone = typed(python(page)), clones(page)
    give(clone, code)
    finished = run(clone, [sys.executable, "-c", code])
    assert finished.returncode == 0, finished.stderr[-2000:]


def test_a_command_that_fails_is_found():
    assert run(ROOT, ["bash", "-c", "make --dry-run tea"]).returncode
    assert run(ROOT, ["bash", "-c", "python -m ms_impl.tea"]).returncode


def test_what_the_tables_say_is_shown():
    """Every row is about a command that some page shows, so that none goes unnoticed when a page changes."""
    found = [parameters.values[1] for parameters in shown()]
    for words in (*SMALLER, *WRITES, *FULL):
        assert any(words in command for command in found), f"no page shows {words}"
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in read(ROOT / test)
