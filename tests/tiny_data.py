"""A tiny generated data set in AIM-500's layout, prepared and not: photographs, mattes, backgrounds of every kind."""
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from matting.compositing import composite_uint8, cover_background
from matting.config import Config
from matting.dataset.data_list import SEPARATOR, TrainRow
from matting.images.reading import read_alpha, read_image
from matting.trimap import make_trimap
from tests.tiny_images import LANDSCAPE, write_row

INPUT_SIZE = 64
TRAIN = {"a": (150, 200), "b": (200, 140), "c": (100, 130), "d": (50, 90)}  # stem: height, width; d is enlarged
VALIDATION = {"v": (90, 120)}
BACKGROUNDS = {"0.jpg": (240, 260), "1.jpg": (90, 120), "2.png": (160, 150), "3.jpg": (230, 330)}  # the rest are jpg
NUM_BGS_TRAIN, NUM_BGS_VAL = 4, 2


def tiny_config(root, **changes):
    """The default configuration for the data set that write_data_set put into `root`."""
    values = {"data_dir": f"{root}/AIM-500", "bg_dir": f"{root}/train2014", "val_list": f"{root}/validation.txt",
              "num_bgs_train": NUM_BGS_TRAIN, "num_bgs_val": NUM_BGS_VAL, "input_size": INPUT_SIZE, "batch_size": 2,
              "epochs": 3, "num_workers": 2}
    return Config(**{**values, **changes})


def write_data_set(root, rng):
    """Write AIM-500/{original,mask}, train2014 and validation.txt below `root`."""
    data_dir, bg_dir = Path(root) / "AIM-500", Path(root) / "train2014"
    for folder in (data_dir / "original", data_dir / "mask", bg_dir):
        folder.mkdir(parents=True)
    for stem, size in {**TRAIN, **VALIDATION}.items():
        Image.fromarray(photograph(*size, rng)).save(data_dir / "original" / f"{stem}.jpg", quality=95)
        Image.fromarray(matte(*size)).save(data_dir / "mask" / f"{stem}.png")
    count = len(TRAIN) * NUM_BGS_TRAIN + len(VALIDATION) * NUM_BGS_VAL
    names = (*BACKGROUNDS, *(f"{number}.jpg" for number in range(len(BACKGROUNDS), count)))
    for name in names:
        Image.fromarray(photograph(*BACKGROUNDS.get(name, (210, 220)), rng)).save(bg_dir / name)
    Image.fromarray(photograph(210, 220, rng)[:, :, 0]).save(bg_dir / "4.jpg")  # a grey one
    (Path(root) / "validation.txt").write_text("\n".join(VALIDATION))


def write_trimaps(root):
    """Write AIM-500/trimap beside the mattes, which preparation wants."""
    folder = Path(root) / "AIM-500"
    (folder / "trimap").mkdir()
    for mask in (folder / "mask").iterdir():
        Image.fromarray(make_trimap(read_alpha(mask), 5)).save(folder / "trimap" / mask.name)


def write_prepared_set(root):
    """The data set, prepared, with one composite to validate on."""
    write_data_set(root, np.random.default_rng(5))
    prepare_data_set(root)
    row = write_row(Path(root) / "AIM-500", "lying", LANDSCAPE)
    (Path(root) / "AIM-500/validation/data.txt").write_text(SEPARATOR.join(row))


def prepare_data_set(root):
    """Write AIM-500/train below `root` as documented: each foreground over its own backgrounds, in sorted order."""
    data_dir, bg_dir = Path(root) / "AIM-500", Path(root) / "train2014"
    (data_dir / "train" / "merged").mkdir(parents=True)
    backgrounds = iter(sorted(path.name for path in bg_dir.iterdir()))
    rows = []
    for stem in TRAIN:
        for k in range(NUM_BGS_TRAIN):
            row = TrainRow(f"train/merged/{stem}_{k}.png", f"mask/{stem}.png", f"original/{stem}.jpg",
                           next(backgrounds))
            alpha, background = read_alpha(data_dir / row.mask), read_image(bg_dir / row.background)
            merged = composite_uint8(read_image(data_dir / row.original), cover_background(background, *alpha.shape),
                                     alpha)
            Image.fromarray(merged).save(data_dir / row.merged)
            rows.append(SEPARATOR.join(row))
    (data_dir / "train" / "data.txt").write_text("\n".join(rows))


def photograph(height, width, rng):
    """(H, W, 3) uint8 with detail of a few pixels' size."""
    coarse = rng.integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def matte(height, width):
    """(H, W) uint8: an ellipse with a soft edge, off the centre."""
    y, x = np.mgrid[-1:1:height * 1j, -1:1:width * 1j]
    return (255 * np.clip(3.5 - 5 * np.hypot(y - 0.2, x + 0.1), 0, 1)).astype(np.uint8)
