"""Matte photographs with a checkpoint or an ONNX file; every key of default_config.yaml is a flag, too.

python -m torch_ref.predict --ckpt_url CKPT IMAGE TRIMAP -o OUT
"""
from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.prediction import Job, add_arguments, run
from torch_ref.registry import load_predictor
from torch_ref.utils import fixed_size


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "torch_ref.predict")
    add_arguments(parser)
    config, arguments = load_config(parser, argv)
    job = Job.of(arguments)
    run(job, load_predictor(config), config, fixed_size(config.ckpt_url))


if __name__ == "__main__":
    main()
