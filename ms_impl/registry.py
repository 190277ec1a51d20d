"""The models that every program knows: how each is built, what it is trained with, what it starts from."""
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matting.training.checkpoints import stage_result
from matting.training.schedule import cosine_annealing, learning_rates
from matting.training.stage import TrainingStage
from ms_impl.learner import Adam, Learner, Momentum
from ms_impl.src.dim import DeepImageMatting
from ms_impl.src.formulations import suit_device
from ms_impl.src.losses import MattingLoss
from ms_impl.src.model import IndexNet
from ms_impl.src.utils import load_checkpoint, load_mindir_predictor, load_mobilenet, load_vgg, predictor


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
    """Put the weights into the network that config.stage starts from: of the stage before, of ImageNet, or none."""
    if config.stage_before:
        load_checkpoint(network, stage_result(config, config.stage_before, Learner.suffix))
    elif config.ckpt_url:
        MODELS[config.model].load_pretrained(network, config)


def load_predictor(config):
    """The network of config.ckpt_url, a checkpoint or a .mindir, as (B, 4, H, W) -> (B, 1, H, W) float32 arrays."""
    if Path(config.ckpt_url).suffix == ".mindir":
        return load_mindir_predictor(config.ckpt_url)
    network = build(config)
    load_checkpoint(network, config.ckpt_url)
    return predictor(network)
