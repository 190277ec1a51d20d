"""Matte photographs with a checkpoint or an ONNX file; every key of default_config.yaml is a flag, too.

python -m torch_ref.predict --ckpt_url CKPT IMAGE TRIMAP -o OUT
"""
from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.prediction import add_arguments, predict
from torch_ref.registry import load_network


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "torch_ref.predict")
    add_arguments(parser)
    predict(*load_config(parser, argv), load_network)


if __name__ == "__main__":
    main()
