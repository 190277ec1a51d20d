"""Foregrounds decoded once: memory-mapped arrays on disk that all loader processes and later runs share."""
import hashlib
import logging
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from matting.errors import UserError
from matting.files import atomic_path
from matting.images.reading import check_same_size, read_alpha, read_image
from matting.trimap import MAX_RADIUS, TRIMAP_RULES

OPEN = 400  # foregrounds a process keeps mapped, a file descriptor each
KEPT_FREE = 2 * 2**30  # bytes of disk left to others

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedForeground:
    """A photograph, its matte, and what choosing a crop around an unknown pixel takes."""

    colours: np.ndarray  # (H, W, 3) uint8 RGB
    alpha: np.ndarray  # (H, W) uint8
    distance: np.ndarray  # (H, W) uint8, what a row of trimap.TRIMAP_RULES measures of alpha
    unknown_above: np.ndarray  # (MAX_RADIUS, H + 1) int64: [r - 1, y] unknown pixels in rows 0..y-1 at radius r

    @classmethod
    def measure(cls, colours, alpha, trimap_rule):
        """From (H, W, 3) and (H, W) uint8 arrays."""
        distance = TRIMAP_RULES[trimap_rule](alpha)
        per_row = [np.count_nonzero(distance <= radius, axis=1) for radius in range(1, MAX_RADIUS + 1)]
        return cls(colours, alpha, distance, np.pad(np.cumsum(per_row, axis=1), ((0, 0), (1, 0))))

    def unknown_pixel(self, radius, rng):
        """(row, column), each unknown pixel of the trimap of `radius` being equally likely."""
        above = self.unknown_above[radius - 1]
        drawn = rng.integers(above[-1])
        row = np.searchsorted(above, drawn, side="right") - 1
        return row, np.flatnonzero(self.distance[row] <= radius)[drawn - above[row]]


class ForegroundCache:
    """Decoded foregrounds in `folder`, made when first asked for; with the disk nearly full, decoded every time."""

    def __init__(self, folder, trimap_rule):
        self.folder = Path(folder)
        self.trimap_rule = trimap_rule
        self._open = {}
        self._full = False

    def load(self, original, mask):
        """The DecodedForeground of two files; raises UserError for unusable ones and a matte without soft pixels."""
        key = (original, mask)
        if key not in self._open:
            path = self.folder / _entry_name(Path(original), Path(mask), self.trimap_rule)
            if not path.is_file():
                foreground = _decode(original, mask, self.trimap_rule)
                if not self._keep(foreground, path):
                    return foreground
            while len(self._open) >= OPEN:
                del self._open[next(iter(self._open))]
            self._open[key] = _map(path)
        return self._open[key]

    def _keep(self, foreground, path):
        """Write a foreground as one record; False where the disk is nearly full."""
        arrays = {field.name: getattr(foreground, field.name) for field in fields(foreground)}
        record = np.empty((), [(name, array.dtype, array.shape) for name, array in arrays.items()])
        for name, array in arrays.items():
            record[name] = array
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._full and shutil.disk_usage(self.folder).free < KEPT_FREE + record.nbytes:
                self._full = True
                logger.warning("%s: the disk is nearly full, so foregrounds are decoded again for each sample; "
                               "name a roomier folder with --cache_dir", self.folder)
            if self._full:
                return False
            with atomic_path(path) as temporary:
                np.save(temporary, record)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot keep decoded foregrounds ({error.strerror}); "
                            "name another folder with --cache_dir") from None
        return True


def _map(path):
    try:
        try:
            record = np.load(path, mmap_mode="r")
        except SystemError:  # seen once, of the header, with Python 3.11.7; the second reading works
            record = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: is damaged ({error}); delete it, it is made anew") from None
    return DecodedForeground(**{name: np.asarray(record[name]) for name in record.dtype.names})


def _decode(original, mask, trimap_rule):
    alpha, colours = read_alpha(mask), read_image(original)
    check_same_size(mask, alpha, original, colours)
    foreground = DecodedForeground.measure(colours, alpha, trimap_rule)
    if not foreground.unknown_above[0, -1]:
        raise UserError(f"{mask}: has no partly transparent pixel, so there is nothing to learn from; "
                        "leave it out of the training set, or pass --skip_bad_samples True")
    return foreground


def _entry_name(original, mask, trimap_rule):
    """A file name that changes with either file and the rule; raises UserError where a file is missing."""
    identity = [MAX_RADIUS, trimap_rule]
    for path in (original, mask):
        try:
            status = path.stat()
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        identity += [str(path.resolve()), status.st_size, status.st_mtime_ns]
    return f"{original.stem}-{hashlib.sha256(repr(identity).encode()).hexdigest()[:12]}.npy"
