"""Export a checkpoint as a MINDIR beside it, which takes its name only after it gave the checkpoint's own output.

python export.py --ckpt_url CKPT [--dynamic]
python export.py --file_format ONNX --ckpt_url CKPT [--dynamic]     the same in that format, by torch_ref.export
"""
import mindspore as ms

from matting.errors import UserError, entry_point
from matting.programs.export import add_arguments, report, write_checked
from ms_impl.registry import build
from ms_impl.src.cfg.config import get_config
from ms_impl.src.formulations import suit_export
from ms_impl.src.utils import get_weights, load_checkpoint, load_mindir, predictor, set_device, set_weights


def export(config, dynamic):
    """Write the network of config.ckpt_url as a MINDIR; returns and raises what write_checked does.

    Raises UserError, too, for unpooling with `dynamic`: MindSpore 2.10 does not know its output's rank then.
    """
    if dynamic and config.resampling == "max":
        raise UserError("--dynamic: unpooling (resampling max) can be exported for one image size only; export with "
                        "--img_size HEIGHT WIDTH and without --dynamic, or with --file_format ONNX")
    network, exported = build(config), build(config)
    load_checkpoint(network, config.ckpt_url, config.weights_from)
    set_weights(exported, get_weights(network))
    suit_export(exported.set_train(False))

    def write(path, height, width):
        example = (ms.Tensor(shape=(1, 4, None, None), dtype=ms.float32) if dynamic else
                   ms.ops.zeros((1, 4, height, width), ms.float32))
        ms.export(exported, example, file_name=str(path), file_format="MINDIR")
        path.chmod(0o644)  # MindSpore lets its owner alone read it

    return write_checked(config, dynamic, ".mindir", write, predictor(network),
                         lambda path: predictor(load_mindir(path)))


@entry_point
def main(argv=None):
    config, own = get_config(__doc__, "export", argv, add_arguments)
    set_device(config)
    report(*export(config, own.dynamic))


if __name__ == "__main__":
    main()
