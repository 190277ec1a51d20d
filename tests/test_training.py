"""The training loop: what it learns, keeps and says, and that a run stopped in any way continues bit for bit."""
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from matting.config import RESOLVED_NAME, config_parser, load_config
from matting.errors import Stopped, UserError
from matting.training.dropout import dropout_mask
from matting.training.moving_average import MovingAverage
from matting.training.reporting import first_sample_pictures
from matting.training.stage import ProcessGroup
from matting.training.stop import StopSignal
from matting.training.trainer import Trainer, settle_batch_norm
from tests.small_disk import small_disk
from tests.tensorboard import board
from tests.tiny_training import FLAGS, STAGE, STEPS_PER_EPOCH, LinearLearner, batches, validate
from tests.waiting import wait_until

PROGRAM = Path(__file__).with_name("tiny_training.py")
ROOT = PROGRAM.parent.parent
LAST_STEP = 4 * STEPS_PER_EPOCH


def make_config(folder, *flags):
    return load_config(config_parser(""), [*FLAGS, "--logs_dir", str(folder), *flags])[0]


def train(folder, *flags, learner=None, batches=batches, validate=validate):
    """Run the tiny training in this process -> its learner."""
    learner = learner or LinearLearner()
    Trainer(STAGE, learner, batches, STEPS_PER_EPOCH, validate, make_config(folder, *flags)).run()
    return learner


def start_program(folder, *flags):
    """Start the tiny training as a program of its own, slow enough to be caught in the act."""
    command = [sys.executable, str(PROGRAM), *FLAGS, "--logs_dir", str(folder), "--pause", "0.03", *flags]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for_step(folder, step):
    wait_until(lambda: any(record["step"] >= step for record in journal(folder)), 30, f"it never came to step {step}")


def journal(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def losses(folder):
    return [(record["step"], record["loss"]) for record in journal(folder) if "loss" in record]


def validations(folder):
    return [(record["step"], record["validation"]["sad"]) for record in journal(folder) if "validation" in record]


def checkpoint_names(folder):
    return sorted(path.name for path in folder.glob("tiny-*.bin"))


def assert_equal_runs(folder, expected_folder):
    """Same losses, validations, weights and optimiser state, bit for bit."""
    assert losses(folder) == losses(expected_folder)
    assert validations(folder) == validations(expected_folder)
    for name in ("tiny-4_5.bin", "best.bin"):
        assert (folder / name).read_bytes() == (expected_folder / name).read_bytes()
    with np.load(folder / "tiny-4_5.resume.npz") as state, np.load(expected_folder / "tiny-4_5.resume.npz") as expected:
        np.testing.assert_array_equal(state["momentum"], expected["momentum"])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder)
    return folder


def test_training_learns_the_regression(uninterrupted):
    (_, first), *_, (last_step, last) = losses(uninterrupted)
    assert last_step == LAST_STEP
    assert last < first / 20


@pytest.mark.parametrize("step", [3, 8, 16])
def test_a_run_killed_at_any_step_and_resumed_equals_the_uninterrupted_one(step, tmp_path, uninterrupted):
    program = start_program(tmp_path)
    wait_for_step(tmp_path, step)
    program.kill()
    program.communicate()
    assert len(losses(tmp_path)) < LAST_STEP
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_equality_of_runs_notices_another_seed(tmp_path, uninterrupted):
    train(tmp_path, batches=lambda step: batches(step + 1))
    with pytest.raises(AssertionError):
        assert_equal_runs(tmp_path, uninterrupted)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_epoch_saves_that_step_and_says_how_to_continue(number, status, tmp_path, uninterrupted):
    program = start_program(tmp_path)
    wait_for_step(tmp_path, 7)
    program.send_signal(number)
    output, _ = program.communicate(timeout=30)
    assert program.returncode == status
    last_step, _ = losses(tmp_path)[-1]
    assert checkpoint_names(tmp_path)[-1] == f"tiny-{(last_step - 1) // 5 + 1}_{(last_step - 1) % 5 + 1}.bin"
    assert f"stopped by {number.name}; the same command with --resume True continues" in output.splitlines()[-1]
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_loader_processes_that_a_signal_ended_do_not_hide_it(tmp_path):
    def killed_while_waiting(step):
        yield from (batch for _, batch in zip(range(2), batches(step), strict=False))
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError("a loader process was interrupted")

    with pytest.raises(Stopped) as stop:
        train(tmp_path, batches=killed_while_waiting)
    assert stop.value.number == signal.SIGINT
    assert checkpoint_names(tmp_path) == ["tiny-1_2.bin"]


def test_the_first_signal_decides_the_status():
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.number == signal.SIGINT


def test_a_second_interrupt_stops_at_once():
    with pytest.raises(KeyboardInterrupt), StopSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.number == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_signals_are_obeyed_again_after_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    train(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_validation_that_was_killed_is_made_up_for(tmp_path, uninterrupted):
    class Killed(BaseException):
        pass

    def killed_validation(predict):
        if len(checkpoint_names(tmp_path)) == 2:
            raise Killed
        return validate(predict)

    with pytest.raises(Killed):
        train(tmp_path, validate=killed_validation)
    assert [step for step, _ in validations(tmp_path)] == [5]
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_a_signal_during_validation_is_answered_before_its_end(tmp_path):
    def long_validation(predict):
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            predict(np.ones((1, 4, 1, 1)))

    with pytest.raises(Stopped) as stop:
        train(tmp_path, validate=long_validation)
    assert stop.value.number == signal.SIGTERM
    assert checkpoint_names(tmp_path) == ["tiny-1_5.bin"]


def test_validation_follows_val_every_and_the_last_step(tmp_path):
    train(tmp_path, "--val_every", "3")
    assert [step for step, _ in validations(tmp_path)] == [15, 20]


def test_val_every_0_never_validates(tmp_path):
    train(tmp_path, "--val_every", "0", validate=None)
    assert validations(tmp_path) == []


def test_best_checkpoint_is_the_one_of_the_lowest_sad_also_after_a_resume(tmp_path):
    scores = {5: 3.0, 10: 1.0, 15: 2.0, 20: 1.5}
    learner = LinearLearner()

    def scripted(predict):
        return {"sad": scores[losses(tmp_path)[-1][0]]}

    train(tmp_path, "--max_steps", "10", learner=learner, validate=scripted)
    best = learner.coefficients.tobytes()
    train(tmp_path, "--resume", "True", "--keep_checkpoint_max", "1", validate=scripted)
    assert (tmp_path / "best.bin").read_bytes() == best
    assert checkpoint_names(tmp_path) == ["tiny-4_5.bin"]


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train(tmp_path, "--keep_checkpoint_max", "2", "--epochs", "12")
    assert checkpoint_names(tmp_path) == ["tiny-11_5.bin", "tiny-12_5.bin"]
    assert len(list(tmp_path.glob("*.resume.npz"))) == 2


def test_max_steps_may_end_an_epoch_early(tmp_path):
    train(tmp_path, "--max_steps", "7")
    assert checkpoint_names(tmp_path) == ["tiny-1_5.bin", "tiny-2_2.bin"]


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    train(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*") if path.name != RESOLVED_NAME}
    train(tmp_path, "--resume", "True")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_more_epochs_continue_a_finished_run(tmp_path):
    whole = train(tmp_path / "whole", "--epochs", "6")
    train(tmp_path / "parts")
    parts = train(tmp_path / "parts", "--epochs", "6", "--resume", "True")
    np.testing.assert_array_equal(parts.coefficients, whole.coefficients)


def test_resume_without_checkpoints_starts_from_the_beginning(tmp_path, uninterrupted):
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_existing_checkpoints_are_not_overwritten_unasked(tmp_path):
    train(tmp_path)
    before = (tmp_path / "tiny-1_5.bin").read_bytes()
    with pytest.raises(UserError, match="holds the checkpoint tiny-4_5.bin; continue with --resume True"):
        train(tmp_path)
    assert (tmp_path / "tiny-1_5.bin").read_bytes() == before


@pytest.mark.parametrize("damage", ["weights", "state", "state missing", "state of another step"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(damage, tmp_path, uninterrupted, caplog):
    train(tmp_path, "--max_steps", "10")
    weights, state = tmp_path / "tiny-2_5.bin", tmp_path / "tiny-2_5.resume.npz"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "state":
        state.write_bytes(state.read_bytes()[:-100])
    elif damage == "state missing":
        state.unlink()
    else:
        state.write_bytes((tmp_path / "tiny-1_5.resume.npz").read_bytes())
    train(tmp_path, "--resume", "True")
    assert "tiny-2_5" in caplog.text and "passing over this checkpoint" in caplog.text
    assert_equal_runs(tmp_path, uninterrupted)


def test_a_damaged_checkpoint_drives_no_good_one_out(tmp_path):
    train(tmp_path, "--max_steps", "10")
    (tmp_path / "tiny-2_5.resume.npz").unlink()
    train(tmp_path, "--resume", "True", "--keep_checkpoint_max", "1", "--max_steps", "7")
    assert checkpoint_names(tmp_path) == ["tiny-2_2.bin", "tiny-2_5.bin"]
    train(tmp_path, "--resume", "True", "--keep_checkpoint_max", "1", "--max_steps", "8")
    assert losses(tmp_path)[-1][0] == 8


def test_resume_refuses_when_every_checkpoint_is_damaged(tmp_path):
    train(tmp_path)
    for state in tmp_path.glob("*.resume.npz"):
        state.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 4 checkpoints can be resumed from"):
        train(tmp_path, "--resume", "True")


def test_resume_refuses_another_batch_size(tmp_path):
    train(tmp_path)
    with pytest.raises(UserError, match="tiny-4_5.bin: was trained with batch_size 2, not 3"):
        train(tmp_path, "--resume", "True", "--batch_size", "3")


def test_a_checkpoint_older_than_a_setting_is_one_without_it(tmp_path, uninterrupted):
    train(tmp_path, "--max_steps", "10")
    path = tmp_path / "tiny-2_5.resume.npz"
    with np.load(path) as archive:
        state = dict(archive)
    record = json.loads(state["record"].item())
    del record["settings"]["amp"]
    np.savez(path, **{**state, "record": json.dumps(record)})
    with pytest.raises(UserError, match="was trained with amp False, not True"):
        train(tmp_path, "--resume", "True", "--amp", "True")
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_partial_files_of_a_killed_run_are_removed(tmp_path):
    partial = tmp_path / ".tiny-1_5.123.partial.bin"
    partial.write_bytes(b"half")
    train(tmp_path)
    assert not partial.exists()


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_names_the_step_and_the_last_good_checkpoint(loss, tmp_path):
    class Diverging(LinearLearner):
        def step(self, batch, learning_rate):
            super().step(batch, learning_rate)
            return loss if len(losses(tmp_path)) == 6 else 0.1

    with pytest.raises(UserError, match=rf"loss of step 7 is {loss}; the last good checkpoint is .*tiny-1_5.bin"):
        train(tmp_path, learner=Diverging())
    assert checkpoint_names(tmp_path) == ["tiny-1_5.bin"]


def test_a_state_that_is_not_finite_is_never_saved(tmp_path):
    class Diverging(LinearLearner):
        def state(self):
            return {"momentum": np.array([np.nan])}

    with pytest.raises(UserError, match="after step 5 the optimiser's momentum is not finite; there is no checkpoint"):
        train(tmp_path, learner=Diverging())
    assert checkpoint_names(tmp_path) == []


def test_a_full_disk_keeps_the_last_good_checkpoint_and_says_so(tmp_path, uninterrupted):
    class FullDisk(LinearLearner):
        def save(self, path):
            path.write_bytes(self.coefficients.tobytes()[:7])
            if checkpoint_names(tmp_path):
                path.with_name(f".{path.stem}.tmp").touch()  # as MindSpore leaves one
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().save(path)

    with pytest.raises(UserError, match="tiny-2_5.bin: checkpoint not saved .No space left on device.; the last good "
                                        "checkpoint is .*tiny-1_5.bin; the same command with --resume True"):
        train(tmp_path, learner=FullDisk())
    assert not list(tmp_path.glob(".*"))
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def test_a_disk_that_is_really_full_ends_the_program_with_one_line(tmp_path):
    with small_disk(tmp_path, "64k") as mounted:
        if not mounted:
            pytest.skip("mounting a small file system needs root")
        program = start_program(tmp_path, "--epochs", "400", "--pause", "0")
        output, _ = program.communicate(timeout=60)
        assert program.returncode == 1
        assert "Traceback" not in output
        assert sum(line.startswith("error: ") for line in output.splitlines()) == 1
        assert "No space left" in output or "disk is full" in output
        assert checkpoint_names(tmp_path)


def test_a_bad_sample_ends_training_with_what_was_learned_saved(tmp_path, uninterrupted):
    def until_bad_sample(step):
        for number, batch in enumerate(batches(step), step + 1):
            if number == 8:
                raise UserError("o_1.png: is damaged")
            yield batch

    with pytest.raises(UserError, match="o_1.png: is damaged"):
        train(tmp_path, batches=until_bad_sample)
    assert checkpoint_names(tmp_path) == ["tiny-1_5.bin", "tiny-2_2.bin"]
    train(tmp_path, "--resume", "True")
    assert_equal_runs(tmp_path, uninterrupted)


def train_as(group, folder, *flags, validate=validate):
    Trainer(STAGE, LinearLearner(), batches, STEPS_PER_EPOCH, validate, make_config(folder, *flags), group).run()


def everything_in(folder):
    """{path: content; None of a folder}"""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_only_the_first_of_several_processes_writes(tmp_path):
    """And reads: the others take their start from its messages, on machines that hold none of its files."""
    told, elsewhere = [], tmp_path / "elsewhere"

    def tell(message):
        told.append(message)
        return message

    train_as(ProcessGroup(0, 2, lambda truth: truth, share=tell), tmp_path)
    assert checkpoint_names(tmp_path)[-1] == "tiny-4_5.bin"
    written = everything_in(tmp_path)
    for folder in (elsewhere, tmp_path):  # of a machine of its own, and the same
        hear = iter(told)
        train_as(ProcessGroup(1, 2, lambda truth: truth, share=lambda message, hear=hear: next(hear)), folder)
        assert not list(hear)
        assert everything_in(tmp_path) == written


def test_the_others_continue_from_what_the_first_process_resumes(tmp_path):
    told, stopped = [], chain([False] * 7, repeat(True))

    def tell(message):
        told.append(message)
        return message

    with pytest.raises(Stopped):
        train_as(ProcessGroup(0, 2, lambda truth: next(stopped), share=tell), tmp_path)
    told.clear()
    train_as(ProcessGroup(0, 2, lambda truth: truth, share=tell), tmp_path, "--resume", "True")
    hear, steps = iter(told), []
    learner = LinearLearner()
    Trainer(STAGE, learner, lambda step: steps.append(step) or batches(step), STEPS_PER_EPOCH, validate,
            make_config(tmp_path / "elsewhere"), ProcessGroup(1, 2, bool, share=lambda message: next(hear))).run()
    assert steps[0] > 0
    first = LinearLearner()
    first.load(tmp_path / "tiny-4_5.bin")
    np.testing.assert_array_equal(learner.coefficients, first.coefficients)


def test_all_processes_stop_when_one_of_them_was_signalled(tmp_path):
    answers = chain([False], repeat(True))  # one before the first step
    with pytest.raises(Stopped) as stop:
        train_as(ProcessGroup(0, 2, lambda truth: next(answers)), tmp_path)
    assert stop.value.number == signal.SIGTERM
    assert checkpoint_names(tmp_path) == ["tiny-1_1.bin"]


def test_the_others_wait_for_a_validation_outside_of_any_sum(tmp_path):
    processes = multiprocessing.get_context("fork")
    barrier, truths, inside = processes.Barrier(2), processes.Array("b", 2), processes.Array("b", 2)
    hearing, telling = processes.Pipe(duplex=False)
    meanwhile = []

    def group(rank):
        def any_of_both(truth):
            truths[rank], inside[rank] = truth, True
            barrier.wait()
            answer = any(truths)
            barrier.wait()
            inside[rank] = False
            return answer

        def share(message):
            if rank:
                return hearing.recv_bytes()
            telling.send_bytes(message)
            return message

        return ProcessGroup(rank, 2, any_of_both, share=share)

    def slow_validate(predict):
        time.sleep(0.2)
        meanwhile.append(inside[1])
        return validate(predict)

    other = processes.Process(target=train_as, args=(group(1), tmp_path))
    other.start()
    train_as(group(0), tmp_path, validate=slow_validate)
    other.join()
    assert other.exitcode == 0
    assert meanwhile == [0] * 4


def test_resume_refuses_another_number_of_processes(tmp_path):
    train(tmp_path)
    with pytest.raises(UserError, match="was trained with batch_size 2, not 4"):
        train_as(ProcessGroup(0, 2, lambda truth: truth), tmp_path, "--resume", "True")


def test_logs_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken: is not a folder; choose another"):
        train(tmp_path / "taken")


def test_effective_configuration_lies_beside_the_checkpoints(uninterrupted):
    assert "batch_size: 2" in (uninterrupted / RESOLVED_NAME).read_text()


def test_journal_holds_what_a_reader_wants_of_each_step(uninterrupted):
    record = journal(uninterrupted)[0]
    assert record["step"] == 1 and record["epoch"] == 1
    assert record["samples"] == 2
    assert record["learning_rates"] == {"weights": pytest.approx(0.1)}
    assert 0 <= record["data_wait"] <= 1
    assert record["step_ms"] > 0 and record["samples_per_second"] > 0


def test_log_every_thins_the_journal_but_keeps_the_last_step(tmp_path):
    train(tmp_path, "--log_every", "7")
    assert [step for step, _ in losses(tmp_path)] == [7, 14, 20]


def test_tensorboard_shows_loss_rates_validation_and_pictures(uninterrupted):
    steps = {tag: [step for step, _ in values] for tag, values in board(uninterrupted).items()}
    assert steps["training/loss"] == steps["learning_rate/weights"] == list(range(1, LAST_STEP + 1))
    for tag in ("validation/sad", "input", "trimap", "predicted_alpha", "true_alpha", "composite_with_predicted_alpha"):
        assert steps[tag] == [5, 10, 15, 20]


def test_pictures_recompose_with_the_predicted_alpha(tmp_path):
    batch = next(batches(0))
    for column in batch.values():
        column.flags.writeable = False
    half = np.full((1, 1, 4, 4), 0.5, np.float32)
    pictures = first_sample_pictures(batch, lambda image: half, make_config(tmp_path))
    expected = (batch["foreground"][0] + batch["background"][0]).transpose(1, 2, 0) / 2
    np.testing.assert_allclose(pictures["composite_with_predicted_alpha"], expected, rtol=1e-6)
    np.testing.assert_array_equal(pictures["trimap"], batch["input"][0, 3])
    np.testing.assert_array_equal(pictures["true_alpha"], batch["alpha"][0, 0])


def test_the_average_forgets_by_its_decay_and_trains_as_without_it(tmp_path):
    plain, averaged = LinearLearner(), MovingAverage(LinearLearner(), 0.2)
    expected = plain.coefficients
    for step, (batch, decay) in enumerate(zip(batches(0), (1 / 10, 2 / 11, 0.2), strict=False)):  # 3 / 12 is more
        assert averaged.step(batch, 0.1) == plain.step(batch, 0.1)
        expected = decay * expected + (1 - decay) * plain.coefficients
        averaged.save(tmp_path / str(step))
        np.testing.assert_allclose(np.frombuffer((tmp_path / str(step)).read_bytes()), expected, rtol=1e-12)
        np.testing.assert_array_equal(averaged.learner.coefficients, plain.coefficients)
    ones = np.ones((1, 4, 1, 1))
    assert averaged.predict(ones).item() == pytest.approx(expected.sum()) != pytest.approx(plain.predict(ones).item())
    np.testing.assert_allclose(np.frombuffer((tmp_path / "2").read_bytes()), expected)


def test_an_averaged_training_continues_bit_for_bit(tmp_path):
    flags = "--ema_decay", "0.9"
    train(tmp_path / "whole", *flags, learner=MovingAverage(LinearLearner(), 0.9))
    train(tmp_path / "parts", *flags, "--max_steps", "10", learner=MovingAverage(LinearLearner(), 0.9))
    train(tmp_path / "parts", *flags, "--resume", "True", learner=MovingAverage(LinearLearner(), 0.9))
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    with np.load(tmp_path / "whole" / "tiny-4_5.resume.npz") as state:
        saved = np.frombuffer((tmp_path / "whole" / "tiny-4_5.bin").read_bytes())
        assert abs(saved - state["weights.coefficients"]).max() > 1e-4


class Counting(LinearLearner):
    """Its one weight is 1 at first and 0 ever after."""

    def __init__(self):
        super().__init__()
        self.coefficients = np.ones(1)

    def step(self, batch, learning_rate):
        self.coefficients = np.zeros(1)


def share_of_the_initial_weights(learner, steps):
    for _ in range(steps):
        learner.step(None, 0.1)
    return learner.average.coefficients.item()


def test_initial_weights_are_soon_forgotten():
    assert share_of_the_initial_weights(MovingAverage(Counting(), 0.999), 180) < 1e-12
    warmed_up = MovingAverage(Counting(), 0.999)
    warmed_up.restore({"momentum": None, "weights.coefficients": np.ones(1)})  # saved before there was a warm-up
    assert share_of_the_initial_weights(warmed_up, 180) == pytest.approx(0.999**180)


def test_resume_refuses_to_begin_averaging_in_mid_run(tmp_path):
    train(tmp_path)
    with pytest.raises(UserError, match="was trained with ema_decay 0.0, not 0.9"):
        train(tmp_path, "--resume", "True", "--ema_decay", "0.9")


def test_dropout_is_a_function_of_seed_and_step():
    mask = dropout_mask((2, 3, 40, 40), 0.5, seed=1, step=2)
    assert mask.dtype == np.float32 and set(np.unique(mask)) == {0, 2}
    assert mask.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(mask, dropout_mask((2, 3, 40, 40), 0.5, seed=1, step=2))
    assert (mask != dropout_mask((2, 3, 40, 40), 0.5, seed=1, step=3)).any()


def test_processes_together_drop_what_one_would():
    alone = dropout_mask((6, 2, 5, 5), 0.5, seed=1, step=2)
    for rank in range(3):
        np.testing.assert_array_equal(dropout_mask((2, 2, 5, 5), 0.5, 1, 2, rank, ranks=3), alone[rank::3])


def test_probability_0_drops_nothing():
    assert (dropout_mask((1, 2, 3, 3), 0, seed=0, step=1) == 1).all()


def test_batch_norm_is_trained_where_no_pretrained_weights_are_given(tmp_path, caplog):
    assert settle_batch_norm(make_config(tmp_path)).encoder_bn == "trained"
    assert "no --ckpt_url" in caplog.text
    assert settle_batch_norm(make_config(tmp_path, "--ckpt_url", "backbone.ckpt")).encoder_bn == "frozen"
