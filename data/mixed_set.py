"""A training set of photographs and drawn objects together, in AIM-500's layout, to train with `--composition online`.

    python -m data.mixed_set --photographs FOLDER --val_list FILE --drawn FOLDER --bg_dir FOLDER --out FOLDER

Writes OUT/{original,mask} of every foreground: photographs in colours of their own, estimated; drawn objects as links.
OUT/background holds what lies behind the photographs' objects, estimated, OUT/backgrounds links to the photographs of
bg_dir but the last few, which validation takes. OUT/train.txt (train_list) names each photograph so often that they are
PHOTOGRAPHED of all. OUT/validation.txt (val_list) names those that validate; OUT/validation has them over their own
backgrounds, STEM_0, and over others.
"""
from pathlib import Path

import numpy as np

from data.folders import link, new_folder
from matting.compositing import composite_uint8, cover_background
from matting.dataset.data_list import SEPARATOR, ValidationRow
from matting.dataset.splits import read_validation_stems, training_stems
from matting.errors import UserError, entry_point
from matting.foreground import estimate_layers
from matting.images.listing import by_stem, list_images
from matting.images.reading import check_same_size, read_alpha, read_image
from matting.images.writing import write_png
from matting.inference import to_uint8
from matting.usage import program_parser
from matting.workers import progress

PHOTOGRAPHED = 0.45  # share of the training samples that show a photograph's object
COMPOSED = 2  # validation composites of a photograph over backgrounds that are not its own


def write_set(folder, photographs, val_list, drawn, bg_dir):
    """Write the set into an existing, empty folder -> (photographs, drawn objects) that are trained on, each once."""
    validation = read_validation_stems(val_list)
    originals, masks, trimaps = (by_stem(photographs / role) for role in ("original", "mask", "trimap"))
    training = training_stems(originals, validation, photographs)
    backgrounds = list_images(bg_dir)
    held_out = len(validation) * COMPOSED
    if len(backgrounds) <= held_out:
        raise UserError(f"{bg_dir}: holds {len(backgrounds)} backgrounds, all of them wanted for validation")
    for name in ("original", "mask", "background", "backgrounds", "validation/merged", "validation/mask",
                 "validation/trimap"):
        (folder / name).mkdir(parents=True)

    for path in backgrounds[:-held_out]:
        link(folder / "backgrounds", path)
    objects = by_stem(drawn / "original")
    for path in (*objects.values(), *by_stem(drawn / "mask").values()):
        link(folder / path.parent.name, path)

    rows, dealt = [], iter(backgrounds[-held_out:])
    with progress(len(originals), "photograph") as advance:
        for stem, original in originals.items():
            image, alpha = read_image(original), read_alpha(masks[stem])
            check_same_size(masks[stem], alpha, original, image)
            layers = estimate_layers(image / np.float32(255), alpha / np.float32(255))
            colours, behind = (to_uint8(layer) for layer in layers)
            write_png(folder / "original" / f"{stem}.png", colours)
            link(folder / "mask", masks[stem])
            if stem in validation:
                composed = [composite_uint8(colours, cover_background(read_image(next(dealt)), *alpha.shape), alpha)
                            for _ in range(COMPOSED)]
                rows += _write_validation(folder, stem, [image, *composed], masks[stem], trimaps[stem])
            else:
                write_png(folder / "background" / f"{stem}.png", behind)
            advance(1)

    times = max(1, round(PHOTOGRAPHED / (1 - PHOTOGRAPHED) * len(objects) / len(training)))
    (folder / "train.txt").write_text("".join(f"{stem}\n" for stem in [*objects, *training * times]))
    (folder / "validation.txt").write_text("".join(f"{stem}\n" for stem in validation))
    (folder / "validation" / "data.txt").write_text("".join(f"{row}\n" for row in rows))
    return len(training), len(objects)


@entry_point
def main(argv=None):
    parser = program_parser("data.mixed_set", __doc__)
    parser.add_argument("--photographs", type=Path, required=True, help="with original, mask and trimap")
    parser.add_argument("--val_list", required=True, help="one stem a line: the photographs that validate")
    parser.add_argument("--drawn", type=Path, required=True, help="with original and mask, as data.synthetic draws")
    parser.add_argument("--bg_dir", type=Path, required=True, help="background photographs")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = vars(parser.parse_args(argv))
    out = arguments.pop("out")
    if out.exists():
        raise UserError(f"{out}: exists; name a new folder with --out")
    with new_folder(out) as unfinished:
        photographs, objects = write_set(unfinished, **arguments)
    print(f"{out}: {photographs} photographs and {objects} drawn objects to train on are ready")


def _write_validation(folder, stem, images, mask, trimap):
    """The rows of validation/data.txt for a photograph's composites, written as STEM_0, STEM_1 ..."""
    link(folder / "validation" / "mask", mask)
    link(folder / "validation" / "trimap", trimap)
    rows = []
    for number, image in enumerate(images):
        merged = f"validation/merged/{stem}_{number}.png"
        write_png(folder / merged, image)
        rows.append(SEPARATOR.join(ValidationRow(merged, f"validation/mask/{mask.name}",
                                                 f"validation/trimap/{trimap.name}")))
    return rows


if __name__ == "__main__":
    main()
