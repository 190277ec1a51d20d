"""The models that every program knows: how each is built, what it is trained with, what it starts from."""
from collections.abc import Callable
from typing import NamedTuple

import torch

from matting.files import file_kind
from matting.runtimes import onnx
from matting.runtimes.network import Network
from matting.training.checkpoints import stage_result
from matting.training.schedule import cosine_annealing, learning_rates
from matting.training.stage import TrainingStage
from matting.weights.published import holds_network
from torch_ref.dim import DeepImageMatting
from torch_ref.learner import Adam, Learner, Momentum
from torch_ref.losses import MattingLoss
from torch_ref.model import IndexNet
from torch_ref.utils import find_device, load_checkpoint, load_mobilenet, load_vgg, predictor


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
    """The configured network, with random weights."""
    return MODELS[config.model].network(config.network)


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
    """The Network of config.ckpt_url, a checkpoint or an .onnx, on the configured device."""
    path, versions = config.ckpt_url, {"torch": torch.__version__}
    if file_kind(path) == ".onnx":
        return onnx.load_network(config)
    device = find_device(config)
    network = build(config)
    load_checkpoint(network, path, config.weights_from)
    return Network(predictor(network.to(device)), config, versions=versions)
