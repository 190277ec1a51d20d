"""What the page does for one visitor, in a folder of their own: files in, pictures and downloads out.

Everything goes the command line's way: marks become a file, read_input makes the trimap, Results writes.
"""
import base64
import binascii
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import cv2

from matting.classical import reduction_of
from matting.compat import zip_equal
from matting.errors import UserError, message_of, short_of_memory
from matting.images.photo import flatten, read_photo
from matting.images.reading import read_header
from matting.images.writing import write_png, write_webp
from matting.memory import amount
from matting.programs.inputs import Rules, Source, read_input, read_strokes
from matting.programs.results import Results, read_background, read_colour
from matting.trimap.band import Band
from matting.trimap.grabcut import Box
from matting.trimap.marks import with_marks

LARGEST = 50_000_000  # pixels of what is uploaded
LARGEST_FILE = 200 * 2**20  # bytes
LONGEST_SHOWN = 4096  # pixels of the longer side of what the browser shows of it
LAYER = "data:image/png;base64,"
SMALLER = "scale it down, or give it to the command line with a lower --tile"
GUIDES = ("mask", "trimap")
ROLES = ("photo", "guide", "background")  # of uploads


class Marks(NamedTuple):
    """What was painted: a layer as PNG and a box in the photograph's pixels, each perhaps absent."""

    layer: "bytes | None" = None
    box: "Box | None" = None

    @classmethod
    def parse(cls, value):
        """From what painter.js sends, {layer, box} or None; raises UserError for anything else."""
        try:
            layer, box = (value or {}).get("layer"), (value or {}).get("box")
            if layer is not None and not layer.startswith(LAYER):
                raise ValueError(layer)
            return cls(layer and base64.b64decode(layer[len(LAYER):], validate=True), box and Box(*map(int, box)))
        except (AttributeError, TypeError, ValueError, binascii.Error):
            raise UserError("the marks are not as this page draws them; reload it") from None


class Wish(NamedTuple):
    """What a visitor chose besides files and marks."""

    colour: str  # behind the composite, where no picture was uploaded
    method: str  # a name of Methods
    guide: str = "mask"  # what the uploaded mask or trimap is, of GUIDES
    band: str = "3%"
    file_format: str = "png"


class Session:
    """A visitor's folder and what is in it."""

    def __init__(self, root, methods):
        self.folder = Path(tempfile.mkdtemp(dir=root))
        self.methods = methods
        self.lock = threading.Lock()  # held while something is done for the visitor
        self.uploads = {}  # role: path in the folder
        self.received = {}  # path: age of uploads, where they lay before they were copied
        self.closed = False
        self._transparent = False  # whether the photograph has an opacity to start from
        self._matted = None, None, None  # what it was made of, Input, alpha

    def close(self):
        """Leave no trace."""
        self.closed = True
        shutil.rmtree(self.folder, ignore_errors=True)
        for path, age in self.received.items():
            if path.exists() and age_of(path) == age:  # else another visitor uploaded the same
                path.unlink(missing_ok=True)

    def receive(self, path):
        """Note an upload, which close deletes; a file of the same content lies in the same place."""
        self.received[Path(path)] = age_of(path)

    def explain(self, error):
        """An exception -> its one line, with files named as the visitor knows them; None for a fault of ours."""
        message = message_of(error)
        return message and re.sub(rf"{re.escape(str(self.folder))}/(?:(?:{'|'.join(ROLES)})/)?", "", message)

    def drop(self, role):
        """Forget an uploaded file."""
        shutil.rmtree(self.folder / role, ignore_errors=True)
        self.uploads.pop(role, None)

    def take(self, role, path):
        """Keep a copy of an uploaded picture in place of the one before; raises UserError for one of no use."""
        self.drop(role)
        (self.folder / role).mkdir()
        copy = Path(shutil.copy(path, self.folder / role))
        check_size(copy)
        self.uploads[role] = copy

    def open_photo(self, path):
        """Take a photograph -> {url, width, height} for painter.js; raises UserError for one of no use."""
        self.take("photo", path)
        try:
            return self._show_photo(self.uploads["photo"])
        except BaseException:
            self.drop("photo")
            raise

    def trimap(self, marks, wish):
        """-> {width, height, views, downloads} for viewer.js, and lines for the visitor."""
        with short_of_memory("the photograph", SMALLER):
            given, notices = self._read(marks, wish)
            return self._shown({"Trimap": self._write_trimap(self._fresh(), given.trimap)}, given.trimap), notices

    def matte(self, marks, wish):
        """The same with matte, cut-out and composite; the network rests where only the background is another."""
        made_of, notices = (marks, wish.method, wish.guide, wish.band, self._age()), []
        with short_of_memory("the photograph", SMALLER):
            results = Results(self._fresh(), self._background(wish.colour), wish.file_format)
            if self._matted[0] != made_of:
                given, notices = self._read(marks, wish)
                self._matted = made_of, given, self.methods.alpha(wish.method, given.photo.image, given.trimap)
                notices += filter(None, [reduction_of(wish.method, given.trimap.shape)])
            _, given, alpha = self._matted
            names = results.write(self.uploads["photo"].stem, given.photo, alpha)
            files = dict(zip_equal(("Matte", "Cut-out", "Composite"), (results.folder / name for name in names)))
            trimap = self._write_trimap(results.folder, given.trimap)
            return self._shown({"Trimap": trimap, **files}, given.trimap), notices

    def _background(self, colour):
        picture = self.uploads.get("background")
        return read_background(picture) if picture else read_colour(colour)

    def _show_photo(self, path):
        with short_of_memory(path, SMALLER):
            photo = read_photo(path)
            self._transparent = photo.opacity is not None
            pixels = flatten(photo.image, photo.opacity) if self._transparent else photo.image
            self._photo_shown.parent.mkdir(exist_ok=True)
            write_webp(self._photo_shown, reduced(pixels, LONGEST_SHOWN), photo.profile)
        height, width = pixels.shape[:2]
        return {"url": url_of(self._photo_shown), "width": width, "height": height}

    @property
    def _photo_shown(self):
        return self.folder / "photo" / "shown" / "photo.webp"

    def _read(self, marks, wish):
        """-> Input, and what there is to say of it; strokes on a mask or a trimap correct it."""
        if "photo" not in self.uploads:
            raise UserError("no photograph yet; open one first")
        if not (marks.layer or marks.box or self.uploads.get("guide") or self._transparent):
            raise UserError("nothing tells the object from the background yet; paint some of both, draw a box, or give "
                            "a mask")
        photo, guide, layer, notices = self.uploads["photo"], self.uploads.get("guide"), None, []
        if marks.layer:
            layer = self.folder / "strokes.png"
            layer.write_bytes(marks.layer)
            check_size(layer)
        if guide and marks.box:
            notices.append(f"the box is not used beside a {wish.guide}")
        source = Source(photo, **{wish.guide: guide}) if guide else Source(photo, strokes=layer)
        given = read_input(source, Rules(Band.parse(wish.band), None if guide else marks.box))
        if guide and layer:
            given = given._replace(trimap=with_marks(given.trimap, read_strokes(layer, photo, given.photo.image)))
        return given, [*notices, *(self.explain(UserError(line)) for line in given.notices)]

    def _age(self):
        """What tells a file that was uploaded anew from the one before."""
        return {role: age_of(path) for role, path in self.uploads.items() if role != "background"}

    def _fresh(self):
        """A folder for results; those before are gone."""
        for folder in self.folder.glob("results*"):
            shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="results", dir=self.folder))

    def _write_trimap(self, folder, trimap):
        path = folder / f"{self.uploads['photo'].stem}_trimap.png"
        write_png(path, trimap)
        return path

    def _shown(self, files, trimap):
        height, width = trimap.shape
        views = {"Photo": self._photo_shown, **files}
        return {"width": width, "height": height,
                "views": [{"name": name, "url": url_of(path)} for name, path in views.items()],
                "downloads": [{"name": name, "url": url_of(path), "file": path.name,
                               "size": amount(path.stat().st_size)} for name, path in files.items()]}


def check_size(path):
    """Raise UserError for a file that is no picture, or a larger one than this page takes."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UserError(f"{path}: has {amount(size)}; this page takes {amount(LARGEST_FILE)} at most, the command line "
                        "more")
    height, width, _ = read_header(path)
    if height * width > LARGEST:
        raise UserError(f"{path}: has {width}x{height} pixels; this page takes {LARGEST // 10**6} million at most, the "
                        "command line more")


def reduced(pixels, longest):
    """(H, W, 3) uint8, its longer side at most so many pixels."""
    scale = longest / max(pixels.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels


def url_of(path):
    """Where Gradio serves a file of a folder that it was allowed; new where the file is written anew."""
    return f"gradio_api/file={quote(str(path))}?{age_of(path)}"


def age_of(path):
    """When a file was written, in nanoseconds."""
    return Path(path).stat().st_mtime_ns
