"""Networks ready to run: what they are called with, which runtime a file asks for, ONNX Runtime and its devices."""
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from matting import UserError, load
from matting.config import Config, checkpoint, save_config, text_for_weights
from matting.embedded import embed
from matting.runtimes import table
from matting.runtimes.network import Network
from matting.runtimes.onnx import PROVIDERS, open_session
from tests.tiny_images import photograph, trimap_of

CONFIG = Config(ckpt_url="a.onnx", device_target="CPU")


def red_channel(network_input):
    return network_input[:, :1] * np.float32(0.229) + np.float32(0.485)


def write_first_channel(path, sides=("height", "width"), channels=4):
    """An ONNX file whose alpha is the first channel of its input; sides: names or sizes."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, *sides])
            for name, count in (("image_and_trimap", channels), ("alpha", 1))]
    weight = helper.make_tensor("first", TensorProto.FLOAT, [1, channels, 1, 1], [1.0] + [0.0] * (channels - 1))
    graph = helper.make_graph([helper.make_node("Conv", ["image_and_trimap", "first"], ["alpha"])], "first channel",
                              ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


# --- a network's call -------------------------------------------------------

@pytest.mark.parametrize("size", [None, (64, 96)])
def test_a_network_is_a_function_of_image_and_trimap(size):
    image, trimap = photograph(64, 96), trimap_of(64, 96)
    for array in (image, trimap):
        array.flags.writeable = False
    alpha = Network(red_channel, CONFIG, size)(image, trimap)
    assert alpha.shape == (64, 96) and alpha.dtype == np.float32
    expected = np.where(trimap == 128, image[:, :, 0] / np.float32(255), trimap == 255)
    np.testing.assert_allclose(alpha, expected, atol=1e-6)


IMAGE, TRIMAP = photograph(4, 5), np.full((4, 5), 128, np.uint8)


@pytest.mark.parametrize(("image", "trimap", "message"), [
    (IMAGE[:, :, 0], TRIMAP, r"image: is an array \(4, 5\) of uint8; give \(H, W, 3\) of uint8"),
    (np.dstack([IMAGE, TRIMAP]), TRIMAP, r"image: is an array \(4, 5, 4\) of uint8"),
    (IMAGE / 255, TRIMAP, r"image: is an array \(4, 5, 3\) of float64"),
    (IMAGE[:0], TRIMAP[:0], r"image: is an array \(0, 5, 3\)"),
    (None, TRIMAP, r"image: is an array \(\) of object"),
    (IMAGE, TRIMAP[:, :, None], r"trimap: is an array \(4, 5, 1\) of uint8; give \(H, W\) of uint8"),
    (IMAGE, TRIMAP == 128, r"trimap: is an array \(4, 5\) of bool"),
    (IMAGE, TRIMAP[:3], r"trimap: is \(3, 5\), but the image is \(4, 5\); they must be of one size"),
    (IMAGE, TRIMAP - 1, "trimap: has the values 127; a trimap holds 0"),
])
def test_what_is_no_image_and_no_trimap_is_named(image, trimap, message):
    with pytest.raises(UserError, match=message) as caught:
        Network(lambda _: pytest.fail("predicted"), CONFIG)(image, trimap)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("known", [0, 255])
def test_a_trimap_that_is_known_everywhere_is_its_own_matte(known):
    alpha = Network(lambda _: pytest.fail("predicted"), CONFIG)(IMAGE, 0 * TRIMAP + known)
    assert alpha.dtype == np.float32 and (alpha == known / 255).all()


@pytest.mark.parametrize(("options", "seen"), [({}, {(608, 704)}), ({"tile": 256}, {(256, 256)}),
                                               ({"max_side": 320}, {(288, 320)})])
def test_tile_and_max_side_bound_what_is_seen_at_once(options, seen):
    """Of 700x600 with a narrow unknown region: the whole by default."""
    sizes = set()

    def network(batch):
        sizes.add(batch.shape[2:])
        return red_channel(batch)

    image, trimap = photograph(600, 700), np.zeros((600, 700), np.uint8)
    trimap[:, 300:380], trimap[:, 380:] = 128, 255
    alpha = Network(network, CONFIG)(image, trimap, **options)
    assert sizes == seen and alpha.shape == (600, 700)


# --- the table --------------------------------------------------------------

def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.onnx: no such file; give a weight file \(\.onnx, \.ckpt"):
        load(tmp_path / "none.onnx")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match=r"a\.jpg: unknown kind of weight file; expected one of \.onnx, \.ckpt"):
        load(tmp_path / "a.jpg")


@pytest.fixture
def installed(monkeypatch):
    """-> a function: only these libraries are installed, and instead of a runtime's network its name is loaded."""

    def install(*libraries):
        class Module:
            def __init__(self, name):
                self.load_network = lambda config: name

        monkeypatch.setattr(checkpoint, "settings_of", lambda *_: {})  # the files are empty
        monkeypatch.setattr(table, "_is_installed", lambda runtime: runtime.library in libraries)
        monkeypatch.setattr(importlib, "import_module", Module)

    return install


@pytest.mark.parametrize(("libraries", "kind", "runtime"), [
    (("mindspore", "torch", "onnxruntime"), ".ckpt", "ms_impl.registry"),
    (("mindspore", "torch", "onnxruntime"), ".mindir", "ms_impl.registry"),
    (("mindspore", "torch", "onnxruntime"), ".pth", "torch_ref.registry"),
    (("mindspore", "torch", "onnxruntime"), ".pth.tar", "torch_ref.registry"),
    (("mindspore", "torch", "onnxruntime"), ".onnx", "matting.runtimes.onnx"),
    (("mindspore", "torch"), ".npz", "ms_impl.registry"),
    (("torch",), ".npz", "torch_ref.registry"),
])
def test_a_file_asks_for_its_runtime(installed, tmp_path, libraries, kind, runtime):
    installed(*libraries)
    (tmp_path / f"a{kind}").touch()
    assert load(tmp_path / f"a{kind}") == runtime


@pytest.mark.parametrize(("kind", "message"), [
    (".ckpt", "is run by mindspore, which is not installed; pip install mindspore=="),
    (".pth.tar", "is run by torch, which is not installed; pip install torch, or have it exported as .onnx"),
    (".npz", "is run by mindspore or torch, which is not installed; pip install mindspore=="),
    (".onnx", "is run by onnxruntime, which is not installed; pip install onnxruntime"),
])
def test_a_library_that_is_missing_is_named(installed, tmp_path, kind, message):
    installed()
    (tmp_path / f"a{kind}").touch()
    with pytest.raises(UserError, match=message):
        load(tmp_path / f"a{kind}")


def test_importing_matting_imports_nothing_else():
    program = "import sys; before = set(sys.modules); import matting; print(*set(sys.modules) - before)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    packages = {name.split(".")[0] for name in imported.split()}
    assert "matting" in packages and not packages & {"numpy", "cv2", "yaml", "torch", "mindspore", "onnxruntime"}


@pytest.mark.parametrize(("program", "kept"), [
    ("import onnxruntime", True),
    ("from matting.runtimes.onnx import silent_runtime; silent_runtime()", False),
], ids=["by itself", "by us"])
def test_onnx_runtime_keeps_no_record_of_its_use(tmp_path, program, kept):
    """It would send it to its maker. The first case is the control."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    if kept and not list(tmp_path.iterdir()):
        pytest.skip("this version of ONNX Runtime keeps none anyway")
    assert bool(list(tmp_path.iterdir())) == kept


# --- the configuration ------------------------------------------------------

def test_the_configuration_is_found_in_the_file_beside_it_and_in_python_in_this_order(tmp_path):
    """A mean of 0 and a spread of 1, so that the first channel is red as it is."""
    path = write_first_channel(tmp_path / "a.onnx")
    image, trimap = photograph(64, 96), np.full((64, 96), 128, np.uint8)
    red = image[:, :, 0] / np.float32(255)

    def mean_and_alpha(**settings):
        network = load(path, **settings)
        return network.config.img_mean[0], network(image, trimap)

    def expected(mean):
        return np.clip(red - np.float32(mean), 0, 1)

    assert mean_and_alpha()[0] == 0.485  # no configuration: the default one
    embed(path, text_for_weights(Config(img_mean=[0.25, 0, 0, 0], img_std=[1, 1, 1, 1], device_target="GPU")))
    mean, alpha = mean_and_alpha()
    assert mean == 0.25
    np.testing.assert_allclose(alpha, expected(0.25), atol=1e-6)
    save_config(Config(img_mean=[0.125, 0, 0, 0], img_std=[1, 1, 1, 1]), tmp_path)
    np.testing.assert_allclose(mean_and_alpha()[1], expected(0.125), atol=1e-6)
    np.testing.assert_allclose(mean_and_alpha(img_mean=(0, 0, 0, 0))[1], expected(0), atol=1e-6)


def test_a_setting_that_does_not_exist_is_named(tmp_path):
    path = write_first_channel(tmp_path / "a.onnx")
    with pytest.raises(UserError, match="unknown key img_mena; did you mean img_mean"):
        load(path, img_mena=0)
    with pytest.raises(UserError, match="device_target 'TPU' is not one of GPU, Ascend, CPU"):
        load(path, device="TPU")


# --- ONNX Runtime -----------------------------------------------------------

@pytest.mark.parametrize("size", [(64, 96), (45, 70), (33, 20)])
def test_a_fixed_size_is_found_in_the_file(tmp_path, size):
    free = load(write_first_channel(tmp_path / "free.onnx"))
    fixed = load(write_first_channel(tmp_path / "fixed.onnx", (64, 96)))
    assert (free.size, fixed.size) == (None, (64, 96))
    assert free.versions == {"onnxruntime": onnxruntime.__version__}
    assert fixed(photograph(*size), np.full(size, 128, np.uint8)).shape == size


def test_a_file_is_opened_once(tmp_path, monkeypatch):
    opened = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: opened.append(a) or session(*a, **k))
    load(write_first_channel(tmp_path / "a.onnx"))(photograph(32, 32), trimap_of(32, 32))
    assert len(opened) == 1


def test_a_graph_that_is_no_matting_network_is_named(tmp_path):
    path = write_first_channel(tmp_path / "a.onnx", channels=3)
    with pytest.raises(UserError, match=r"is not a matting network, which takes \(B, 4, H, W\), but one that takes "):
        load(path)


class FakeSession:
    """Of a build that has a device's provider, and falls back to the CPU where it does not find the device."""

    found = True

    def __init__(self, path, options, providers):
        self.providers = providers

    def get_providers(self):
        return [self.providers[0][0] if self.found else "CPUExecutionProvider"]

    def get_inputs(self):
        return [SimpleNamespace(name="image_and_trimap", shape=[1, 4, 32, 32])]


@pytest.mark.parametrize(("device", "options"), [("CPU", {}), ("GPU", {"device_id": 3}), ("Ascend", {"device_id": 3})])
def test_the_device_is_the_one_that_was_asked_for(tmp_path, monkeypatch, device, options):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    session = open_session(write_first_channel(tmp_path / "a.onnx"), device, 3)
    assert session.providers == [(PROVIDERS[device], options)]


@pytest.mark.parametrize("provided", [True, False])
def test_a_device_that_is_not_there_is_named_in_one_line(tmp_path, monkeypatch, provided):
    """Whether ONNX Runtime was not built for it, or does not find it when it looks."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values())[:1 + provided])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(FakeSession, "found", False)
    with pytest.raises(UserError, match="^no usable GPU device 2 here for ONNX Runtime; run with --device_target CPU"):
        load(write_first_channel(tmp_path / "a.onnx"), device="GPU", device_id=2)
