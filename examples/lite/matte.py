"""Matte a photograph with MindSpore Lite alone: python matte.py MODEL.lite.mindir PHOTO TRIMAP ALPHA.png

MODEL is what `python export.py --runtime lite` writes of a network with ImageNet's normalisation, as the weights are
that come with the project. It takes one size, to which the photograph is scaled, and its matte back. Needs NumPy,
Pillow and mindspore-lite==2.0.0, which is for Python 3.7.
"""
import sys

import mindspore_lite
import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406, 0], np.float32)  # of red, green, blue and the trimap
STD = np.array([0.229, 0.224, 0.225, 1], np.float32)


def main(model, photo, trimap, alpha):
    context = mindspore_lite.Context()
    context.target = ["cpu"]
    network = mindspore_lite.Model()
    network.build_from_file(model, mindspore_lite.ModelType.MINDIR, context)
    inputs = network.get_inputs()
    _, _, height, width = inputs[0].shape

    image = Image.open(photo).convert("RGB")
    marked = Image.open(trimap).convert("L").resize(image.size, Image.NEAREST)
    channels = (image.resize((width, height), Image.BILINEAR), marked.resize((width, height), Image.NEAREST))
    batch = (np.dstack([np.asarray(part) for part in channels]) / np.float32(255) - MEAN) / STD
    inputs[0].set_data_from_numpy(np.ascontiguousarray(batch.transpose(2, 0, 1)[None]))
    estimate = network.predict(inputs)[0].get_data_to_numpy()[0, 0]

    levels = Image.fromarray(np.round(255 * estimate.clip(0, 1)).astype(np.uint8))
    matte, known = np.array(levels.resize(image.size, Image.BILINEAR)), np.asarray(marked)
    matte[known == 255], matte[known == 0] = 255, 0
    Image.fromarray(matte).save(alpha)


if __name__ == "__main__":
    main(*sys.argv[1:])
