"""Training samples without a framework: any worker of any device makes the same sample from (seed, epoch, index)."""
import functools
import logging
import os
import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from matting import transforms
from matting.composition import composite_uint8, cover_background, cover_background_crop
from matting.decoded import DecodedForeground, ForegroundStore
from matting.errors import UserError
from matting.files import by_stem, check_same_size, list_images, read_image
from matting.sample import Sample, TrainRow, read_rows
from matting.split import read_validation_stems, some, training_stems
from matting.transforms import NEAREST, normalise, to_float
from matting.trimap import trimap_within, unknown_region

COLUMNS = ("image", "unknown", "alpha", "foreground", "background", "composite")  # what a batch holds
MAX_REPLACEMENTS = 100  # bad samples in a row before training stops in any case
DECODED = ".decoded"  # in data_dir, where cache_dir is empty

logger = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """The files of one training composite."""

    original: Path
    mask: Path
    background: Path
    merged: Path | None  # None: to be composed


class OfflineRecipes:
    """The rows of a prepared set's train/data.txt."""

    def __init__(self, config):
        self._rows = read_rows(Path(config.data_dir) / "train" / "data.txt", TrainRow)
        self._data_dir, self._bg_dir = Path(config.data_dir), Path(config.bg_dir)

    def __len__(self):
        return len(self._rows)

    def draw(self, index, rng):
        """The composite of row `index`; nothing in it is random."""
        row = self._rows[index]
        return Recipe(self._data_dir / row.original, self._data_dir / row.mask, self._bg_dir / row.background,
                      self._data_dir / row.merged)


class OnlineRecipes:
    """Every training foreground num_bgs_train times an epoch, each time over a background drawn at random.

    Foregrounds and backgrounds are those that a prepared data_dir trains with; in an unprepared one, those that
    preparing it would give to training. Validation's are never drawn.
    """

    def __init__(self, config):
        data_dir, bg_dir = Path(config.data_dir), Path(config.bg_dir)
        data_txt = data_dir / "train" / "data.txt"
        if data_txt.exists():
            rows = read_rows(data_txt, TrainRow)
            self._foregrounds = list(dict.fromkeys((data_dir / row.original, data_dir / row.mask) for row in rows))
            self._backgrounds = sorted({bg_dir / row.background for row in rows})
        else:
            originals, masks = _matching_files(data_dir)
            validation = read_validation_stems(config.val_list)
            training = training_stems(originals, validation, data_dir)
            self._foregrounds = [(originals[stem], masks[stem]) for stem in training]
            self._backgrounds = _training_backgrounds(bg_dir, len(training) * config.num_bgs_train,
                                                      len(validation) * config.num_bgs_val)
        self._times = config.num_bgs_train

    def __len__(self):
        return self._times * len(self._foregrounds)

    def draw(self, index, rng):
        """Foreground `index`, counted round and round, over a random background."""
        original, mask = self._foregrounds[index % len(self._foregrounds)]
        return Recipe(original, mask, self._backgrounds[rng.integers(len(self._backgrounds))], merged=None)


RECIPES = {"offline": OfflineRecipes, "online": OnlineRecipes}


class TrainingSamples:
    """The training set that a configuration describes."""

    def __init__(self, config):
        self._config = config
        self._recipes = RECIPES[config.composition](config)
        self._foregrounds = ForegroundStore(config.cache_dir or Path(config.data_dir) / DECODED)

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
        image = recipe.merged and read_image(recipe.merged)
        if recipe.merged:
            check_same_size(recipe.merged, image, recipe.mask, foreground.alpha)
        if min(foreground.alpha.shape) < size:
            foreground, background, image = _enlarged(foreground, background, image, size)

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
        cv2.setNumThreads(1)  # in the loader process that calls this: the other cores have processes of their own
        per_epoch = self.steps_per_epoch * self._config.batch_size
        epoch, place = divmod(self._first + int(position), per_epoch)
        return columns(self._samples.draw(epoch, int(self._order(epoch)[place])), self._config)

    def _shuffled(self, epoch):
        rng = np.random.default_rng((self._config.seed, epoch))
        return rng.permutation(len(self._samples))[self._shard::self._shards]


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


def worker_count(config):
    """Loader processes: num_workers, but at most one for each core this process may use."""
    return min(config.num_workers, len(os.sched_getaffinity(0)))


def reported_by_worker(error):
    """The UserError in what a framework reports of a loader process; `error` itself where there is none."""
    messages = re.findall(r"\bUserError: (.+)", str(error))
    return UserError(messages[-1]) if messages else error


def killed_worker(what):
    """The error for a loader process that died of itself."""
    return UserError(f"loading stopped: {what}; if memory ran out, lower --num_workers or --batch_size")


def _enlarged(foreground, background, image, input_size):
    """All of a small composite, whole: composing first and enlarging then is not the same the other way round."""
    background = cover_background(background, *foreground.alpha.shape)
    if image is None:
        image = composite_uint8(foreground.colours, background, foreground.alpha)
    size = transforms.enlarged_size(*foreground.alpha.shape, input_size)
    colours, alpha, background, image = (transforms.resize(pixels, size)
                                         for pixels in (foreground.colours, foreground.alpha, background, image))
    return DecodedForeground.measure(colours, alpha), background, image


def _matching_files(data_dir):
    """{stem: original}, {stem: mask} of an unprepared data set, the same stems in both."""
    originals, masks = by_stem(data_dir / "original"), by_stem(data_dir / "mask")
    for folder, stems, others in (("mask", masks, originals), ("original", originals, masks)):
        missing = sorted(set(others) - set(stems))
        if missing:
            raise UserError(f"{data_dir / folder}: has no {some(missing)}; each stem needs an original and a mask")
    return originals, masks


def _training_backgrounds(bg_dir, for_training, for_validation):
    """Backgrounds in sorted order, of which preparation deals the first to training, the next to validation."""
    backgrounds = list_images(bg_dir)
    count = min(for_training, len(backgrounds) - for_validation)
    if count < 1:
        raise UserError(f"{bg_dir}: holds {len(backgrounds)} backgrounds, all of them wanted for validation "
                        f"({for_validation}); add photographs or lower --num_bgs_val")
    return backgrounds[:count]
