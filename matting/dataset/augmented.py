"""Training samples that are varied in more ways than the documented ones (config.augmentation: strong)."""
import cv2
import numpy as np

from matting import augmentation
from matting.augmentation import OF_BACKGROUNDS, OF_FOREGROUNDS, draw_geometry, draw_place, draw_scale, vary, warp
from matting.compositing import composite_uint8
from matting.dataset.sample import Sample
from matting.images.reading import check_same_size, read_image
from matting.transforms import draw_radius, to_float
from matting.trimap import TRIMAP_RULES, UNKNOWN, trimap_within, unknown_region

JOINED = 0.3  # share of the samples that hold two foregrounds
TEXTURED = 0.15  # share of the foregrounds that get another photograph's colours
TEXTURE = (0.4, 1)  # range of that photograph's share in them
SOFTENED = 0.2  # share of the foregrounds that are out of focus


def augmented_sample(composites, load, config, index, rng):
    """A Sample of composites' row `index`, config.input_size square, with an unknown pixel in its middle.

    load(original, mask): the DecodedForeground. Foreground and background are turned, scaled and coloured apart, unless
    the background is the foreground's own: both are then what one photograph shows.
    """
    size = config.input_size
    files = composites.draw(index, rng)
    radius = draw_radius(rng)
    foreground, background = load(files.original, files.mask), read_image(files.background)
    alpha, colours, geometry = _foreground(foreground, radius, config, rng)
    if files.tied:
        check_same_size(files.background, background, files.original, foreground.colours)
        both = np.vstack([colours, warp(background, geometry, size)])
        colours, background = np.vsplit(vary(both, rng, OF_FOREGROUNDS), 2)
    else:
        colours = vary(_textured(colours, composites, config, rng), rng, OF_FOREGROUNDS)
        background = vary(_crop(background, config, rng), rng, OF_BACKGROUNDS)
        if rng.random() < JOINED:
            other = composites.draw(int(rng.integers(len(composites))), rng)
            other_alpha, other_colours, _ = _foreground(load(other.original, other.mask), draw_radius(rng), config, rng)
            alpha, colours = augmentation.join(alpha, colours, other_alpha, vary(other_colours, rng, OF_FOREGROUNDS))
        if rng.random() < SOFTENED:
            alpha, colours = augmentation.soften(alpha, colours, rng)

    scale = np.sqrt(abs(np.linalg.det(geometry[:, :2])))
    trimap = trimap_within(alpha, TRIMAP_RULES[config.trimap_rule](alpha), max(1, round(radius / scale)))
    if not unknown_region(trimap).any():  # the only ones were lost between the pixels: they were in the middle
        trimap[size // 2 - 1:size // 2 + 1, size // 2 - 1:size // 2 + 1] = UNKNOWN
    return Sample(to_float(composite_uint8(colours, background, alpha)), trimap,
                  *(to_float(layer) for layer in (alpha, colours, background)))


def _foreground(foreground, radius, config, rng):
    """Alpha, colours and geometry of a crop around a random unknown pixel of a DecodedForeground."""
    centre = foreground.unknown_pixel(radius, rng)
    scale = draw_scale(foreground.alpha.shape, config.input_size, config.scales, rng)
    geometry = draw_geometry(centre, config.input_size, scale, rng)
    return (*(warp(layer, geometry, config.input_size) for layer in (foreground.alpha, foreground.colours)), geometry)


def _crop(photograph, config, rng):
    """A random part of a photograph."""
    shape = photograph.shape[:2]
    scale = draw_scale(shape, config.input_size, config.scales, rng)
    centre = draw_place(shape, config.input_size, scale, rng)
    return warp(photograph, draw_geometry(centre, config.input_size, scale, rng), config.input_size)


def _textured(colours, composites, config, rng):
    """Now and then, mixed with the photograph that is another composite's background."""
    if rng.random() >= TEXTURED:
        return colours
    photograph = read_image(composites.draw(int(rng.integers(len(composites))), rng).background)
    share = rng.uniform(*TEXTURE)
    return cv2.addWeighted(_crop(photograph, config, rng), share, colours, 1 - share, 0)
