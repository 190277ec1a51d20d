"""What a training run tells about itself: a progress line, metrics.jsonl and TensorBoard event files."""
import contextlib
import json
import logging
import os
import statistics
import time
from collections import deque
from datetime import timedelta
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tqdm import tqdm

from matting.compositing import composite
from matting.files import atomic_path
from matting.inference import to_uint8

log = logging.getLogger(__name__)

JOURNAL_NAME = "metrics.jsonl"
FLUSH_SECONDS = 10  # between flushes of the event file to disk, each of which waits for the disk
STEPS_IN_ETA = 50  # the expected time left is the median of so many steps


class Journal:
    """metrics.jsonl: one JSON record a line, each with the `step` it was taken after.

    A run resumed after `step` steps drops what was recorded later (those steps are taken again) and a torn last line.
    """

    def __init__(self, folder, step):
        path = Path(folder) / JOURNAL_NAME
        kept = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    break
                if record["step"] <= step:
                    kept.append(record)
        with atomic_path(path) as temporary:
            temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        self.validations = [record for record in kept if "validation" in record]
        self._file = path.open("a", encoding="utf-8")

    def write(self, **record):
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if "validation" in record:
            self.validations.append(record)

    def close(self):
        self._file.close()


class Board:
    """A TensorBoard event file of a run resumed after `step` steps.

    Not tensorboardX's SummaryWriter, because that one's thread hangs the program when the disk is full.
    """

    def __init__(self, folder, step):
        folder = Path(folder) / "tensorboard"
        folder.mkdir(exist_ok=True)
        self._file = EventsWriter(str(folder / "events"), filename_suffix=f".{os.getpid()}")
        self._flushed = 0
        self._write(step + 1, session_log=SessionLog(status=SessionLog.START))  # hides what a killed run wrote later

    def scalars(self, step, group, values):
        """{name: number} as the curves group/name."""
        for name, value in values.items():
            self._write(step, summary=summary.scalar(f"{group}/{name}", value))

    def pictures(self, step, pictures):
        """{name: (H, W) or (H, W, 3), shown clipped to [0, 1]}."""
        for name, picture in pictures.items():
            pixels = to_uint8(picture.clip(0, 1))
            self._write(step, summary=summary.image(name, pixels, dataformats="HWC"[:pixels.ndim]))

    def close(self):
        self._file.close()

    def _write(self, step, **content):
        now = time.time()
        self._file.write_event(Event(step=step, wall_time=now, **content))
        if now - self._flushed > FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now


class Progress:
    """A bar on a terminal, log lines elsewhere; the same figures to the journal and to TensorBoard. A context manager.

    start: steps already done. samples: taken in one step, over all devices. log_every: steps between reports.
    """

    def __init__(self, folder, start, total, steps_per_epoch, samples, log_every):
        self.total = total
        self.steps_per_epoch = steps_per_epoch
        self.samples = samples
        self.log_every = log_every
        self.journal = Journal(folder, start)
        self.board = Board(folder, start)
        self.bar = tqdm(total=total, initial=start, disable=None, bar_format="{l_bar}{bar}| {n}/{total}{postfix}")
        self._recent = deque(maxlen=STEPS_IN_ETA)

    def step(self, step, results, rates, waited, computed):
        """Report a step, counted from 1.

        results: {"loss": number, ...}; rates: {name: learning rate}; seconds waited for data and computed.
        """
        self.bar.update()
        self._recent.append(waited + computed)
        if step % self.log_every and step < self.total:
            return
        seconds = waited + computed
        figures = {
            **results,
            "step_ms": round(1000 * seconds, 1),
            "data_wait": round(waited / seconds, 3),  # share of the step's time
            "samples_per_second": round(self.samples / seconds, 2),
        }
        epoch = (step - 1) // self.steps_per_epoch + 1
        self.journal.write(step=step, epoch=epoch, samples=self.samples, learning_rates=rates, **figures)
        self.board.scalars(step, "training", figures)
        self.board.scalars(step, "learning_rate", rates)
        steady = list(self._recent)[1:] or self._recent  # the first step compiles
        left = timedelta(seconds=round(statistics.median(steady) * (self.total - step)))
        line = (f"loss {figures['loss']:.5f}, {figures['step_ms']:.0f} ms, "
                f"{figures['data_wait']:.0%} of it waiting for data, "
                f"{figures['samples_per_second']:.1f} samples/s, {left} left")
        if self.bar.disable:
            log.info("epoch %d, step %d/%d: %s", epoch, step, self.total, line)
        else:
            self.bar.set_postfix_str(f"epoch {epoch}, {line}")

    def validation(self, step, means):
        """Record validation means {metric: value}."""
        self.board.scalars(step, "validation", means)
        self.journal.write(step=step, validation=means)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.bar.close()
        with contextlib.suppress(OSError) if error else contextlib.nullcontext():  # the first error is the one to tell
            self.board.close()
            self.journal.close()


def first_sample_pictures(batch, predict, config):
    """A batch's first sample and its prediction -> {name: (H, W) or (H, W, 3), about [0, 1]} for TensorBoard."""
    first = {name: column[0].transpose(1, 2, 0) for name, column in batch.items()}
    predicted = predict(batch["input"][:1])[0, 0].clip(0, 1)
    return {
        "background": first["background"],
        "foreground": first["foreground"],
        "input": first["composite"],
        "trimap": first["input"][:, :, 3] * config.img_std[3] + config.img_mean[3],
        "predicted_alpha": predicted,
        "true_alpha": first["alpha"][:, :, 0],
        "composite_with_predicted_alpha": composite(first["foreground"], first["background"], predicted),
    }
