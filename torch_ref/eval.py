"""Evaluate a checkpoint or an ONNX file on a prepared validation set; every key of default_config.yaml is a flag.

python -m torch_ref.eval --ckpt_url CKPT --data_dir AIM-500 --logs_dir logs
"""
from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.evaluation import add_arguments, evaluate_by
from torch_ref.registry import load_network


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "torch_ref.eval")
    add_arguments(parser)
    evaluate_by(load_network, *load_config(parser, argv))


if __name__ == "__main__":
    main()
