"""Matte photographs with a weight file of any kind, in the runtime that the file asks for.

matte IMAGE TRIMAP --ckpt_url FILE -o OUT    where the project is installed; elsewhere python -m matting
"""
from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.prediction import add_arguments, predict
from matting.runtimes.table import load_network


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "matting")
    add_arguments(parser)
    predict(*load_config(parser, argv), load_network)


if __name__ == "__main__":
    main()
