"""Parameter names: canonical (torch_ref's), MindSpore's, the official release's, those of ImageNet backbones.

Each rule rewrites a canonical name; a file's names are translated by inverting the rules over the network's own names.
"""
import re

MINDSPORE_SUFFIXES = {"weight": "gamma", "bias": "beta",
                      "running_mean": "moving_mean", "running_var": "moving_variance"}
BATCH_NORM = re.compile(r"(.*(?:^|\.)bn\.)(weight|bias|running_mean|running_var)$")

# Positions in the nn.Sequential of an official inverted residual; layer1 has no expansion and starts two earlier.
BLOCK = {"expand": 0, "depthwise": 3, "project": 6}
PAIR = {"conv": 0, "bn": 1}
SEPARABLE = {"depthwise": 0, "pointwise": 3}


def to_mindspore(name):
    """Canonical name -> MindSpore's: the same path, batch norm's parameters under its own words."""
    match = BATCH_NORM.match(name)
    return match[1] + MINDSPORE_SUFFIXES[match[2]] if match else name


def from_mindspore(name):
    """MindSpore's name -> canonical name."""
    path, dot, suffix = name.rpartition(".")
    torch_suffix = {new: old for old, new in MINDSPORE_SUFFIXES.items()}.get(suffix, suffix)
    return f"{path}{dot}{torch_suffix}"


def official_names(names):
    """Canonical names of one whole network -> {canonical name: name in the official IndexNet release}."""
    holistic = not any(".index.branches.1." in name for name in names)
    nonlinear = any(".mix." in name for name in names)

    def branch(stage, number, layer):
        if not holistic:
            number = int(number) + 1
        elif not nonlinear:
            return f"index{stage}.indexnet"
        else:
            number = ""
        return f"index{stage}.indexnet{number}.{ {'conv': 0, 'bn': 1, 'mix': 3}[layer]}"

    def convolution(path, inner, layer):
        """One convolution with batch norm, or a separable pair of them: positions 0, 1 or 0, 1, 3, 4."""
        return f"{path}.{PAIR[layer] + SEPARABLE.get(inner, 0)}"

    rules = [
        (r"encoder\.stages\.0\.(\w+)", lambda layer: f"layer0.{PAIR[layer]}"),
        (r"encoder\.stages\.(\d+)\.(\d+)\.(\w+)\.(\w+)", _official_block),
        (r"pools\.(\d+)\.index\.branches\.(\d)\.(\w+)", branch),
        (r"context\.(conv|bn)", lambda layer: f"dconv_pp.{PAIR[layer]}"),
        (r"context\.project\.(\w+)", lambda layer: f"dconv_pp.bottleneck_conv.{PAIR[layer]}"),
        (r"context\.branches\.4\.project\.(\w+)", lambda layer: f"dconv_pp.global_avg_pool.{PAIR[layer] + 1}"),
        (r"context\.branches\.(\d)\.(?:(\w+)\.)?(\w+)",
         lambda number, inner, layer: convolution(f"dconv_pp.aspp{int(number) + 1}.atrous_conv", inner, layer)),
        (r"decoder\.stages\.(\d)\.fuse\.(?:(\w+)\.)?(\w+)",
         lambda number, inner, layer: convolution(f"decoder_layer{6 - int(number)}.dconv", inner, layer)),
        (r"prediction\.0\.(?:(\w+)\.)?(\w+)", lambda inner, layer: convolution("pred.0", inner, layer)),
        (r"prediction\.1", lambda: "pred.1"),
    ]
    return {name: _rewrite(name, rules) for name in names}


def canonical_names(names, strict=True):
    """Names of a whole network, canonical or official -> {name: canonical name}, the inverse of official_names.

    Raises ValueError for a name that is in neither, or where not `strict` leaves it as it is.
    """
    if not any(name.startswith("layer0.") for name in names):
        return {name: name for name in names}
    separable = any(".dconv.3." in name for name in names)

    def layer(position):
        return ("conv", "bn")[int(position) % 3]

    def convolution(path, position, separable):
        inner = f"{('depthwise', 'pointwise')[int(position) // 3]}." if separable else ""
        return f"{path}.{inner}{layer(position)}"

    def block(stage, number, position):
        part = tuple(BLOCK)[int(position) // 3 + (stage == "1")]
        return f"encoder.stages.{stage}.{number}.{part}.{layer(position)}"

    def branch(stage, number, position):
        part = {"0": "conv", "1": "bn", "3": "mix"}[position or "0"]
        return f"pools.{stage}.index.branches.{int(number or 1) - 1}.{part}"

    rules = [
        (r"layer0\.([01])", lambda position: f"encoder.stages.0.{layer(position)}"),
        (r"layer(1)\.(\d+)\.conv\.([0134])", block),
        (r"layer([2-9])\.(\d+)\.conv\.([013467])", block),
        (r"index(\d+)\.indexnet(\d?)(?:\.([013]))?", branch),
        (r"dconv_pp\.([01])", lambda position: f"context.{layer(position)}"),
        (r"dconv_pp\.bottleneck_conv\.([01])", lambda position: f"context.project.{layer(position)}"),
        (r"dconv_pp\.global_avg_pool\.([12])",
         lambda position: f"context.branches.4.project.{layer(int(position) - 1)}"),
        (r"dconv_pp\.aspp(\d)\.atrous_conv\.([0134])",
         lambda number, position: convolution(f"context.branches.{int(number) - 1}", position, number != "1")),
        (r"decoder_layer(\d)\.dconv\.([0134])",
         lambda number, position: convolution(f"decoder.stages.{6 - int(number)}.fuse", position, separable)),
        (r"pred\.0\.([0134])", lambda position: convolution("prediction.0", position, separable)),
        (r"pred\.1", lambda: "prediction.1"),
    ]
    if not strict:
        return {name: rewrite(name, rules) or name for name in names}
    return {name: _rewrite(name, rules) for name in names}


def torchvision_names(names, repeats):
    """Canonical encoder names -> {each: torchvision's mobilenet_v2 name}; repeats: blocks in stages 1, 2, ..."""
    parts = {"expand": 0, "depthwise": 1, "project": 2}

    def block(stage, number, part, layer):
        position = parts[part] - (stage == "1")
        inner = f"{position + PAIR[layer]}" if part == "project" else f"{position}.{PAIR[layer]}"
        return f"features.{_feature(stage, number, repeats)}.conv.{inner}"

    return _backbone_names(names, block)


def tonylins_names(names, repeats):
    """Canonical encoder names -> {canonical name: name in the tonylins and CSAIL releases of MobileNetV2}."""

    def block(stage, number, part, layer):
        inner = _official_block(stage, number, part, layer).partition(".conv.")[2]
        return f"features.{_feature(stage, number, repeats)}.conv.{inner}"

    return _backbone_names(names, block)


def vgg_names(names):
    """Canonical encoder names -> {canonical name: torchvision's vgg16 or, with batch norm, vgg16_bn name}."""
    convolutions = sorted({tuple(map(int, name.split(".")[2:4])) for name in names})  # (stage, number)
    layers = 3 if any(".bn." in name for name in names) else 2  # of each convolution; a pooling follows each stage

    def feature(stage, number, layer):
        return f"features.{layers * convolutions.index((int(stage), int(number))) + int(stage) + PAIR[layer]}"

    return {name: _rewrite(name, [(r"encoder\.stages\.(\d)\.(\d)\.(conv|bn)", feature)]) for name in names}


def _backbone_names(names, block):
    rules = [
        (r"encoder\.stages\.0\.(\w+)", lambda layer: f"features.0.{PAIR[layer]}"),
        (r"encoder\.stages\.(\d+)\.(\d+)\.(\w+)\.(\w+)", block),
    ]
    return {name: _rewrite(name, rules) for name in names}


def _official_block(stage, number, part, layer):
    shift = 3 if stage == "1" else 0
    return f"layer{stage}.{number}.conv.{BLOCK[part] - shift + PAIR[layer]}"


def _feature(stage, number, repeats):
    """Stages and blocks are counted through in the backbones; feature 0 is the stem."""
    return 1 + sum(repeats[:int(stage) - 1]) + int(number)


def rewrite(name, rules):
    """A name whose path the first rule that fits replaces: (pattern, its groups -> path); None where none does."""
    path, _, suffix = name.rpartition(".")
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, path)
        if match:
            return f"{replacement(*match.groups())}.{suffix}"
    return None


def _rewrite(name, rules):
    rewritten = rewrite(name, rules)
    if rewritten is None:
        raise ValueError(f"no rule for {name}")
    return rewritten
