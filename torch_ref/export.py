"""Export a checkpoint as ONNX beside it, which takes its name only after it gave the checkpoint's own output.

python export.py --file_format ONNX --ckpt_url CKPT [--dynamic] [--half]
"""
import warnings

import numpy as np
import torch

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.export import COMPARED, add_arguments, report, write_checked
from matting.runtimes.onnx import load_graph
from torch_ref.half import NAMED, halve, rounded
from torch_ref.registry import build
from torch_ref.utils import get_weights, load_checkpoint, predictor, set_weights

COMPARED_ROUNDED = f"{COMPARED} with the checkpoint, whose kernels were rounded"
INPUT, OUTPUT = "image_and_trimap", "alpha"
SIDES = {2: "height", 3: "width"}


def export(config, dynamic, half=False):
    """Write the network of config.ckpt_url as ONNX; returns and raises what write_checked does.

    half: its kernels in half precision, which the output is compared with, and under their names.
    """
    network = build(config)
    load_checkpoint(network, config.ckpt_url, config.weights_from)
    if half:
        set_weights(network, rounded(get_weights(network)))

    def write(path, height, width):
        # by tracing: the default, torch.export, took ten times as long, for any size forty times, and equalled it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of tracing
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)  # leaves a few constants for run time
            torch.onnx.export(network, torch.zeros(1, 4, height, width), path, input_names=[INPUT],
                              output_names=[OUTPUT], dynamo=False,
                              dynamic_axes={INPUT: SIDES, OUTPUT: SIDES} if dynamic else None,
                              **(NAMED if half else {}))
        if half:
            halve(path, get_weights(network))

    # rounding decides which of two nearly equal maxima is unpooled, and in a large image it does: single pixels differ
    measure = np.median if config.resampling == "max" else np.max
    return write_checked(config, dynamic, ".onnx", write, predictor(network), load_graph, measure)


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "torch_ref.export")
    add_arguments(parser)
    parser.add_argument("--half", action="store_true", help="kernels in half precision, which halves the file, and "
                        "under their names, so that it can be converted and trained further; computed in single")
    config, own = load_config(parser, argv)
    report(*export(config, own.dynamic, own.half), COMPARED_ROUNDED if own.half else COMPARED)


if __name__ == "__main__":
    main()
