"""The documented launchers: their arguments, their logs, and what their user sees, with a stand-in for Python."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matting.config import read_yaml
from tests.small_network import NETWORK, network_flags
from tests.waiting import wait_for

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
LOGS = {"run_standalone_train_gpu.sh": "standalone_train.log", "run_distribute_train_gpu.sh": "distribute_train.log"}
ARGUMENTS = {
    "run_standalone_train_gpu.sh": "DEVICE_ID LOGS_CKPT_DIR MOBILENET_CKPT DATA_DIR BG_DIR",
    "run_distribute_train_gpu.sh": "DEVICE_NUM LOGS_CKPT_DIR MOBILENET_CKPT DATA_DIR BG_DIR",
    "run_eval_gpu.sh": "DEVICE_ID CKPT_URL DATA_DIR LOGS_DIR",
}
# Says what it was called with, one argument a line, then does what the test wants.
STAND_IN = """#!/usr/bin/env bash
pwd
printf '[%s]\\n' "$@"
{then}
"""
START = "echo 'INFO training x'"


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """A folder whose bin/ holds a stand-in for python."""
    (tmp_path / "bin").mkdir()
    return tmp_path


def run_script(machine, name, *arguments, python=START, **environment):
    """Run a launcher from `machine` -> finished process, its output as text."""
    write_program(machine / "bin" / "python", STAND_IN.replace("{then}", python))
    environment = {"PATH": f"{machine / 'bin'}:{os.environ['PATH']}", "PATIENCE": "20", **environment}
    return subprocess.run(["bash", str(SCRIPTS / name), *arguments], cwd=machine, env=environment, text=True,
                          capture_output=True, timeout=60)


def passed_on(log):
    return [line.strip("[]") for line in log.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("change", ["none", "one too few", "one too many"])
def test_a_wrong_number_of_arguments_prints_the_usage(name, change, machine):
    count = {"none": 0, "one too few": len(ARGUMENTS[name].split()) - 1,
             "one too many": len(ARGUMENTS[name].split()) + 1}[change]
    result = run_script(machine, name, *["x"] * count)
    assert result.returncode == 2
    assert result.stderr == f"usage: bash scripts/{name} {ARGUMENTS[name]} [--key value ...]\n"
    assert not (machine / "x").exists()


def test_standalone_training_gets_its_arguments_as_absolute_paths_and_further_flags(machine):
    result = run_script(machine, "run_standalone_train_gpu.sh", "3", "my logs", "mobile.ckpt", "data", "/bg",
                        "--milestones", "2", "3", "--resume", "True", DEVICE_TARGET="CPU")
    assert result.returncode == 0
    log = (machine / "my logs" / "standalone_train.log").read_text()
    assert log.splitlines()[0] == str(SCRIPTS.parent)
    assert passed_on(log) == [
        "-u", "-m", "ms_impl.train", "--device_target", "CPU", "--device_id", "3", "--logs_dir", f"{machine}/my logs",
        "--ckpt_url", f"{machine}/mobile.ckpt", "--data_dir", f"{machine}/data", "--bg_dir", "/bg",
        "--milestones", "2", "3", "--resume", "True"]


@pytest.mark.parametrize("name", LOGS)
def test_code_settings_and_command_are_kept_beside_the_log(name, machine):
    kept = machine / "my logs" / "training_configs"
    run_script(machine, name, "3", "my logs", "mobile.ckpt", "data", "bg")
    for path in ("default_config.yaml", "dim_config.yaml", "ms_impl/train.py", "ms_impl/src/model.py",
                 "matting/training/trainer.py", f"scripts/{name}"):
        assert (kept / path).read_bytes() == (SCRIPTS.parent / path).read_bytes()
    assert not list(kept.rglob("__pycache__"))
    assert f"--logs_dir {machine}/my\\ logs" in (kept / "command").read_text()
    (kept / "ms_impl" / "train.py").write_text("# of an older version")
    (kept / "matting" / "removed_since.py").touch()
    (kept / "note.txt").write_text("a user's")
    run_script(machine, name, "3", "my logs", "mobile.ckpt", "data", "bg", "--resume", "True")
    assert (kept / "ms_impl" / "train.py").read_bytes() == (SCRIPTS.parent / "ms_impl/train.py").read_bytes()
    assert "--resume True" in (kept / "command").read_text()
    assert not (kept / "matting" / "removed_since.py").exists() and (kept / "note.txt").exists()


def test_what_is_started_from_a_snapshot_leaves_it_as_it_is(machine):
    run_script(machine, "run_standalone_train_gpu.sh", "3", "logs", "mobile.ckpt", "data", "bg")
    kept = machine / "logs" / "training_configs"
    before = {path: path.read_bytes() for path in kept.rglob("*.*") if path.is_file()}
    run_script(machine, kept / "scripts" / "run_standalone_train_gpu.sh", "4", "logs", "mobile.ckpt", "data", "bg")
    assert {path: path.read_bytes() for path in kept.rglob("*.*") if path.is_file()} == before
    assert "--device_id 4" in (kept / "command").read_text()
    log = (machine / "logs" / "standalone_train.log").read_text()
    assert str(kept) in log.splitlines()


TRAININGS = {"indexnet": network_flags({**NETWORK, "resampling": "max", "apply_aspp": False}),
             "dim": ["--model", "dim", "--stage", "encoder_decoder", "--width_mult", "0.125"]}


@pytest.mark.parametrize("model", TRAININGS)
def test_training_runs_again_from_the_snapshot(model, machine, prepared):
    """From it and from nothing else: the settings that it holds are other than the checkout's."""
    run_script(machine, "run_standalone_train_gpu.sh", "0", "logs", "", "AIM-500", "train2014")
    kept = machine / "logs" / "training_configs"
    settings = (kept / "default_config.yaml").read_text()
    (kept / "default_config.yaml").write_text(settings.replace("keep_checkpoint_max: 10 ", "keep_checkpoint_max: 7 "))
    result = run_script(
        machine, kept / "scripts" / "run_standalone_train_gpu.sh", "0", "again", "", prepared / "AIM-500",
        prepared / "train2014", "--batch_size", "2", "--input_size", "64", "--num_workers", "1", "--max_steps", "1",
        "--val_every", "0", *TRAININGS[model], DEVICE_TARGET="CPU", PYTHON=sys.executable)
    assert result.returncode == 0, result.stderr
    log = machine / "again" / "standalone_train.log"
    wait_for(log, "is complete", 120)
    saved, = (machine / "again").rglob("config.yaml")
    told = read_yaml(saved)
    assert (told["model"], told["keep_checkpoint_max"]) == (model, 7)
    assert len(list(saved.parent.glob("*-1_1.ckpt"))) == 1


def test_gpu_is_the_default_and_no_pretrained_weights_stay_none(machine):
    run_script(machine, "run_standalone_train_gpu.sh", "0", "logs", "", "data", "bg")
    given = passed_on((machine / "logs" / "standalone_train.log").read_text())
    assert given[given.index("--device_target") + 1] == "GPU"
    assert given[given.index("--ckpt_url") + 1] == ""


def test_distributed_training_is_launched_on_each_device(machine):
    result = run_script(machine, "run_distribute_train_gpu.sh", "4", "logs", "mobile.ckpt", "data", "bg",
                        "--batch_size", "2", DEVICE_TARGET="CPU")
    assert result.returncode == 0
    assert passed_on((machine / "logs" / "distribute_train.log").read_text()) == [
        "-u", "-m", "ms_impl.launch", "4", f"{machine}/logs/ranks", "--is_distributed", "True",
        "--device_target", "CPU", "--logs_dir", f"{machine}/logs", "--ckpt_url", f"{machine}/mobile.ckpt",
        "--data_dir", f"{machine}/data", "--bg_dir", f"{machine}/bg", "--batch_size", "2"]


@pytest.mark.parametrize(("rank", "own"), [("0", "logs"), ("1", "logs/machine_1")])
def test_each_machine_keeps_its_own_logs_and_all_train_into_one_folder(rank, own, machine):
    result = run_script(machine, "run_distribute_train_gpu.sh", "4", "logs", "mobile.ckpt", "data", "bg",
                        NODES="2", NODE_RANK=rank, MASTER_ADDR="10.0.0.1", MASTER_PORT="29500",
                        python=f'echo "machine $NODE_RANK of $NODES at $MASTER_ADDR, $MASTER_PORT"; {START}')
    assert result.returncode == 0
    log = (machine / own / "distribute_train.log").read_text()
    given = passed_on(log)
    assert given[4] == f"{machine}/{own}/ranks" and given[given.index("--logs_dir") + 1] == f"{machine}/logs"
    assert f"machine {rank} of 2 at 10.0.0.1, 29500" in log
    assert (machine / own / "training_configs" / "command").exists()
    assert sorted(path.name for path in (machine / "logs").iterdir()) == (
        ["distribute_train.log", "training_configs"] if rank == "0" else ["machine_1"])


def test_evaluation_runs_in_the_foreground_and_passes_its_status_on(machine):
    result = run_script(machine, "run_eval_gpu.sh", "1", "best.ckpt", "data", "logs", "--metric_protocol", "adobe",
                        python="exit 3")
    assert result.returncode == 3
    assert passed_on(result.stdout) == [
        "-u", "-m", "ms_impl.eval", "--device_target", "GPU", "--device_id", "1", "--ckpt_url", f"{machine}/best.ckpt",
        "--data_dir", f"{machine}/data", "--logs_dir", f"{machine}/logs", "--metric_protocol", "adobe"]


@pytest.mark.parametrize("name", LOGS)
def test_an_early_failure_is_shown_not_only_logged(name, machine):
    fail = "echo 'error: train2014: no such folder' >&2; exit 1"
    (machine / "logs").mkdir()
    (machine / "logs" / LOGS[name]).write_text("INFO training of the run before\n")
    result = run_script(machine, name, "1", "logs", "mobile.ckpt", "data", "bg", python=fail)
    assert result.returncode == 1
    assert "error: train2014: no such folder\n" in result.stderr
    assert "run before" not in result.stderr
    log = (machine / "logs" / LOGS[name]).read_text()
    assert log.startswith("INFO training of the run before\n") and "error: train2014" in log


def background_process(result):
    return int(result.stdout.split("process ")[1].split()[0])


def test_training_goes_on_in_the_background_until_it_is_stopped_as_told(machine):
    trains = "trap 'echo saved; exit 143' TERM; echo 'INFO training x'; while :; do sleep 0.1; done"
    result = run_script(machine, "run_standalone_train_gpu.sh", "0", "logs", "mobile.ckpt", "data", "bg", python=trains)
    log = machine / "logs" / "standalone_train.log"
    process = background_process(result)
    assert result.returncode == 0
    assert f"log:  {log}" in result.stdout
    assert f"stop: kill {process}" in result.stdout
    os.kill(process, 0)
    os.kill(process, signal.SIGTERM)
    wait_for(log, "saved")


def test_training_that_starts_slowly_is_not_waited_for_for_ever(machine):
    result = run_script(machine, "run_standalone_train_gpu.sh", "0", "logs", "mobile.ckpt", "data", "bg",
                        python="exec sleep 30", PATIENCE="1")
    assert result.returncode == 0
    os.kill(background_process(result), signal.SIGKILL)


def test_the_launchers_wait_for_a_line_that_training_logs():
    started = (SCRIPTS / "common.sh").read_text().split('STARTED="INFO ')[1].split('"')[0]
    assert f'log.info("{started}%s: ' in (SCRIPTS.parent / "matting/training/trainer.py").read_text()
