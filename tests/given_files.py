"""The files that a user of the documented commands has: data sets, photographs, weights; all small, all generated."""
import sys
import tomllib
import zipfile

import numpy as np
import torch
from PIL import Image
from torch import nn

import torch_ref.export
from matting.config import config_parser, load_config, text_for_weights
from matting.dataset.aim500 import VALIDATION_STEMS
from matting.weights.files import write_weights
from matting.weights.names import torchvision_names
from tests import published_files, tiny_adobe
from torch_ref.model import Encoder
from torch_ref.registry import build
from torch_ref.utils import get_weights

TINY_NETWORK = "--index_kind holistic --use_context False --apply_aspp False"
HELD_OUT = "o_held_out"
SIZE = (72, 96)  # of photographs, (height, width)
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each stage


def write_foregrounds(folder, stems):
    """original, mask and trimap of each stem: noise that is transparent at the left and opaque at the right."""
    ramp = np.tile(np.linspace(0, 255, SIZE[1], dtype=np.uint8), (SIZE[0], 1))
    trimap = np.where((ramp > 0) & (ramp < 255), 128, ramp).astype(np.uint8)
    for role in ("original", "mask", "trimap"):
        (folder / role).mkdir(parents=True)
    for seed, stem in enumerate(stems):
        write_photograph(folder / "original" / f"{stem}.jpg", seed)
        Image.fromarray(ramp).save(folder / "mask" / f"{stem}.png")
        Image.fromarray(trimap).save(folder / "trimap" / f"{stem}.png")


def write_photograph(path, seed=0):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)).save(path)


def write_disc(path):
    """A red disc on green, with noise."""
    noise = np.random.default_rng(0).integers(0, 40, (*SIZE, 3))
    Image.fromarray(np.uint8(np.where(disc()[:, :, None] > 0, (200, 40, 40), (40, 150, 60)) + noise)).save(path)


def write_trimap(path):
    trimap = np.zeros(SIZE, np.uint8)
    trimap[:, SIZE[1] // 3:], trimap[:, -SIZE[1] // 3:] = 128, 255
    Image.fromarray(trimap).save(path)


def write_mask(path):
    Image.fromarray(disc()).save(path)


def write_strokes(path):
    """On a transparent layer: white in the disc, black in a corner."""
    layer = np.zeros((*SIZE, 4), np.uint8)
    layer[30:42, 40:56] = 255
    layer[:8, :, 3] = 255
    Image.fromarray(layer).save(path)


def write_cutout(path):
    Image.fromarray(np.dstack([np.full((*SIZE, 3), 90, np.uint8), disc()])).save(path)


def disc():
    """(H, W) uint8, 255 in a disc in the middle."""
    y, x = np.mgrid[:SIZE[0], :SIZE[1]]
    return np.where((y - SIZE[0] / 2) ** 2 + (x - SIZE[1] / 2) ** 2 < 24 ** 2, np.uint8(255), np.uint8(0))


def write_matte(path):
    """Beside that trimap."""
    Image.fromarray(np.tile(np.linspace(0, 255, SIZE[1]).astype(np.uint8), (SIZE[0], 1))).save(path)


def write_aim500(folder):
    write_foregrounds(folder, [*VALIDATION_STEMS, "o_00000001", "o_00000002"])


def write_photos(folder):
    write_foregrounds(folder, [HELD_OUT, "o_00000001"])


def write_composition_1k(folder):
    """The whole of it in small, composites of noise included."""
    tiny_adobe.write_adobe(folder)
    for stem, size in tiny_adobe.TEST.items():
        for k in range(tiny_adobe.EACH):
            pixels = np.random.default_rng(k).integers(0, 256, (*size, 3), np.uint8)
            tiny_adobe.save(folder / "Test_set" / "merged" / f"{stem}_{k}.png", pixels)


def write_backgrounds(folder):
    """One for each foreground of validation, and four to train on."""
    folder.mkdir()
    for seed in range(len(VALIDATION_STEMS) + 4):
        write_photograph(folder / f"{seed:04}.jpg", seed)


PUBLISHED = {  # published file: the case that it is written as
    **{file: case for case, facts in published_files.facts().items() for file in facts["published"]},
    **dict.fromkeys(("stage0_norm_balance_sad_62.0.pth", "stage1_norm_balance_sad_58.7.pth",
                     "stage0_norm_e12_sad_69.1.pth", "stage1_sad_57.1.pth"), "huo-v1.0-stage0"),
    "renamed.pth": "huo-v1.5-stage1",
}


def write_published(path):
    published_files.write(PUBLISHED[path.name], path)


def write_validation_list(path):
    path.write_text(HELD_OUT)


def write_mobilenet(path):
    """ImageNet MobileNetV2 in torchvision's naming."""
    torch.manual_seed(0)
    config, _ = load_config(config_parser(""), [])
    weights = {f"encoder.{name}": value for name, value in Encoder(config.network).state_dict().items()}
    names = torchvision_names([name for name in weights if not name.endswith("num_batches_tracked")],
                              [row[3] for row in config.inverted_residual_setting])
    torch.save({foreign: weights[name] for name, foreign in names.items()}, path)


def write_vgg(path):
    """ImageNet VGG16 with batch norm in torchvision's naming."""
    torch.manual_seed(0)
    layers, width = [], 3
    for channels, convolutions in VGG16:
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
            width = channels
        layers.append(nn.MaxPool2d(2, 2))
    state = nn.Sequential(*layers).state_dict()
    torch.save({f"features.{name}": value for name, value in state.items()}, path)


def write_checkpoint(path):
    """A trained IndexNet, its configuration inside."""
    torch.manual_seed(0)
    config, _ = load_config(config_parser(""), TINY_NETWORK.split())
    path.parent.mkdir(exist_ok=True)
    write_weights(path, get_weights(build(config)), text_for_weights(config))


def write_demo(folder):
    """Of what make demo leaves its checkpoint, and an image with its trimap."""
    validation = folder / "data/foregrounds/validation"
    for part in (folder, validation / "merged", validation / "trimap"):
        part.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder / "trained/best.ckpt")
    write_disc(validation / "merged/hair_004_0.png")
    write_trimap(validation / "trimap/hair_004.png")


def write_onnx(path):
    checkpoint = path.with_suffix(".pth")
    write_checkpoint(checkpoint)
    torch_ref.export.main(["--ckpt_url", str(checkpoint), "--dynamic", "--img_size", *map(str, SIZE)])


def write_wheels(folder, requirements):
    """An empty wheel for each line NAME==VERSION of a requirements file."""
    folder.mkdir()
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, version = line.split("==")
            start = f"{package.replace('-', '_')}-{version}"
            with zipfile.ZipFile(folder / f"{start}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{start}.dist-info/METADATA",
                               f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
                wheel.writestr(f"{start}.dist-info/WHEEL",
                               "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{start}.dist-info/RECORD", "")


def write_commands(folder, repository):
    """What `pip install` makes of the commands that the repository's pyproject.toml names; see test_installation."""
    folder.mkdir(parents=True)
    commands = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for command, target in commands.items():
        module, _, function = target.partition(":")
        path = folder / command
        path.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(repository)!r})\n"
                        f"from {module} import {function}\nsys.exit({function}())\n")
        path.chmod(0o755)


def write_cuda_libraries(folder):
    """A user's site-packages with what `pip install -r requirements-gpu.txt` leaves there, as far as scripts look."""
    (folder / "nvidia" / "cudnn" / "lib").mkdir(parents=True)
