"""How the field's projects name the weights of their matting networks: rules from their names to canonical ones."""
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from matting.weights.names import canonical_names, rewrite

INDEX_POOLS = (0, 2, 3, 4, 6)  # of the encoder's stages, in mmagic counted through


class Naming(NamedTuple):
    """A row of NAMINGS."""

    anchors: tuple  # patterns of names that a file must hold to be of this naming
    canonical: Callable  # names -> {name: canonical name}; a name that no rule knows stays


def _by(rules, names):
    return {name: rewrite(name, rules) or name for name in names}


def _release(names):
    """The official IndexNet release."""
    return canonical_names(names, strict=False)


def _model_zoo(names):
    """MindSpore's model zoo: the release's, behind the name that the loss gave the network, its pooling not counted."""
    def released(name):
        name = name.removeprefix("model.")
        return re.sub(r"(?<=^dconv_pp\.global_avg_pool\.)[01](?=\.)", lambda match: str(int(match[0]) + 1), name)

    released_names = {name: released(name) for name in names}
    canonical = _release(released_names.values())
    return {name: canonical[release] for name, release in released_names.items()}


MMAGIC_INDEXNET = [
    (r"backbone\.encoder\.layers\.0\.(conv|bn)", "encoder.stages.0.{}".format),
    (r"backbone\.encoder\.layers\.(\d)\.(\d)\.conv\.0\.(conv|bn)", "encoder.stages.{}.{}.expand.{}".format),
    (r"backbone\.encoder\.layers\.(\d)\.(\d)\.conv\.(?:1\.)?(depth|point)wise_conv\.(conv|bn)",
     lambda stage, number, inner, layer:
     f"encoder.stages.{stage}.{number}.{ {'depth': 'depthwise', 'point': 'project'}[inner]}.{layer}"),
    (r"backbone\.encoder\.index_layers\.(\d)\.index_blocks\.(\d)\.0\.(conv|bn)",
     lambda pool, branch, layer: f"pools.{INDEX_POOLS[int(pool)]}.index.branches.{branch}.{layer}"),
    (r"backbone\.encoder\.index_layers\.(\d)\.index_blocks\.(\d)\.1\.conv",
     lambda pool, branch: f"pools.{INDEX_POOLS[int(pool)]}.index.branches.{branch}.mix"),
    (r"backbone\.encoder\.dconv\.convs\.0\.(conv|bn)", "context.branches.0.{}".format),
    (r"backbone\.encoder\.dconv\.convs\.([123])\.(depth|point)wise_conv\.(conv|bn)",
     "context.branches.{}.{}wise.{}".format),
    (r"backbone\.encoder\.dconv\.convs\.4\.1\.(conv|bn)", "context.branches.4.project.{}".format),
    (r"backbone\.encoder\.dconv\.project\.0\.(conv|bn)", "context.project.{}".format),
    (r"backbone\.decoder\.decoder_layers\.(\d)\.conv\.(conv|bn)", "decoder.stages.{}.fuse.{}".format),
    (r"backbone\.decoder\.pred\.0\.(conv|bn)", "prediction.0.{}".format),
    (r"backbone\.decoder\.pred\.1", lambda: "prediction.1"),
]


def _from_zero(text):
    """What others count from 1."""
    return int(text) - 1


def _unpooled(number):
    """Decoder stages are counted from the image downwards elsewhere, here in the order of execution."""
    return f"decoder.stages.{5 - int(number)}.fuse.conv"


def _convolution(stage, number):
    return f"encoder.stages.{_from_zero(stage)}.{_from_zero(number)}.conv"


DECODER_AND_REFINEMENT = [  # mmagic's behind a prefix, huochaitiantang's without
    (r"(?:backbone\.decoder\.)?deconv6_1", lambda: "bridge.1.conv"),
    (r"(?:backbone\.decoder\.)?deconv([1-5])_1", _unpooled),
    (r"(?:backbone\.decoder\.)?deconv1", lambda: "prediction"),
    (r"(?:refiner\.)?refine_conv(\d)", lambda number: f"refinement.stages.{_from_zero(number)}.conv"),
    (r"(?:refiner\.)?refine_pred", lambda: "refinement.residual"),
]
MMAGIC_DIM = [
    (r"backbone\.encoder\.layer(\d)\.([024])",  # a rectifier follows each convolution
     lambda stage, position: _convolution(stage, int(position) // 2 + 1)),
    (r"backbone\.encoder\.conv6", lambda: "bridge.0.conv"),
    *DECODER_AND_REFINEMENT,
]
HUOCHAITIANTANG = [
    (r"conv([1-5])_(\d)", _convolution),
    (r"conv6_1", lambda: "bridge.0.conv"),
    *DECODER_AND_REFINEMENT,
]
DEEP_MATTING = [
    (r"(conv|bn)([1-5])(\d)",
     lambda layer, stage, number: f"encoder.stages.{_from_zero(stage)}.{_from_zero(number)}.{layer}"),
    (r"conv6", lambda: "bridge.0.conv"),
    (r"dconv6", lambda: "bridge.1.conv"),
    (r"dconv([1-5])", _unpooled),
    (r"alpha_pred", lambda: "prediction"),
]

# Names in the words of PyTorch, without `module.`, as read_weights gives them. The first naming that fits is a file's.
NAMINGS = {
    "model_zoo": Naming((r"model\.layer0\.0\.weight|dconv_pp\.global_avg_pool\.0\.weight",), _model_zoo),
    "release": Naming((r"layer0\.0\.weight",), _release),
    "mmagic_indexnet": Naming((r"backbone\.encoder\.layers\.0\.conv\.weight",), partial(_by, MMAGIC_INDEXNET)),
    "mmagic_dim": Naming((r"backbone\.encoder\.layer1\.0\.weight",), partial(_by, MMAGIC_DIM)),
    "huochaitiantang": Naming((r"conv1_1\.weight", r"deconv1\.weight"), partial(_by, HUOCHAITIANTANG)),
    "deep_matting": Naming((r"conv11\.weight", r"alpha_pred\.weight"), partial(_by, DEEP_MATTING)),
}


def naming_of(names):
    """The key of NAMINGS that a file's names fit; None where there is none."""
    for key, naming in NAMINGS.items():
        if all(any(re.fullmatch(anchor, name) for name in names) for anchor in naming.anchors):
            return key
    return None
