"""Evaluate a checkpoint or a MINDIR on a prepared validation set; every key of default_config.yaml is a flag.

python -m ms_impl.eval --ckpt_url CKPT --data_dir AIM-500 --logs_dir logs
"""
from matting.errors import entry_point
from matting.programs.evaluation import add_arguments, evaluate_by
from ms_impl.registry import load_network
from ms_impl.src.cfg.config import get_config


@entry_point
def main(argv=None):
    evaluate_by(load_network, *get_config(__doc__, "eval", argv, add_arguments))


if __name__ == "__main__":
    main()
