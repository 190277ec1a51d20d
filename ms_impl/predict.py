"""Matte photographs with a checkpoint or a MINDIR; every key of default_config.yaml is a flag, too.

python -m ms_impl.predict --ckpt_url CKPT IMAGE TRIMAP -o OUT
"""
from matting.errors import entry_point
from matting.programs.prediction import add_arguments, predict
from ms_impl.registry import load_network
from ms_impl.src.cfg.config import get_config


@entry_point
def main(argv=None):
    predict(*get_config(__doc__, "predict", argv, add_arguments), load_network)


if __name__ == "__main__":
    main()
