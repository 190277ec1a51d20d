"""Alpha without a network: pymatting's two best methods, which need no weights, and a store of what they gave.

Closed-form matting (Levin, Lischinski, Weiss 2008) and KNN matting (Chen, Li, Tang 2013).
"""
import hashlib
import logging
import threading
import time
import zipfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting.errors import UserError, short_of_memory
from matting.estimation import DEFAULT_SCALE, enlarged, reduce
from matting.files import atomic_path
from matting.foreground import announced_if_slow
from matting.inference import to_uint8
from matting.trimap import BACKGROUND, FOREGROUND, fuse, unknown_region

log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # of a Store's: for the sake of memory, and so that two threads never do the same


class Method(NamedTuple):
    """A row of METHODS."""

    function: str  # of pymatting
    largest: int  # pixels, the longer side unless --max_side says otherwise, so that 4 GB are enough


METHODS = {"closed_form": Method("estimate_alpha_cf", 2000), "knn": Method("estimate_alpha_knn", 1000)}
NETWORK = "network"  # what else --method takes
SMALLER = "lower --max_side, or scale image and trimap down"  # where memory runs out


class Classical(NamedTuple):
    """A method that stands where a Network stands."""

    method: str  # a key of METHODS

    def alpha(self, image, trimap, scale=DEFAULT_SCALE):
        """(H, W, 3) uint8 RGB, (H, W) trimap -> (H, W) float32 alpha, estimated at most max_side large, or so
        large as the method's row says.

        Raises what estimate_alpha raises.
        """
        largest, longer = scale.max_side or METHODS[self.method].largest, max(trimap.shape)
        if longer <= largest:
            return estimate_alpha(self.method, image, trimap)
        if not scale.max_side:
            log.info("%s; --max_side says otherwise", reduction_of(self.method, trimap.shape))
        return enlarged(estimate_alpha(self.method, *reduce(image, trimap, largest / longer)), trimap)


def reduction_of(method, size):
    """What there is to say of an image whose (height, width) a method does not work at; empty where nothing is."""
    if method not in METHODS or max(size) <= METHODS[method].largest:
        return ""
    return f"{method} works on the photograph reduced to {METHODS[method].largest} pixels"


def estimate_alpha(method, image, trimap):
    """(H, W, 3) uint8 RGB, (H, W) trimap -> (H, W) float32 alpha, known pixels exactly 0 or 1.

    method: a key of METHODS. Raises UserError where the trimap lacks background or foreground, or pymatting gives up.
    """
    if not unknown_region(trimap).any():
        return fuse(np.zeros(trimap.shape, np.float32), trimap)
    for value, name in ((BACKGROUND, "background"), (FOREGROUND, "foreground")):
        if not (trimap == value).any():
            raise UserError(f"{method}: the trimap has no {name} ({value}) to start from; mark some")
    with announced_if_slow("compiling pymatting, which estimates alpha: half a minute or more, but only once"):
        import pymatting  # here, because it takes over a second to import

    try:
        with short_of_memory(f"{method} on {trimap.shape[1]}x{trimap.shape[0]}", SMALLER):
            alpha = getattr(pymatting, METHODS[method].function)(image / np.float64(255), trimap / np.float64(255))
    except (ValueError, ArithmeticError, IndexError, RuntimeError, np.linalg.LinAlgError) as error:
        raise UserError(f"{method}: found no alpha ({(str(error).splitlines() or [type(error).__name__])[0]}); try "
                        "another --method, or a trimap with less unknown") from None
    if not np.isfinite(alpha).all():
        raise UserError(f"{method}: found no alpha that is finite; try another --method")
    return fuse(np.clip(alpha, 0, 1).astype(np.float32), trimap)


class Store(NamedTuple):
    """A folder of mattes that were computed once, each under what it was computed from."""

    folder: Path

    def matte(self, method, image, trimap):
        """As estimate_alpha -> (H, W) uint8 matte, the seconds that it took when it was computed."""
        path = self.folder / f"{method}-{_fingerprint(method, image, trimap)}.npz"
        with _one_at_a_time:
            return _read(path) or self._compute(path, method, image, trimap)

    def _compute(self, path, method, image, trimap):
        start = time.perf_counter()
        matte = to_uint8(estimate_alpha(method, image, trimap))
        seconds = time.perf_counter() - start
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, matte=matte, seconds=seconds)
        return matte, seconds


def _fingerprint(method, image, trimap):
    """Of all that a matte depends on."""
    digest = hashlib.sha256(f"{method} {metadata.version('pymatting')} {image.shape}".encode())
    for pixels in (image, trimap):
        digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()[:32]


def _read(path):
    """(matte, seconds) of an earlier time; None where there is none that is whole."""
    try:
        with path.open("rb") as file, np.load(file) as archive:
            return archive["matte"], float(archive["seconds"])
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
