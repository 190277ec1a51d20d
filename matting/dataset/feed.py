"""What each device trains on, in order: samples dealt out over epochs, and the loader processes that draw them."""
import functools
import os
import re

import cv2
import numpy as np

from matting.dataset.columns import columns
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError, short_of_memory


class TrainingFeed:
    """What one of `shards` devices trains on, in order, as a sequence of tuples in COLUMNS order.

    Each epoch is shuffled anew, the same for all shards, and dealt out to them; a last incomplete batch is dropped.
    start: the steps already done. The sequence ends with the last epoch or with max_steps.
    """

    def __init__(self, config, shard=0, shards=1, start=0):
        self._config, self._shard, self._shards = config, shard, shards
        self._samples = TrainingSamples(config)
        self.digest = self._samples.digest  # a function: of the list of data
        self.steps_per_epoch = len(self._samples) // (config.batch_size * shards)
        if not self.steps_per_epoch:
            raise UserError(f"{config.data_dir}: has {len(self._samples)} training samples, less than a batch of "
                            f"{config.batch_size} on {shards} device(s); lower --batch_size")
        total = config.epochs * self.steps_per_epoch
        self.steps = max(0, min(total, config.max_steps or total) - start)
        self._first = start * config.batch_size
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)

    def __len__(self):
        return self.steps * self._config.batch_size

    def __getitem__(self, position):
        per_epoch = self.steps_per_epoch * self._config.batch_size
        epoch, place = divmod(self._first + int(position), per_epoch)
        # here, in the loader process: where one reports a MemoryError, MindSpore kills the main one
        with short_of_memory("loading training samples", "lower --num_workers, --batch_size or --input_size"):
            return columns(self._samples.draw(epoch, int(self._order(epoch)[place])), self._config)

    def _shuffled(self, epoch):
        rng = np.random.default_rng((self._config.seed, epoch))
        return rng.permutation(len(self._samples))[self._shard::self._shards]


class TrainingBatches:
    """The batches that one of `shards` devices trains on, after `start` steps, to the end of training.

    sharing: how many of these devices share this machine's cores.
    A framework's subclass iterates over them: {column: (B, C, H, W) float32 array}, see `columns`; len() is the steps
    left. Iterating raises UserError for an unusable file, and where a loader process dies.
    """

    def __init__(self, config, shard=0, shards=1, start=0, sharing=1):
        # Here and not in the loader processes, which inherit it: one that is forked from a process with OpenCV's
        # threads waits for ever for these, which it has not.
        cv2.setNumThreads(1)
        self.config = config
        self.feed = TrainingFeed(config, shard, shards, start)
        self.steps_per_epoch = self.feed.steps_per_epoch
        self.digest = self.feed.digest
        self.workers = worker_count(config, sharing)

    def __len__(self):
        return self.feed.steps


def worker_count(config, sharing=1):
    """Loader processes: num_workers, but at most one for each core that is left to each of the `sharing` processes."""
    return max(1, min(config.num_workers, len(os.sched_getaffinity(0)) // sharing))


def reported_by_worker(error):
    """The UserError in what a framework reports of a loader process; None where there is none."""
    messages = re.findall(r"\bUserError: (.+)", str(error))
    return UserError(messages[-1]) if messages else None


def killed_worker(what):
    """The error for a loader process that died of itself."""
    return UserError(f"loading stopped: {what}; if memory ran out, lower --num_workers or --batch_size")
