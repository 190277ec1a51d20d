"""From what a person has to a photograph and its trimap: trimap, mask, strokes, box, the photograph's own opacity."""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting.errors import UserError, listed
from matting.images.listing import by_name
from matting.images.photo import Photo, flatten, read_photo
from matting.images.reading import check_same_size, read_grey, read_mask, read_trimap
from matting.trimap import unknown_region
from matting.trimap.band import DEFAULT_BAND, Band, trimap_from_mask
from matting.trimap.edited import tidy_trimap
from matting.trimap.grabcut import Box, mask_from_marks
from matting.trimap.marks import read_marks, resize_marks, with_marks
from matting.trimap.sizes import resize_trimap, same_aspect


class Source(NamedTuple):
    """The files of one photograph: the trimap comes from the first that is there, in this order, or from the box."""

    image: Path
    trimap: "Path | None" = None
    mask: "Path | None" = None
    strokes: "Path | None" = None
    subfolder: str = ""  # that the photograph lies in, of the folder that was given

    @property
    def files(self):
        """Those that are there."""
        return [path for path in self[:4] if path]

    @property
    def name(self):
        """What its results are called, in the sub-folder that it lies in."""
        return f"{self.subfolder}/{self.image.stem}" if self.subfolder else self.image.stem


class Rules(NamedTuple):
    """How a trimap is made of what there is."""

    band: Band = DEFAULT_BAND
    box: "Box | None" = None
    strict: bool = False  # a trimap holds 0, 128 and 255 only, of the photograph's size, some of them 128


class Input(NamedTuple):
    """A photograph and its trimap, of one size."""

    photo: Photo
    trimap: np.ndarray  # (H, W) uint8 in {0, 128, 255}
    notices: tuple  # lines for the user: what was done to the files to get here


def add_arguments(parser):
    """What the programs take that matte photographs, or make their trimaps."""
    parser.add_argument("image", metavar="IMAGE", help="photograph, or folder of photographs; one with transparent "
                        "pixels needs nothing more")
    parser.add_argument("trimap", metavar="TRIMAP", nargs="?", help="its trimap, 0 background, 128 unknown, 255 "
                        "object, or folder of trimaps of the same stems")
    parser.add_argument("--mask", metavar="FILE", help="instead of TRIMAP: a mask of any tool, white or opaque where "
                        "the object is, of any size of the same aspect, or folder of masks")
    parser.add_argument("--box", metavar="X,Y,W,H", help="instead of TRIMAP: a box around the object, in pixels")
    parser.add_argument("--strokes", metavar="FILE", help="instead of TRIMAP, or with --box: a picture with strokes "
                        "in green (object), red (background) and blue (unknown), on a transparent layer also white, "
                        "black and grey, or folder of such")
    parser.add_argument("--band", metavar="WIDTH", default=f"{DEFAULT_BAND.amount}%", help="how far from a mask's edge "
                        "alpha is unknown, on either side: pixels, or percent of the object's size (default: "
                        f"{DEFAULT_BAND.amount}%%)")
    parser.add_argument("--strict_trimap", action="store_true", help="refuse a trimap with other values than 0, 128 "
                        "and 255, of another size, or without unknown pixels")


def read_arguments(arguments, output=None):
    """From what add_arguments took -> ([Source], Rules); raises UserError for flags that do not go together.

    output: a folder in which no photographs are sought.
    """
    given = [flag for flag, value in (("TRIMAP", arguments.trimap), ("--mask", arguments.mask),
                                      ("--strokes or --box", arguments.strokes or arguments.box)) if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other; give the one that knows best")
    rules = Rules(Band.parse(arguments.band), Box.parse(arguments.box) if arguments.box else None,
                  arguments.strict_trimap)
    files = arguments.image, arguments.trimap, arguments.mask, arguments.strokes
    return find_sources(*files, output=output), rules


def find_sources(image, trimap=None, mask=None, strokes=None, output=None):
    """A photograph and its other files, or folders of them paired by name, sub-folders included -> [Source].

    What lies in the output's folder, or in that of the others, is no photograph.
    """
    image, others = Path(image), [path and Path(path) for path in (trimap, mask, strokes)]
    for other in filter(None, others):
        if image.is_dir() != other.is_dir():
            folder, file = (image, other) if image.is_dir() else (other, image)
            raise UserError(f"{folder} is a folder, but {file} is not; give two files or two folders")
    if not image.is_dir():
        return [Source(image, *others)]
    own = [folder for folder in (*others, output) if folder and Path(folder).resolve() != image.resolve()]
    images = by_name(image, own)
    found = [paired(image, images, other) if other else {} for other in others]
    return [Source(path, *(names.get(name) for names in found), subfolder=name.rpartition("/")[0])
            for name, path in images.items()]


def paired(folder, images, other):
    """{name: path} of the folder that belongs to the images; raises UserError where one lacks its counterpart."""
    names = by_name(other)
    for lacking, has, wants in ((other, names, images), (folder, images, names)):
        missing = sorted(set(wants) - set(has))
        if missing:
            raise UserError(f"{lacking}: has no {listed(missing)}; images and trimaps are paired by their names "
                            "without suffix")
    return names


def read_input(source, rules):
    """Source -> Input; raises UserError for unusable files, naming the file and the flag that would take it."""
    photo, notices = read_photo(source.image), []
    if source.trimap:
        trimap = _read_trimap(source, photo, rules, notices)
    elif source.mask:
        trimap = _from_mask(source.mask, read_mask(source.mask), source, photo, rules)
    elif source.strokes or rules.box:
        trimap = _from_marks(source, photo, rules)
    elif photo.opacity is not None:
        return Input(photo, _from_mask(source.image, photo.opacity, source, photo, rules), ())
    else:
        raise UserError(f"{source.image}: has no transparent pixels to tell the object by; give a TRIMAP, --mask "
                        "FILE, --box X,Y,W,H or --strokes FILE")
    if photo.opacity is not None:
        notices.append(f"{source.image}: has transparent pixels; flattened onto white")
        photo = Photo(flatten(photo.pixels, photo.opacity), None, photo.profile)
    if not unknown_region(trimap).any():
        notices.append(f"{source.trimap or source.image}: is known everywhere, so it is its own matte; if it is a "
                       "mask, pass it with --mask")
    return Input(photo, trimap, tuple(notices))


def _read_trimap(source, photo, rules, notices):
    path, size = source.trimap, photo.pixels.shape[:2]
    if rules.strict:
        trimap = read_trimap(path)
        check_same_size(path, trimap, source.image, photo.pixels)
        return trimap
    tidied = _named(path, tidy_trimap, read_grey(path))
    if tidied.moved:
        notices.append(f"{path}: {tidied.moved} of {tidied.trimap.size} pixels were none of 0, 128 and 255; each is "
                       "taken as the nearest")
    if tidied.trimap.shape == size:
        return tidied.trimap
    _check_aspect(path, tidied.trimap, source.image, size)
    notices.append(f"{path}: is {_extent(tidied.trimap.shape)}; resized to the photograph's {_extent(size)}")
    return resize_trimap(tidied.trimap, size)


def _from_mask(path, mask, source, photo, rules):
    size = photo.pixels.shape[:2]
    _check_aspect(path, mask, source.image, size)
    return _named(path, trimap_from_mask, mask, size, rules.band)


def _from_marks(source, photo, rules):
    size, image = photo.pixels.shape[:2], photo.image
    marks = read_strokes(source.strokes, source.image, image) if source.strokes else None
    mask = _named(source.strokes or source.image, mask_from_marks, image, rules.box, marks)
    trimap = _named(source.image, trimap_from_mask, mask, size, rules.band)
    return trimap if marks is None else with_marks(trimap, marks)


def read_strokes(path, image_path, image):
    """A picture with strokes -> marks of an (H, W, 3) uint8 photograph's size, as read_marks gives them."""
    layer = read_photo(path)
    _check_aspect(path, layer.pixels, image_path, image.shape[:2])
    picture = layer.image if layer.opacity is None else np.dstack([layer.image, layer.opacity])
    marks = _named(path, read_marks, picture, image)
    return marks if marks.shape == image.shape[:2] else resize_marks(marks, image.shape[:2])


def _named(path, function, *arguments):
    """What the function gives; where it raises UserError, with the file's name before its words."""
    try:
        return function(*arguments)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _check_aspect(path, pixels, reference_path, size):
    if same_aspect(pixels.shape[:2], size):
        return
    turned = same_aspect(pixels.shape[:2][::-1], size)
    remedy = "turn it upright, as the photograph is shown" if turned else "they must be of one aspect"
    raise UserError(f"{path}: is {_extent(pixels.shape)}, but {reference_path} is {_extent(size)} (after EXIF "
                    f"rotation); {remedy}")


def _extent(size):
    return f"{size[1]}x{size[0]}"
