"""What the page mattes with: weight files, and the classical methods; one thread runs all, one network is in memory.

MindSpore keeps its settings per thread, and Gradio answers each request in whichever is free.
"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from matting import load
from matting.classical import METHODS, Classical
from matting.config.shipped import shipped_weights
from matting.errors import UserError

SHIPPED = "shipped"
TITLES = {SHIPPED: "IndexNet (for research only)", "closed_form": "Closed-form (no weights)", "knn": "KNN (no weights)"}


class Methods:
    """Weight files by name, those that come with the project, and the methods of matting.classical.

    Raises UserError for a file that is not there.
    """

    def __init__(self, paths, device="CPU"):
        self.weights, self.device = {}, device
        for path in map(Path, paths):
            if not path.is_file():
                raise UserError(f"--ckpt_url {path}: no such file; give weight files")
            self.weights[path.name if path.name not in self.weights else str(path)] = path
        if shipped_weights():
            self.weights[SHIPPED] = shipped_weights()
        self._loaded = None, None  # name, Network
        self._thread = ThreadPoolExecutor(max_workers=1)

    @property
    def choices(self):
        """(title, name) of each; the first is what a visitor finds chosen: weights, or KNN, the quicker method."""
        return [(TITLES.get(name, name), name) for name in (*self.weights, *reversed(METHODS))]

    def alpha(self, name, image, trimap):
        """(H, W, 3) uint8 and (H, W) trimap -> (H, W) float32 alpha, by what has that name."""
        return self._thread.submit(self._alpha, name, image, trimap).result()

    def _alpha(self, name, image, trimap):
        if name in METHODS:
            return Classical(name).alpha(image, trimap)
        if name not in self.weights:
            raise UserError(f"{name}: is none of {', '.join([*self.weights, *METHODS])}; choose another method")
        if self._loaded[0] != name:
            self._loaded = None, None  # before the next one is in memory, too
            self._loaded = name, load(self.weights[name], device=self.device)
        return self._loaded[1].alpha(image, trimap)
