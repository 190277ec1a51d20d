"""Export a checkpoint as a MINDIR beside it, which takes its name only after it gave the checkpoint's own output.

python export.py --ckpt_url CKPT [--dynamic]
python export.py --runtime lite --ckpt_url CKPT               for MindSpore Lite 2.0.0, of a fixed size, as .lite.mindir
python export.py --file_format ONNX --ckpt_url CKPT [--dynamic]     the same in that format, by torch_ref.export
"""
import mindspore as ms
import numpy as np

from matting.errors import UserError, entry_point
from matting.programs.export import COMPARED, TOLERANCE, add_arguments, report, write_checked
from ms_impl import lite
from ms_impl.registry import MODELS, build
from ms_impl.src.cfg.config import get_config
from ms_impl.src.formulations import suit_export
from ms_impl.src.utils import get_weights, load_checkpoint, load_mindir, predictor, set_device, set_weights

SUFFIXES = {"mindspore": ".mindir", "lite": ".lite.mindir"}
COMPARED_IN_LITE = "written, run in MindSpore Lite and compared"
UNCHECKED = (f"{COMPARED} in MindSpore, but not in MindSpore Lite, for which --lite_python names the interpreter "
             f"({lite.INSTALLATION})")


def add_own_arguments(parser):
    """What MindSpore's exporting program takes besides the keys."""
    add_arguments(parser)
    parser.add_argument("--runtime", choices=SUFFIXES, default="mindspore",
                        help="what is to run the file: MindSpore, or MindSpore Lite 2.0.0, at a fixed size")
    parser.add_argument("--lite_python", metavar="PYTHON",
                        help=f"the interpreter that checks a file for Lite: {lite.INSTALLATION}")


def export(config, dynamic, runtime="mindspore", lite_python=None):
    """Write the network of config.ckpt_url as a MINDIR for a runtime; returns and raises what write_checked does.

    Raises UserError, too, for unpooling with `dynamic`: MindSpore 2.10 does not know its output's rank then. For Lite
    the file is compared in the Lite of that interpreter; without one, in MindSpore.
    """
    for_lite = runtime == "lite"
    if dynamic and for_lite:
        raise UserError("--dynamic: MindSpore Lite 2.0.0 takes one image size only; export with --img_size HEIGHT "
                        "WIDTH and without --dynamic")
    if dynamic and config.resampling == "max":
        raise UserError("--dynamic: unpooling (resampling max) can be exported for one image size only; export with "
                        "--img_size HEIGHT WIDTH and without --dynamic, or with --file_format ONNX")
    if lite_python and not for_lite:
        raise UserError("--lite_python: checks files for MindSpore Lite; pass --runtime lite, too")
    if lite_python:
        lite.check_python(lite_python)
    network, exported = build(config), exportable(config, for_lite)
    load_checkpoint(network, config.ckpt_url, config.weights_from)
    set_weights(exported, get_weights(network))

    def write(path, height, width):
        write_mindir(exported, path, (None, None) if dynamic else (height, width), for_lite)

    def load(path):
        return lite.predictor(lite_python, path) if lite_python else predictor(load_mindir(path))

    # rounding decides which of two nearly equal maxima is unpooled, and in Lite it does: single pixels differ
    measure = np.median if lite_python and config.resampling == "max" else np.max
    tolerance = lite.TOLERANCE if lite_python else TOLERANCE
    return write_checked(config, dynamic, SUFFIXES[runtime], write, predictor(network), load, measure, tolerance)


def exportable(config, for_lite):
    """The configured network, with random weights, in the form in which it is exported.

    For Lite convolutions stay as they are: of 544x544 pixels on, row by row, they overflow its buffers in one thread.
    """
    network = MODELS[config.model].network(config.network) if for_lite else build(config)
    suit_export(network)
    return network


def write_mindir(network, path, size, for_lite=False):
    """Write an exportable network; size: (height, width) of the only images it takes, or twice None."""
    example = (ms.Tensor(shape=(1, 4, *size), dtype=ms.float32) if None in size else
               ms.ops.zeros((1, 4, *size), ms.float32))
    ms.export(network.set_train(False), example, file_name=str(path), file_format="MINDIR")
    path.chmod(0o644)  # MindSpore lets its owner alone read it
    if for_lite:
        path.write_bytes(lite.for_lite(path.read_bytes()))


@entry_point
def main(argv=None):
    config, own = get_config(__doc__, "export", argv, add_own_arguments)
    set_device(config)
    compared = COMPARED if own.runtime != "lite" else COMPARED_IN_LITE if own.lite_python else UNCHECKED
    report(*export(config, own.dynamic, own.runtime, own.lite_python), compared)


if __name__ == "__main__":
    main()
