"""examples/lite/matte.py gives a network what this project gives it, with a module in Lite's place that shows it."""
import runpy
import sys
import types

import numpy as np
from PIL import Image

from matting.config import Config
from matting.transforms import normalise
from tests.pages import ROOT

HEIGHT, WIDTH = 4, 6


class Tensor:
    """Of one size; what a network is given, and what it gives."""

    shape = (1, 4, HEIGHT, WIDTH)

    def set_data_from_numpy(self, values):
        self.values = values

    def get_data_to_numpy(self):
        return np.full((1, 1, HEIGHT, WIDTH), 0.6, np.float32)


class Model:
    """Estimates 0.6 everywhere."""

    given = Tensor()

    def build_from_file(self, path, kind, context):
        assert (path, kind, context.target) == ("model.lite.mindir", "MINDIR", ["cpu"])

    def get_inputs(self):
        return [self.given]

    def predict(self, inputs):
        return inputs


def test_the_example_prepares_and_keeps_what_is_known(tmp_path, monkeypatch):
    lite = types.SimpleNamespace(Context=types.SimpleNamespace, Model=Model,
                                 ModelType=types.SimpleNamespace(MINDIR="MINDIR"))
    monkeypatch.setitem(sys.modules, "mindspore_lite", lite)
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    trimap = np.repeat(np.array([[0, 0, 128, 128, 255, 255]], np.uint8), HEIGHT, 0)
    files = {name: str(tmp_path / name) for name in ("photo.png", "trimap.png", "alpha.png")}
    Image.fromarray(image).save(files["photo.png"])
    Image.fromarray(trimap).save(files["trimap.png"])
    runpy.run_path(str(ROOT / "examples/lite/matte.py"))["main"]("model.lite.mindir", *files.values())
    config = Config(img_scale=255.0, img_mean=(0.485, 0.456, 0.406, 0), img_std=(0.229, 0.224, 0.225, 1))
    np.testing.assert_allclose(Model.given.values[0], normalise(image / 255, trimap, config), atol=1e-6)
    assert np.asarray(Image.open(files["alpha.png"])).tolist() == HEIGHT * [[0, 0, 153, 153, 255, 255]]
