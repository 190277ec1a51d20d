"""Training samples without a framework: any worker of any device makes the same sample from (seed, epoch, index)."""
import functools
import logging
import os
import re
from pathlib import Path

import cv2
import numpy as np

from matting import transforms
from matting.composition import composite_uint8, cover_background, cover_background_crop
from matting.decoded import DecodedForeground, ForegroundStore
from matting.errors import UserError
from matting.files import check_same_size, read_image
from matting.recipes import RECIPES
from matting.sample import Sample
from matting.transforms import NEAREST, normalise, to_float
from matting.trimap import trimap_within, unknown_region

COLUMNS = ("image", "unknown", "alpha", "foreground", "background", "composite")  # what a batch holds
MAX_REPLACEMENTS = 100  # bad samples in a row before training stops in any case
DECODED = ".decoded"  # in data_dir, where cache_dir is empty

logger = logging.getLogger(__name__)


class TrainingSamples:
    """The training set that a configuration describes."""

    def __init__(self, config):
        self._config = config
        self._recipes = RECIPES[config.composition](config)
        self._foregrounds = ForegroundStore(config.cache_dir or Path(config.data_dir) / DECODED, config.trimap_rule)

    def __len__(self):
        return len(self._recipes)

    def draw(self, epoch, index):
        """Sample `index` of an epoch, input_size square, after all that is random.

        An unusable file raises UserError; with skip_bad_samples it is logged and the sample after it taken.
        """
        last = index + (min(MAX_REPLACEMENTS, len(self) - 1) if self._config.skip_bad_samples else 0)
        while True:
            try:
                return self._draw(epoch, index % len(self))
            except UserError as error:
                if index == last:
                    raise
                logger.warning("%s; another sample takes its place", error)
                index += 1

    def _draw(self, epoch, index):
        size = self._config.input_size
        rng = np.random.default_rng((self._config.seed, epoch, index))
        recipe = self._recipes.draw(index, rng)
        foreground = self._foregrounds.load(recipe.original, recipe.mask)
        background = read_image(recipe.background)
        image = None
        if recipe.merged:
            image = read_image(recipe.merged)
            check_same_size(recipe.merged, image, recipe.mask, foreground.alpha)
        if min(foreground.alpha.shape) < size:
            foreground, background, image = _enlarged(foreground, background, image, size,
                                                      self._config.trimap_rule)

        radius = transforms.draw_radius(rng)
        crop = transforms.draw_crop(foreground, radius, size, self._config.scales, rng)
        fit = functools.partial(transforms.fit, size=size, flip=transforms.draw_flip(rng))

        colours, alpha, distance = foreground.colours[crop], foreground.alpha[crop], foreground.distance[crop]
        background = cover_background_crop(background, *foreground.alpha.shape, crop)
        image = composite_uint8(colours, background, alpha) if image is None else image[crop]
        return Sample(
            image=to_float(fit(image)),
            # reduced before and not after: the same, as each pixel of a trimap depends on one of alpha and distance
            trimap=trimap_within(fit(alpha, interpolation=NEAREST), fit(distance, interpolation=NEAREST), radius),
            alpha=to_float(fit(alpha)),
            foreground=to_float(fit(colours)),
            background=to_float(fit(background)))


class TrainingFeed:
    """What one of `shards` devices trains on, in order, as a sequence of tuples in COLUMNS order.

    Each epoch is shuffled anew, the same for all shards, and dealt out to them; a last incomplete batch is dropped.
    start: the steps already done. The sequence ends with the last epoch or with max_steps.
    """

    def __init__(self, config, shard=0, shards=1, start=0):
        self._config, self._shard, self._shards = config, shard, shards
        self._samples = TrainingSamples(config)
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
        return columns(self._samples.draw(epoch, int(self._order(epoch)[place])), self._config)

    def _shuffled(self, epoch):
        rng = np.random.default_rng((self._config.seed, epoch))
        return rng.permutation(len(self._samples))[self._shard::self._shards]


class TrainingBatches:
    """The batches that one of `shards` devices trains on, after `start` steps, to the end of training.

    A framework's subclass iterates over them: {column: (B, C, H, W) float32 array}, see `columns`; len() is the steps
    left. Iterating raises UserError for an unusable file, and where a loader process dies.
    """

    def __init__(self, config, shard=0, shards=1, start=0):
        # Here and not in the loader processes, which inherit it: one that is forked from a process with OpenCV's
        # threads waits for ever for these, which it has not.
        cv2.setNumThreads(1)
        self.config = config
        self.feed = TrainingFeed(config, shard, shards, start)
        self.steps_per_epoch = self.feed.steps_per_epoch
        self.workers = worker_count(config, shards)  # the launcher starts all on this machine

    def __len__(self):
        return self.feed.steps


def columns(sample, config):
    """A Sample -> float32 arrays in COLUMNS order.

    image: (4, H, W), the network's input. unknown: (1, H, W), 1 where the trimap is unknown, else 0.
    The others are in [0, 1]: alpha (1, H, W); foreground, background and composite (3, H, W).
    """
    return (normalise(sample.image, sample.trimap, config),
            unknown_region(sample.trimap)[None].astype(np.float32),
            np.ascontiguousarray(sample.alpha)[None],
            *(np.ascontiguousarray(colours.transpose(2, 0, 1))
              for colours in (sample.foreground, sample.background, sample.image)))


def documented_label(batch):
    """A batch -> (B, 11, H, W) float32, the label that Deep Image Matting's users know from public implementations.

    Channels 0-2 background, 3-5 foreground, 6-8 composite, all 0..255; 9 alpha in [0, 1]; 10 unknown, 0 or 1.
    """
    colours = [255 * batch[name] for name in ("background", "foreground", "composite")]
    return np.concatenate([*colours, batch["alpha"], batch["unknown"]], axis=1)


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


def _enlarged(foreground, background, image, input_size, trimap_rule):
    """All of a small composite, whole: composing first and enlarging then is not the same the other way round."""
    background = cover_background(background, *foreground.alpha.shape)
    if image is None:
        image = composite_uint8(foreground.colours, background, foreground.alpha)
    size = transforms.enlarged_size(*foreground.alpha.shape, input_size)
    colours, alpha, background, image = (transforms.resize(pixels, size)
                                         for pixels in (foreground.colours, foreground.alpha, background, image))
    return DecodedForeground.measure(colours, alpha, trimap_rule), background, image
