"""Matte a real photograph by the weights that come with the project: `python -m scripts.photograph -o OUT`.

It is NASA's of an astronaut, public domain, and comes with scikit-image. She is outlined by hand, roughly, as a user
would; of that matte makes the trimap. OUT/steps.png shows photograph, trimap, matte, and the cut-out over green.
"""
from pathlib import Path

import cv2
import numpy as np

import matting.__main__
import matting.trimap.__main__
from matting.config import default_weights
from matting.errors import entry_point
from matting.images.writing import write_png
from matting.usage import program_parser

NAME, SIDE = "astronaut", 512  # pixels, of the square photograph
OUTLINE = (  # x, y
    (14, 511), (20, 440), (36, 360), (46, 300), (60, 254), (98, 222), (119, 208), (114, 186), (130, 160), (160, 150),
    (186, 150), (180, 124), (160, 108), (153, 80), (163, 46), (186, 24), (224, 14), (266, 24), (292, 50), (301, 82),
    (296, 112), (278, 136), (260, 156), (258, 176), (284, 202), (304, 240), (330, 256), (349, 290), (359, 330),
    (364, 350), (398, 342), (440, 352), (474, 380), (496, 420), (502, 460), (511, 476), (511, 511))


def write_photograph(folder):
    """Write the photograph and the mask of its outline into the folder, made where missing -> their paths."""
    from skimage import data  # here: a development package

    folder.mkdir(parents=True, exist_ok=True)
    photograph, mask = folder / f"{NAME}.png", folder / "outline.png"
    write_png(photograph, getattr(data, NAME)())
    write_png(mask, cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [np.array(OUTLINE)], 255))
    return photograph, mask


@entry_point
def main(argv=None):
    parser = program_parser("scripts.photograph", __doc__)
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, default=Path("build/photograph"),
                        help="folder, made where missing (default: %(default)s)")
    out = parser.parse_args(argv).output
    weights = str(default_weights())
    photograph, mask = write_photograph(out)
    matting.trimap.__main__.main([str(photograph), "--mask", str(mask), "-o", str(out / "trimaps")])
    matting.__main__.main([str(photograph), "--mask", str(mask), "--ckpt_url", weights, "-o", str(out / "mattes"),
                           "--background", "#00b140"])
    pictures = (photograph, out / f"trimaps/{NAME}.png", *(out / f"mattes/{NAME}_{kind}.png"
                                                           for kind in ("alpha", "composite")))
    cv2.imwrite(str(out / "steps.png"), np.hstack([cv2.imread(str(picture)) for picture in pictures]))
    print(f"{out / 'steps.png'}: photograph, trimap, matte, cut-out over green")


if __name__ == "__main__":
    main()
