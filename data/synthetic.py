"""A drawn data set in AIM-500's layout, with exact alpha and true foreground colours, for trying everything out.

    python -m data.synthetic --out FOLDER

Writes FOLDER/foregrounds/{original,mask,trimap}, FOLDER/foregrounds/validation.txt and FOLDER/backgrounds, ready for

    python -m data.process_dataset --data_dir FOLDER/foregrounds --bg_dir FOLDER/backgrounds \
        --val_list FOLDER/foregrounds/validation.txt

`--kinds more` draws other kinds, for training in earnest: fur, long hair, fringes, feathers, meshes, baskets, wicker,
wheels, leaves, twigs, smoke, motion blur, plain bodies. `--textures PHOTOGRAPHS` gives most objects the surface of one
of the photographs in that folder.

An `original` holds the object's own colours in every pixel: composites of it have no halo of an old background.
"""
import logging
import os
from pathlib import Path

import numpy as np
from PIL import Image

from data.folders import new_folder
from data.objects import KIND_SETS, draw_object
from data.scenes import HELD_OUT, PHOTOGRAPHS, crop_photograph, draw_landscape, find_photographs, with_texture
from matting.errors import UserError, entry_point
from matting.images.listing import list_images
from matting.images.writing import write_png
from matting.trimap import make_trimap
from matting.usage import program_parser
from matting.workers import progress, run_in_processes

logger = logging.getLogger(__name__)

ONE_IN = 5  # foregrounds is for validation
SHAPES = ((1, 1), (3 / 4, 1), (1, 3 / 4))  # height and width, of the size asked for
TRIMAP_RADII = (4, 15)
TEXTURED = 0.7  # share of the objects, where there are textures
FOREGROUND_STREAM, BACKGROUND_STREAM = 0, 1  # of random numbers


def write_data_set(folder, foregrounds, backgrounds, size, seed, kinds="demo", textures=()):
    """Draw a data set into an existing, empty folder; the same files for the same arguments.

    Kinds of objects, those of a row of KIND_SETS, take turns, and the last fifth, so one of each kind in 30, is the
    validation split. size: of the longer side. textures: photographs whose surface most objects get, if any. The last
    tenth of the backgrounds comes from photographs that no other background comes from.
    """
    root = folder / "foregrounds"
    for path in (root / "original", root / "mask", root / "trimap", folder / "backgrounds"):
        path.mkdir(parents=True)
    kinds = tuple(KIND_SETS[kinds])
    if not find_photographs(PHOTOGRAPHS + HELD_OUT):
        logger.info("scikit-image is not installed: all backgrounds are drawn, none is a photograph")

    with progress(foregrounds + backgrounds, "image") as advance:

        def note(index, result):
            advance(1)

        run_in_processes(_write_foreground, range(foregrounds), os.cpu_count(), note, root=root, size=size, seed=seed,
                         kinds=kinds, textures=textures)
        run_in_processes(_write_background, range(backgrounds), os.cpu_count(), note, count=backgrounds,
                         folder=folder / "backgrounds", size=size, seed=seed)
    validation = [_stem(index, kinds) for index in range(foregrounds - max(1, foregrounds // ONE_IN), foregrounds)]
    (root / "validation.txt").write_text("".join(f"{stem}\n" for stem in validation), encoding="utf-8")


@entry_point
def main(argv=None):
    parser = program_parser("data.synthetic", __doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--foregrounds", type=int, default=30, help="a fifth of them for validation (default: 30)")
    parser.add_argument("--backgrounds", type=int, default=160, help="(default: 160)")
    parser.add_argument("--size", type=int, default=448, help="longer side of a foreground, in pixels (default: 448)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument("--kinds", choices=KIND_SETS, default="demo", help="of objects to draw (default: demo)")
    parser.add_argument("--textures", metavar="PHOTOGRAPHS", help="folder of photographs for the surfaces of objects")
    arguments = parser.parse_args(argv)
    for name, least in (("foregrounds", 2), ("backgrounds", 1), ("size", 64), ("seed", 0)):
        if getattr(arguments, name) < least:
            raise UserError(f"--{name} {getattr(arguments, name)}: must be at least {least}")
    out = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: exists and is not an empty folder; name a new one with --out")

    textures = list_images(arguments.textures) if arguments.textures else ()
    with new_folder(out) as unfinished:
        write_data_set(unfinished, arguments.foregrounds, arguments.backgrounds, arguments.size, arguments.seed,
                       arguments.kinds, textures)
    print(f"{out}: {arguments.foregrounds} foregrounds and {arguments.backgrounds} backgrounds are ready")


def _write_foreground(index, root, size, seed, kinds, textures):
    rng = np.random.default_rng((seed, FOREGROUND_STREAM, index))
    stem = _stem(index, kinds)
    kind = stem.split("_")[0]
    height, width = (round(size * share) for share in SHAPES[rng.integers(len(SHAPES))])
    alpha, colours = draw_object(kind, height, width, rng)
    if textures and rng.random() < TEXTURED:
        crop = crop_photograph(textures[rng.integers(len(textures))], height, width, rng)
        colours = with_texture(alpha, colours, crop, rng)
    _write_jpeg(root / "original" / f"{stem}.jpg", colours)
    write_png(root / "mask" / f"{stem}.png", alpha)
    write_png(root / "trimap" / f"{stem}.png", make_trimap(alpha, int(rng.integers(*TRIMAP_RADII))))


def _write_background(index, count, folder, size, seed):
    """Two photographs, then one landscape, and so on; each covers the largest foreground."""
    rng = np.random.default_rng((seed, BACKGROUND_STREAM, index))
    photographs = find_photographs(HELD_OUT if index >= count - count // 10 else PHOTOGRAPHS)
    height, width = size, round(4 / 3 * size)
    if photographs and index % 3 < 2:
        scene = crop_photograph(photographs[rng.integers(len(photographs))], height, width, rng)
    else:
        scene = draw_landscape(height, width, rng)
    _write_jpeg(folder / f"{index:05}.jpg", scene)


def _stem(index, kinds):
    """hair_000, defocus_000, ..., hair_001, ...: the kind and which of it."""
    return f"{kinds[index % len(kinds)]}_{index // len(kinds):03}"


def _write_jpeg(path, pixels):
    Image.fromarray(pixels).save(path, quality=95, subsampling="4:4:4")


if __name__ == "__main__":
    main()
