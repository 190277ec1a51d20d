"""Export a checkpoint as a MINDIR beside it, which takes its name only after it gave the checkpoint's own output.

python export.py --ckpt_url CKPT [--dynamic]
"""
from pathlib import Path

import mindspore as ms
import numpy as np

from matting.config import config_parser, load_config
from matting.errors import UserError, entry_point
from matting.files import atomic_path
from matting.inference import STRIDE, network_side
from ms_impl.models import build
from ms_impl.utils import load_checkpoint, load_mindir, predictor, set_device

TOLERANCE = 1e-5  # max |exported - checkpoint| / max |checkpoint|


def export(config, dynamic):
    """Write the network of config.ckpt_url as a MINDIR -> (its path, its output's relative difference).

    It takes images of config.img_size rounded up to multiples of 32, or with `dynamic` of any such size. Raises
    UserError, writing nothing, where its output differs from the checkpoint's by more than TOLERANCE, and for unpooling
    with `dynamic`: MindSpore 2.10 does not know its output's rank then.
    """
    if dynamic and config.resampling == "max":
        raise UserError("--dynamic: unpooling (resampling max) can be exported for one image size only; "
                        "export with --img_size HEIGHT WIDTH and without --dynamic")
    path = mindir_path(config.ckpt_url)
    network = build(config)
    load_checkpoint(network, config.ckpt_url)
    height, width = map(network_side, config.img_size)
    if dynamic:
        example = ms.Tensor(shape=(1, 4, None, None), dtype=ms.float32)
        sizes = (height, width), (3 * STRIDE, 2 * STRIDE)
    else:
        example = ms.ops.zeros((1, 4, height, width))
        sizes = ((height, width),)
    network.set_train(False)
    with atomic_path(path) as temporary:
        ms.export(network, example, file_name=str(temporary), file_format="MINDIR")
        temporary.chmod(0o644)  # MindSpore lets its owner alone read it
        difference = relative_difference(predictor(network), predictor(load_mindir(temporary)), sizes)
        if not difference <= TOLERANCE:
            raise UserError(f"{path}: not written, since its output would differ from the checkpoint's by "
                            f"{difference:.1e} of the maximum (allowed: {TOLERANCE:.0e})")
    return path, difference


def mindir_path(checkpoint):
    """logs/best.ckpt -> logs/best.mindir, official.pth.tar -> official.mindir."""
    path = Path(checkpoint)
    return path.with_name(path.name.removesuffix(".tar")).with_suffix(".mindir")


def relative_difference(reference, candidate, sizes):
    """max |candidate - reference| / max |reference| of two predictors on random (1, 4, H, W) inputs, largest of all."""
    differences = []
    for size in sizes:
        batch = np.random.default_rng(0).normal(size=(1, 4, *size)).astype(np.float32)
        expected = reference(batch)
        differences.append(np.abs(candidate(batch) - expected).max() / np.abs(expected).max())
    return np.max(differences)  # which, unlike max, passes NaN on


@entry_point
def main(argv=None):
    parser = config_parser("Export a checkpoint as a MINDIR beside it, and check what was written.")
    parser.add_argument("--dynamic", action="store_true", help="any height and width that are multiples of 32")
    config, own = load_config(parser, argv, with_checkpoint=True)
    set_device(config)
    path, difference = export(config, own.dynamic)
    print(f"{path}: written, reloaded and compared; largest difference to the checkpoint's output "
          f"{difference:.1e} of its maximum")


if __name__ == "__main__":
    main()
