"""Training samples: any worker of any device draws the same one from (seed, epoch, index)."""
import functools
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from matting import transforms
from matting.compositing import composite_uint8, cover_background, cover_background_crop
from matting.dataset.augmented import augmented_sample
from matting.dataset.composites import TRAINING_COMPOSITES
from matting.dataset.foreground_cache import DecodedForeground, ForegroundCache
from matting.dataset.sample import Sample
from matting.errors import UserError
from matting.images.reading import check_same_size, read_image
from matting.transforms import to_float
from matting.unknown_regions import UNKNOWN_REGIONS

MAX_REPLACEMENTS = 100  # bad samples in a row before training stops in any case
DECODED = ".decoded"  # in data_dir, where cache_dir is empty
logger = logging.getLogger(__name__)


class TrainingSamples:
    """The training set that a configuration describes."""

    def __init__(self, config):
        self._config = config
        self._composites = TRAINING_COMPOSITES[config.composition](config)
        self._foregrounds = ForegroundCache(config.cache_dir or Path(config.data_dir) / DECODED, config.trimap_rule)
        self._make = SAMPLES[config.augmentation]
        self._grow = UNKNOWN_REGIONS[config.unknown_regions]

    def __len__(self):
        return len(self._composites)

    def digest(self):
        """Of the list of files, hexadecimal."""
        return hashlib.sha256("\n".join(self._composites.listed()).encode()).hexdigest()

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
        rng = np.random.default_rng((self._config.seed, epoch, index))
        sample = self._make(self._composites, self._foregrounds.load, self._config, index, rng)
        return replace(sample, trimap=self._grow(sample.trimap, rng))


def documented_sample(composites, load, config, index, rng):
    """The Sample of composites' row `index` as the release's documentation describes it."""
    size = config.input_size
    files = composites.draw(index, rng)
    foreground = load(files.original, files.mask)
    background = read_image(files.background)
    image = None
    if files.merged:
        image = read_image(files.merged)
        check_same_size(files.merged, image, files.mask, foreground.alpha)
    if min(foreground.alpha.shape) < size:
        foreground, background, image = _enlarged(foreground, background, image, size, config.trimap_rule)

    radius = transforms.draw_radius(rng)
    crop = transforms.draw_crop(foreground, radius, size, config.scales, rng)
    flip = transforms.draw_flip(rng)
    fit = functools.partial(transforms.fit, size=size, flip=flip)

    colours, alpha, distance = foreground.colours[crop], foreground.alpha[crop], foreground.distance[crop]
    background = cover_background_crop(background, *foreground.alpha.shape, crop)
    image = composite_uint8(colours, background, alpha) if image is None else image[crop]
    return Sample(
        image=to_float(fit(image)),
        trimap=transforms.fit_trimap(alpha, distance, radius, size, flip),
        alpha=to_float(fit(alpha)),
        foreground=to_float(fit(colours)),
        background=to_float(fit(background)))


SAMPLES = {"none": documented_sample, "strong": augmented_sample}  # config.augmentation


def _enlarged(foreground, background, image, input_size, trimap_rule):
    """All of a small composite, whole: composing first and enlarging then is not the same the other way round."""
    background = cover_background(background, *foreground.alpha.shape)
    if image is None:
        image = composite_uint8(foreground.colours, background, foreground.alpha)
    size = transforms.enlarged_size(*foreground.alpha.shape, input_size)
    colours, alpha, background, image = (transforms.resize(pixels, size)
                                         for pixels in (foreground.colours, foreground.alpha, background, image))
    return DecodedForeground.measure(colours, alpha, trimap_rule), background, image
