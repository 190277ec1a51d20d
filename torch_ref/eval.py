"""Evaluate a checkpoint or an ONNX file on a prepared validation set; every key of default_config.yaml is a flag.

python -m torch_ref.eval --ckpt_url CKPT --data_dir AIM-500 --logs_dir logs
"""
import torch

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.evaluation import evaluate_folder, evaluation_composites
from torch_ref.registry import load_predictor


@entry_point
def main(argv=None):
    config, _ = load_config(config_parser(__doc__, "torch_ref.eval"), argv)
    composites = evaluation_composites(config)
    evaluate_folder(load_predictor(config), config, composites, config.logs_dir, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
