"""The models that every program knows: how each is built, what it is trained with, what it starts from."""
from collections.abc import Callable
from typing import NamedTuple

import mindspore as ms

from matting.files import file_kind
from matting.runtimes.network import Network, of_one_size
from matting.training.checkpoints import stage_result
from matting.training.schedule import cosine_annealing, learning_rates
from matting.training.stage import TrainingStage
from matting.weights.published import holds_network
from ms_impl.learner import Adam, Learner, Momentum
from ms_impl.src.dim import DeepImageMatting
from ms_impl.src.formulations import suit_device
from ms_impl.src.losses import MattingLoss
from ms_impl.src.model import IndexNet
from ms_impl.src.utils import (
    fixed_size,
    load_checkpoint,
    load_mindir,
    load_mobilenet,
    load_vgg,
    predictor,
    set_device,
)


class Model(NamedTuple):
    """A row of MODELS."""

    network: Callable  # Config.network -> the network
    training_plan: Callable  # config -> its TrainingStages
    load_pretrained: Callable  # (network, config): puts the ImageNet weights of config.ckpt_url into the encoder


def indexnet_plan(config):
    """IndexNet's one stage: everything learns, the pretrained encoder slowly."""
    trains = {"encoder": 1 / config.backbone_lr_mult, "pools": 1, "context": 1, "decoder": 1, "prediction": 1}
    return (TrainingStage("indexnet", trains, MattingLoss(config.alpha_loss_weight), Adam, learning_rates),)


def dim_plan(config):
    """Deep Image Matting's three stages: what estimates the raw alpha, the refinement alone, all that is used."""
    raw = {"encoder": 1, "pools": 1, "bridge": 1, "decoder": 1, "prediction": 1}
    refinement = {"refinement": 1}
    loss = MattingLoss(config.alpha_loss_weight)
    return (TrainingStage("encoder_decoder", raw, loss, Momentum, learning_rates),
            TrainingStage("refine", refinement, loss, Momentum, learning_rates),
            TrainingStage("finetune", raw | (refinement if config.refine else {}), loss, Adam, cosine_annealing))


MODELS = {"indexnet": Model(IndexNet, indexnet_plan, load_mobilenet),
          "dim": Model(DeepImageMatting, dim_plan, load_vgg)}


def build(config):
    """The configured network, with random weights, as its device computes it fastest."""
    network = MODELS[config.model].network(config.network)
    suit_device(network, config.device_target)
    return network


def training_plan(config):
    """The stages that the configured model is trained in."""
    return MODELS[config.model].training_plan(config)


def start_stage(network, config):
    """Put the weights into the network that config.stage starts from.

    Those of a whole network in config.ckpt_url; otherwise of the stage before; of ImageNet in config.ckpt_url; none.
    """
    if config.ckpt_url and holds_network(config.ckpt_url):
        load_checkpoint(network, config.ckpt_url, config.weights_from)
    elif config.stage_before:
        load_checkpoint(network, stage_result(config, config.stage_before, Learner.suffix))
    elif config.ckpt_url:
        MODELS[config.model].load_pretrained(network, config)


def load_network(config):
    """The Network of config.ckpt_url, a checkpoint or a .mindir, on the configured device.

    That device is MindSpore's from now on, for the whole program.
    """
    set_device(config)
    path, versions = config.ckpt_url, {"mindspore": ms.__version__}
    if file_kind(path) == ".mindir":
        graph = load_mindir(path)
        size = fixed_size(path)
        return Network(of_one_size(predictor(graph), path, size), config, size, versions)
    network = build(config)
    load_checkpoint(network, path, config.weights_from)
    return Network(predictor(network), config, versions=versions)
