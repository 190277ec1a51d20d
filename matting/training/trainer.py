"""The training loop of both frameworks and every network: steps, checkpoints, validation, stops that lose nothing."""
import io
import json
import logging
import math
import signal
import tempfile
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from matting.config import save_config
from matting.dataset.composites import check_unseen
from matting.errors import Stopped, UserError, short_of_memory
from matting.programs.evaluation import validate, validation_composites
from matting.training.agreement import check_same_start
from matting.training.checkpoints import Checkpoints
from matting.training.moving_average import MovingAverage
from matting.training.reporting import Progress, first_sample_pictures
from matting.training.stage import SINGLE_PROCESS
from matting.training.stop import StopSignal

log = logging.getLogger(__name__)

CRITERION = "sad"  # the validation mean by which the best checkpoint is chosen


class Trainer:
    """One stage's training, from its start or from the last good checkpoint in config.folder(stage.name).

    batches(step): iterable over the batches after `step` steps, at least to the end of training; closed when done.
    validate(predict): {metric: mean over the validation set}; not called where config.val_every is 0.
    group: the processes that train together, each on its own share of the data; the first one writes.
    """

    def __init__(self, stage, learner, batches, steps_per_epoch, validate, config, group=SINGLE_PROCESS):
        self.stage = stage
        self.learner = learner
        self.batches = batches
        self.steps_per_epoch = steps_per_epoch
        self.validate = validate
        self.config = config
        self.group = group
        self.leads = group.rank == 0
        self.folder = config.folder(stage.name)
        self.batch_size = config.batch_size * group.size
        self.rates = stage.schedule(config, steps_per_epoch)[:config.max_steps or None]
        self.checkpoints = Checkpoints(self.folder, stage.name, learner.suffix, steps_per_epoch,
                                       config.keep_checkpoint_max)
        self.stop = StopSignal()
        self.progress = nullcontext()

    def run(self):
        """Train to the last step.

        Raises Stopped after SIGINT or SIGTERM, with the last step saved, and UserError where training cannot go on:
        logs_dir unusable or taken, a loss that is not finite, a full disk, a bad sample.
        """
        start = self._start()
        total = len(self.rates)
        log.info("training %s: %d epochs of %d steps of %d samples, from step %d to %d, into %s", self.stage.name,
                 self.config.epochs, self.steps_per_epoch, self.batch_size, start, total, self.folder)
        if self.leads:
            self.progress = Progress(self.folder, start, total, self.steps_per_epoch, self.batch_size,
                                     self.config.log_every)
        with self.stop, self.progress, logging_redirect_tqdm():
            try:
                self._by_leader(partial(self._validate_if_due, start))
                self._take_steps(start)
            except Stopped as stopped:
                log.info("stopped by %s; the same command with --resume True continues", stopped)
                raise
        log.info("training %s is complete, into %s", self.stage.name, self.folder)
        self.group.any(False)  # nobody goes on to the next stage before the best checkpoint is chosen

    def _start(self):
        """Prepare logs_dir and the learners -> steps already done."""
        if self.leads:
            return self._hand_over(self._prepare())
        return self._take_over()

    def _prepare(self):
        """Prepare logs_dir and the learner of the first process, which alone reads and writes there."""
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"logs_dir {folder}: is not a folder; choose another") from None
        paths = self.checkpoints.paths()
        if paths and not self.config.resume:
            raise UserError(f"{folder}: holds the checkpoint {paths[-1].name}; continue with --resume True, "
                            "or start anew in another logs_dir")
        start = self.checkpoints.restore(self.learner, self._settings())
        self.checkpoints.remove_partial()
        save_config(self.config, folder)
        return start

    def _hand_over(self, start):
        """Give the others what this process starts from, so that they need no file of it -> start."""
        if self.group.size > 1:
            with tempfile.TemporaryDirectory() as folder:
                weights, state = Path(folder) / f"start{self.learner.suffix}", io.BytesIO()
                self.learner.save(weights)
                np.savez(state, **self.learner.state())
                for message in (json.dumps(start).encode(), weights.read_bytes(), state.getvalue()):
                    self.group.share(message)
        return start

    def _take_over(self):
        """Start from what the first process hands over -> steps already done."""
        start, weights, state = (self.group.share(b"") for _ in range(3))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"start{self.learner.suffix}"
            path.write_bytes(weights)
            self.learner.load(path)
        with np.load(io.BytesIO(state)) as archive:
            self.learner.restore(dict(archive))
        return json.loads(start)

    def _settings(self):
        """What a run must share with the one it continues."""
        return {"steps_per_epoch": self.steps_per_epoch, "batch_size": self.batch_size, "seed": self.config.seed,
                "encoder_bn": self.config.encoder_bn, "amp": self.config.amp, "ema_decay": self.config.ema_decay,
                "sync_batch_norm": self.config.sync_batch_norm}

    def _take_steps(self, start):
        with closing(iter(self.batches(start))) as batches:
            for step, rate in enumerate(self.rates[start:].tolist(), start + 1):
                began = time.perf_counter()
                batch = self._next(batches, step - 1)
                ready = time.perf_counter()
                with short_of_memory(f"step {step}",
                                     f"lower --batch_size or --input_size; {self.checkpoints.advice()}"):
                    loss = self.learner.step(batch, rate)
                if not math.isfinite(loss):
                    raise UserError(f"the loss of step {step} is {loss}; {self.checkpoints.advice()}; "
                                    "a smaller --learning_rate may help")
                self._after_step(step, batch, loss, rate, ready - began, time.perf_counter() - ready)

    def _after_step(self, step, batch, loss, rate, waited, computed):
        """Report; save, show and validate where an epoch ends; stop where that was asked for."""
        stopping = self.group.any(self.stop.number > 0)  # all or none: the others would wait for the one that stopped
        ends_epoch = step % self.steps_per_epoch == 0 or step == len(self.rates)
        if self.leads:
            rates = {name: rate * share for name, share in self.stage.trains.items()}
            self.progress.step(step, {"loss": loss, **self.learner.diagnostics()}, rates, waited, computed)
            if ends_epoch or stopping:
                self._save(step)
        if stopping:
            self.group.any(True)  # nobody leaves before the checkpoint is written
            raise self._stopped()
        if ends_epoch:
            self._by_leader(partial(self._show_and_validate, step, batch))

    def _by_leader(self, work):
        """Have the first process work for as long as it takes while the others wait; raises Stopped in all or in none.

        They wait for a message, since MindSpore's sums over processes give up after a while.
        """
        if self.leads:
            with suppress(Stopped):
                work()
        self.group.share(b"")
        if self.group.any(self.stop.number > 0):
            raise self._stopped()

    def _stopped(self):
        """By the signal that came here, or by one that another process got."""
        return Stopped(self.stop.number or signal.SIGTERM)

    def _show_and_validate(self, step, batch):
        self.progress.board.pictures(step, first_sample_pictures(batch, self.learner.predict, self.config))
        self._validate_if_due(step)

    def _next(self, batches, step):
        try:
            return next(batches)
        except (UserError, RuntimeError):  # a bad sample; or loader processes that a Ctrl-C ended
            if self.leads and step:
                self._save(step)
            self.stop.check()
            raise

    def _save(self, step):
        log.info("saved %s", self.checkpoints.save(self.learner, step, self._settings()))

    def _validate_if_due(self, step):
        """Validate what was saved after `step` steps, unless that was done before a resume; keep the best."""
        scores = {record["step"]: record["validation"][CRITERION] for record in self.progress.journal.validations}
        if step in scores or not self._validation_falls_on(step):
            return
        means = self.validate(self._predict_until_stopped)
        log.info("validation after step %d: %s", step, ", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
        if means[CRITERION] < min(scores.values(), default=math.inf):
            best = self.checkpoints.keep_best(step)
            log.info("the best so far, kept as %s: %s %.4f", best, CRITERION, means[CRITERION])
        self.progress.validation(step, means)

    def _validation_falls_on(self, step):
        """Whether training validates after this step: every val_every epochs, and at the end."""
        if not self.config.val_every or not step:
            return False
        return step == len(self.rates) or step % (self.config.val_every * self.steps_per_epoch) == 0

    def _predict_until_stopped(self, image):
        self.stop.check()
        return self.learner.predict(image)


def train(stage, learner, loader, config, group=SINGLE_PROCESS):
    """Train a stage on config's training set and validate on its validation set; raises what Trainer.run raises.

    loader(start=0): the framework's batches after `start` steps, with steps_per_epoch.
    """
    batches = loader()
    check_same_start(batches.digest(), config, group)
    composites = validation_composites(config) if config.val_every and group.rank == 0 else []
    check_unseen(composites, config)
    if config.ema_decay:
        learner = MovingAverage(learner, config.ema_decay)
    Trainer(stage, learner, loader, batches.steps_per_epoch, partial(validate, composites=composites, config=config),
            config, group).run()


def settle_batch_norm(config):
    """The configuration to train with: without pretrained weights the encoder's batch norm is trained.

    The running statistics of a random encoder, frozen, normalise nothing.
    """
    if config.ckpt_url or config.stage_before:
        return config
    log.warning("no --ckpt_url: the encoder starts from random weights instead of ImageNet's, and its batch norm is "
                "trained (encoder_bn: trained)")
    return replace(config, encoder_bn="trained")
