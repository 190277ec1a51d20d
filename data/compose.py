"""The work on one foreground: its prepared files and its composites, each complete or absent."""
import hashlib
import math
import shutil

import numpy as np

from data.plan import COPY, ESTIMATE, READERS
from data.png import encode_png
from matting.dataset.composites import compose
from matting.files import atomic_path
from matting.foreground import estimate_foreground
from matting.images.reading import check_same_size, read_alpha, read_image
from matting.images.writing import write_png
from matting.inference import to_uint8
from matting.workers import stopping

SAMPLED_FOREGROUNDS = 8


def prepare_foreground(foreground, data_dir, bg_dir, compression):
    """Write whatever is missing of one foreground's files -> {background name: SHA-256}."""
    for role, file in foreground.files.items():
        if not (data_dir / file.target).exists():
            _prepare_file(file, role, foreground, data_dir)

    missing = {merged for merged in foreground.composites if not (data_dir / merged).exists()}
    image, alpha = read_foreground(foreground, data_dir) if missing else (None, None)
    hashes = {}
    for merged, name in foreground.composites.items():
        if stopping():
            break
        if merged in missing:
            png = encode_png(compose(image, alpha, bg_dir / name), compression)
            with atomic_path(data_dir / merged) as temporary:
                temporary.write_bytes(png)
        hashes[name] = sha256(bg_dir / name)
    return hashes


def bytes_to_write(plan, data_dir, bg_dir, compression):
    """Estimate the disk space that is still needed, from composites of a few foregrounds, made in memory."""
    sampled_bytes = sampled_pixels = 0
    for foreground in plan[::math.ceil(len(plan) / SAMPLED_FOREGROUNDS)]:
        image = read_image(data_dir / foreground.files["original"].source)
        alpha = read_alpha(data_dir / foreground.files["mask"].source)
        sampled_bytes += len(encode_png(compose(image, alpha, bg_dir / foreground.backgrounds[0]), compression))
        sampled_pixels += alpha.size

    pixels = sum(foreground.height * foreground.width for foreground in plan
                 for merged in foreground.composites if not (data_dir / merged).exists())
    files = sum((data_dir / file.source).stat().st_size for foreground in plan
                for file in foreground.files.values() if not (data_dir / file.target).exists())
    return pixels * sampled_bytes / sampled_pixels + files


def read_foreground(foreground, data_dir):
    """(H, W, 3) colours and (H, W) alpha, uint8, from the prepared files, as training will read them."""
    original, mask = (data_dir / foreground.files[role].target for role in ("original", "mask"))
    image, alpha = read_image(original), read_alpha(mask)
    check_same_size(mask, alpha, original, image)
    return image, alpha


def prepared_pixels(file, role, foreground, data_dir):
    """What a prepared file holds that is not a copy: the upright pixels, or the estimated foreground."""
    pixels = READERS[role](data_dir / file.source)
    if file.how == ESTIMATE:
        alpha = read_alpha(data_dir / foreground.files["mask"].source)
        pixels = to_uint8(estimate_foreground(pixels / np.float32(255), alpha / np.float32(255)))
    return pixels


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepare_file(file, role, foreground, data_dir):
    target = data_dir / file.target
    if file.how == COPY:  # not a hard link: whatever later rewrites the copy in place must not reach the user's file
        with atomic_path(target) as temporary:
            shutil.copyfile(data_dir / file.source, temporary)
    else:
        write_png(target, prepared_pixels(file, role, foreground, data_dir))
