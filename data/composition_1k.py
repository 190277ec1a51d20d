"""Composition-1k, Deep Image Matting's test set: 1,000 images of Adobe's foregrounds over PASCAL VOC's pictures.

    python -m data.composition_1k --adobe DIR --voc DIR

Reads ADOBE/Test_set as it is distributed and composes what is missing of ADOBE/Test_set/merged, as the data set's own
program does; what is there already, made here or elsewhere, stays. Evaluation then reads ADOBE with
--layout composition_1k. With --out it also writes a new folder to train on with --composition online:

    OUT/{original,mask}       links to the foregrounds and mattes of Training_set and of Test_set
    OUT/validation.txt        for --val_list: the test set's foregrounds, which are not trained on
    OUT/validation/           links to the 1,000 images, their mattes and trimaps; data.txt, which names them
"""
import math
from pathlib import Path

import numpy as np
from PIL import Image

from data.adobe import EACH, find_pictures, read_test_set, read_training_set
from data.folders import link, new_folder
from data.png import encode_png
from matting.dataset.data_list import SEPARATOR, ValidationRow
from matting.errors import UserError, entry_point
from matting.files import atomic_path
from matting.images.reading import open_image, read_alpha
from matting.images.writing import write_png
from matting.usage import program_parser
from matting.workers import progress, run_in_processes, stopping

TESTED, TRAINED = 1000, 431  # images and foregrounds of the published set


def compose(colours, alpha, background):
    """As the data set's own program: (H, W, 3) and (H, W) uint8, an RGB Image of Pillow -> (H, W, 3) uint8.

    A background that is too small in either direction is enlarged, cubic, to rounded-up sides; its top left is taken.
    In double precision, truncated.
    """
    height, width = alpha.shape
    scale = max(width / background.width, height / background.height)
    if scale > 1:
        size = math.ceil(background.width * scale), math.ceil(background.height * scale)
        background = background.resize(size, Image.Resampling.BICUBIC)
    behind = np.asarray(background)[:height, :width]
    opacity = alpha[:, :, None] / 255
    return (colours * opacity + behind * (1 - opacity)).astype(np.uint8)


def compose_missing(foreground, pictures):
    """In a worker: write those of a Foreground's composites that are not there; pictures: {name: file}."""
    missing = foreground.missing
    if missing:
        colours, alpha = np.asarray(read_colours(foreground.colours)), read_alpha(foreground.alpha)
    for name, path in missing:
        if stopping():
            break
        png = encode_png(compose(colours, alpha, read_colours(pictures[name])))
        with atomic_path(path) as temporary:
            temporary.write_bytes(png)


def read_colours(path):
    """An RGB Image of Pillow, as it is stored, without the opacity that some files have; raises UserError."""
    with open_image(path) as image:
        return image.convert("RGB")


def complete(plan, merged, voc, num_workers):
    """Compose what is missing of the Foregrounds' composites into the folder `merged`; raises UserError without VOC."""
    missing = [name for foreground in plan for name, _ in foreground.missing]
    if not missing:
        return
    if not voc:
        raise UserError(f"--voc is missing: {len(missing):,} of the images are still to be composed; name PASCAL VOC's "
                        "folder")
    pictures = find_pictures(voc, missing)
    merged.mkdir(exist_ok=True)
    with progress(len(plan), "foreground") as advance:
        run_in_processes(compose_missing, plan, num_workers, lambda *_: advance(1), pictures=pictures)
    for path in merged.glob(".*.partial.*"):  # of runs that were killed: these never got their final names
        path.unlink()


def write_training_set(folder, plan, training):
    """Into an existing, empty folder: links to what is trained on and validated, and the lists that say which is which.

    training: {stem: (colours, alpha)}. Raises UserError for a foreground of both sets.
    """
    both = sorted(training.keys() & {foreground.colours.stem for foreground in plan})
    if both:
        raise UserError(f"{', '.join(both)}: in Training_set and in Test_set; restore both from the data set")
    for name in ("original", "mask", "validation/mask", "validation/trimap", "validation/merged"):
        (folder / name).mkdir(parents=True)
    for colours, alpha in (*training.values(), *((foreground.colours, foreground.alpha) for foreground in plan)):
        place_colours(folder / "original", colours)
        link(folder / "mask", alpha)
    rows = []
    for foreground in plan:
        mask = link(folder / "validation/mask", foreground.alpha)
        for trimap, merged in zip(foreground.trimaps, foreground.merged, strict=True):
            files = link(folder / "validation/merged", merged), mask, link(folder / "validation/trimap", trimap)
            rows.append(ValidationRow(*(path.relative_to(folder).as_posix() for path in files)))
    (folder / "validation.txt").write_text("".join(f"{foreground.colours.stem}\n" for foreground in plan))
    (folder / "validation" / "data.txt").write_text("".join(f"{SEPARATOR.join(row)}\n" for row in rows))


def place_colours(folder, path):
    """A link to a foreground, or its colours where it has an opacity, which training refuses."""
    with open_image(path) as image:
        plain = "A" not in image.getbands() and "transparency" not in image.info
    if plain:
        link(folder, path)
    else:
        write_png(folder / f"{path.stem}.png", np.asarray(read_colours(path)))


@entry_point
def main(argv=None):
    parser = program_parser("data.composition_1k", __doc__)
    parser.add_argument("--adobe", type=Path, required=True, metavar="DIR", help="holds Test_set, and Training_set")
    parser.add_argument("--voc", type=Path, metavar="DIR", help="holds PASCAL VOC's pictures; where images are missing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder, to train on")
    parser.add_argument("--num_workers", type=int, default=2, metavar="NUMBER", help="processes (default: %(default)s)")
    own = parser.parse_args(argv)
    if own.num_workers < 1:
        raise UserError(f"--num_workers {own.num_workers}: must be 1 or more")
    if own.out and own.out.exists():
        raise UserError(f"{own.out}: exists; name a new folder with --out")

    plan = read_test_set(own.adobe)
    training = read_training_set(own.adobe) if own.out else {}
    complete(plan, own.adobe / "Test_set" / "merged", own.voc, own.num_workers)
    print(f"{own.adobe}: {counted(EACH * len(plan), TESTED)} images are ready, for --layout composition_1k")
    if own.out:
        with new_folder(own.out) as unfinished:
            write_training_set(unfinished, plan, training)
        print(f"{own.out}: {counted(len(training), TRAINED)} foregrounds to train on are ready, for --composition "
              f"online --val_list {own.out / 'validation.txt'}")


def counted(count, published):
    """40 of the published 1,000."""
    return f"{count:,}" if count == published else f"{count:,} of the published {published:,}"


if __name__ == "__main__":
    main()
