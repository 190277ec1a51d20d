"""Adobe's data set and PASCAL VOC in the layout that is distributed, in small, of drawn objects."""
import numpy as np
from PIL import Image

from data.objects import draw_object
from data.scenes import draw_landscape
from matting.trimap import make_trimap

EACH = 20
TEST = {"net_1280": (48, 64), "glass": (60, 44)}  # foreground: (height, width); in the order of the list
TRAINING = {"Adobe-licensed images": ("hair", "lace"), "Other": ("veil",)}
PICTURES = ((70, 90), (48, 30), (20, 80), (31, 33))  # (height, width), taking turns: large enough, or not in some way
LICENSED = "Test_set/Adobe-licensed images"


def write_adobe(root):
    """The folder that --adobe names: lists, foregrounds, mattes, trimaps; one foreground has an opacity."""
    for seed, (stem, size) in enumerate(TEST.items()):
        alpha = write_foreground(root / LICENSED, stem, size, seed)
        for k in range(EACH):
            save(root / LICENSED / "trimaps" / f"{stem}_{k}.png", make_trimap(alpha, 1 + k % 3))
    for folder, stems in TRAINING.items():
        for seed, stem in enumerate(stems):
            write_foreground(root / "Training_set" / folder, stem, (80, 100), seed)
    add_opacity(root / LICENSED / "fg" / "glass.png")
    lists = {"fg": [f"{stem}.png" for stem in TEST], "bg": [f"2008_{k:06}.jpg" for k in range(EACH * len(TEST))]}
    for name, lines in lists.items():  # with carriage returns, as one of the published lists has
        (root / f"Test_set/test_{name}_names.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def write_voc(root):
    """The folder that --voc names."""
    for k in range(EACH * len(TEST)):
        picture = draw_landscape(*PICTURES[k % len(PICTURES)], np.random.default_rng(k))
        save(root / "VOCdevkit/VOC2012/JPEGImages" / f"2008_{k:06}.jpg", picture)


def write_foreground(folder, stem, size, seed):
    """fg/STEM.png and alpha/STEM.png -> alpha; a stem begins with the kind of object that is drawn."""
    alpha, colours = draw_object(stem.split("_")[0], *size, np.random.default_rng(seed))
    save(folder / "fg" / f"{stem}.png", colours)
    save(folder / "alpha" / f"{stem}.png", alpha)
    return alpha


def add_opacity(path):
    """To a foreground, as some of the published ones have one, with nothing to say."""
    colours = np.asarray(Image.open(path))
    save(path, np.dstack([colours, np.arange(colours[:, :, 0].size).reshape(colours.shape[:2]) % 256]).astype(np.uint8))


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
