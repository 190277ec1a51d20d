"""Evaluate a checkpoint or a MINDIR on a prepared validation set; every key of default_config.yaml is a flag.

python -m ms_impl.eval --ckpt_url CKPT --data_dir AIM-500 --logs_dir logs
"""
from matting.errors import entry_point
from matting.programs.evaluation import evaluate_folder, evaluation_composites
from ms_impl.registry import load_network
from ms_impl.src.cfg.config import get_config


@entry_point
def main(argv=None):
    config, _ = get_config(__doc__, "eval", argv)
    composites = evaluation_composites(config)
    network = load_network(config)
    evaluate_folder(network.predict, config, composites, config.logs_dir, network.versions)


if __name__ == "__main__":
    main()
