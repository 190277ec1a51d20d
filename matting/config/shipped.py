"""Weights that come with the project, where there are any: what a predicting program uses without --ckpt_url."""
from matting.config.defaults import DEFAULT_CONFIG, PACKAGE

FOLDER = "weights"  # of a checkout
INSTALLED = "shipped"  # in the package folder, where an installation puts it
NAME = "indexnet.onnx"
NONE_HERE = ("--ckpt_url is missing, and no weights come with this project yet; download published ones, which "
             "docs/weights.md lists and every program takes as they are, or pass --method knn, which needs none")


def shipped_weights():
    """The path of the weight file that comes with the project; None where there is none."""
    folders = [PACKAGE / INSTALLED]
    if (PACKAGE.parent / DEFAULT_CONFIG).is_file():  # a checkout; elsewhere a folder of that name is somebody else's
        folders.append(PACKAGE.parent / FOLDER)
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)
