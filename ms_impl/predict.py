"""Matte photographs with a checkpoint or a MINDIR; every key of default_config.yaml is a flag, too.

python -m ms_impl.predict --ckpt_url CKPT IMAGE TRIMAP -o OUT
"""
from matting.errors import entry_point
from matting.programs.prediction import Job, add_arguments, run
from ms_impl.registry import load_predictor
from ms_impl.src.cfg.config import get_config
from ms_impl.src.utils import fixed_size, set_device


@entry_point
def main(argv=None):
    config, arguments = get_config(__doc__, "predict", argv, add_arguments)
    job = Job.of(arguments)
    set_device(config)
    run(job, load_predictor(config), config, fixed_size(config.ckpt_url))


if __name__ == "__main__":
    main()
