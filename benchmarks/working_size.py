"""At which size to matte a photograph where much is unknown: `python -m benchmarks.working_size`.

Photographs with known alpha are enlarged and matted at several working sizes, with narrow and wide unknown regions;
each matte is brought back to the full size, where it is measured over the unknown pixels.
"""
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.extent import add_quick
from matting import load
from matting.config import make_config
from matting.dataset.layouts import as_they_are
from matting.errors import entry_point
from matting.estimation import Scale
from matting.images.photo import read_photo
from matting.images.reading import read_alpha
from matting.metrics import gradient_error, stretch, unknown_tiles
from matting.trimap import make_trimap, unknown_region
from matting.trimap.sizes import resize_trimap
from matting.usage import program_parser

RADII = (10, 40, 100)  # pixels of the photograph as it is, of the unknown region around what is soft
UNASKED, FULL_SIZE = 0, 16384  # as --max_side
SIDES = (600, 800, 1200, 1600, FULL_SIZE, UNASKED)  # pixels of the longer side
TITLES = {UNASKED: "unasked", FULL_SIZE: "full size"}
PROTOCOL = "adobe"
QUICK_SIDE = 96  # pixels, which --quick reduces the photographs to


class Enlarged(NamedTuple):
    """A photograph, its matte and its trimap, all of one size."""

    image: np.ndarray  # (H, W, 3) uint8
    alpha: np.ndarray  # (H, W) float32
    trimap: np.ndarray

    @property
    def farthest(self):
        """How many pixels the unknown pixel farthest from all known ones is away from them; infinite without known."""
        unknown = unknown_region(self.trimap)
        if unknown.all():
            return np.inf
        return cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()


@entry_point
def main(argv=None):
    parser = program_parser("benchmarks.working_size", __doc__)
    parser.add_argument("--ckpt_url", required=True, metavar="FILE", help="trained weights, of any kind")
    parser.add_argument("--data_dir", required=True, metavar="FOLDER", help="with original, mask and trimap")
    parser.add_argument("--val_list", required=True, metavar="FILE", help="names the photographs, a stem a line: such "
                        "that the network was not trained on")
    parser.add_argument("--radii", type=int, nargs="+", default=RADII, metavar="PIXELS", help="of the unknown regions, "
                        f"in the photograph as it is (default: {' '.join(map(str, RADII))})")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, metavar="PIXELS",
                        help=f"longer sides to work at; {UNASKED}: what is chosen unasked (default: "
                        f"{' '.join(map(str, SIDES))})")
    parser.add_argument("--enlarged", type=int, default=3, metavar="TIMES", help="default: %(default)s")
    add_quick(parser)
    arguments = parser.parse_args(argv)
    network = load(arguments.ckpt_url)
    config = make_config({"data_dir": arguments.data_dir, "val_list": arguments.val_list})
    photographs = as_they_are(config, "folders")
    titles = [TITLES.get(side, str(side)) for side in arguments.sides]
    print(f"Photographs enlarged {arguments.enlarged} times; of each working size the mean difference from the true "
          "alpha, and the gradient error, over unknown pixels\n")
    print(f"| radius | photograph | farthest | {' | '.join(titles)} |\n|---|---|---|{'---|' * len(titles)}", flush=True)
    for radius in arguments.radii:
        errors = []
        for files in photographs:
            enlarged = enlarge(files, radius, arguments.enlarged, QUICK_SIDE if arguments.quick else None)
            errors.append(measured(network, enlarged, arguments.sides))
            print(row(radius, files.name, f"{enlarged.farthest:.0f}", errors[-1]), flush=True)
        print(row(radius, "mean", "", np.mean(errors, axis=0)), flush=True)


def enlarge(files, radius, times, side=None):
    """Of MatteFiles, first reduced to a longer side if given -> Enlarged; the trimap is made of the matte."""
    image, alpha = read_photo(files.predicted).image, read_alpha(files.true)
    if side:
        size = tuple(max(1, round(length * side / max(alpha.shape))) for length in alpha.shape)
        image, alpha = (cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA) for pixels in (image, alpha))
    size = tuple(times * length for length in alpha.shape)
    image, matte = (cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC) for pixels in (image, alpha))
    return Enlarged(image, matte / np.float32(255), resize_trimap(make_trimap(alpha, radius), size))


def measured(network, enlarged, sides):
    """[(mean absolute difference, gradient error)] of each working size."""
    tiles = unknown_tiles(unknown_region(enlarged.trimap))
    truth, found = stretch(enlarged.alpha), []
    for side in sides:
        alpha = network.alpha(enlarged.image, enlarged.trimap, Scale(max_side=side))
        difference = np.abs(alpha - enlarged.alpha)[unknown_region(enlarged.trimap)].mean()
        found.append((difference, gradient_error(stretch(alpha), truth, tiles, PROTOCOL)))
    return found


def row(radius, name, farthest, errors):
    words = [f"{difference:.4f}, {gradient:.2f}" for difference, gradient in errors]
    return f"| {' | '.join([str(radius), name, farthest, *words])} |"


if __name__ == "__main__":
    main()
