"""Running out of memory: one line that says how much was wanted and what to do, in both frameworks and ONNX Runtime."""
import subprocess
import sys

import numpy as np
import pytest

import ms_impl.registry
import ms_impl.src.dataset
import ms_impl.src.utils
import torch_ref.dataset
import torch_ref.registry
import torch_ref.utils
from matting.config import Config
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError, entry_point, short_of_memory, unreadable
from matting.estimation import SMALLER
from matting.images.writing import write_png
from matting.memory import amount, shortage
from matting.programs.evaluation import validate
from matting.runtimes.network import Network
from tests import small_network, test_evaluation, test_training
from tests.test_runtimes import write_first_channel
from tests.tiny_data import tiny_config
from tests.tiny_training import LinearLearner

# What each library said when it was short of memory, and how much it wanted.
NOTICES = {
    "MindSpore, CPU": ("std::bad_alloc", None),
    "MindSpore, GPU": ("Device(id:0) memory isn't enough and alloc failed, kernel name: Default/Conv2D-op1, "
                       "alloc size: 301990400B.", "288 MiB"),
    "MindSpore, Ascend": ("Memory not enough: current free memory size[1024] is smaller than required size[1048576].",
                          "1 MiB"),
    "PyTorch, CPU": ("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
                     "you tried to allocate 301989888 bytes. Error code 12 (Cannot allocate memory)", "288 MiB"),
    "PyTorch, GPU": ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.25 GiB of "
                     "which 15.31 MiB is free.", "20 MiB"),
    "ONNX Runtime": ("[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running ReorderOutput node. "
                     "Name:'ReorderOutput_token_379' Status Message: bfc_arena.cc:360 Failed to allocate memory for "
                     "requested buffer of size 301989888", "288 MiB"),
    "OpenCV": ("OpenCV(4.11.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 10800000000 bytes in "
               "function 'OutOfMemoryError'", "10.1 GiB"),
}
LIMITED = """
import re, resource, sys
from pathlib import Path
from {module} import main
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + {mebibytes} * 2**20,) * 2)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("library", NOTICES)
def test_the_words_of_each_library_are_known(library):
    words, wanted = NOTICES[library]
    expected = f"not enough memory for {wanted} more" if wanted else "not enough memory beyond the "
    assert shortage(RuntimeError(words)).startswith(expected)


def test_other_errors_are_not_taken_for_it():
    for error in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("size 5"), UserError("memory")):
        assert shortage(error) is None
        with pytest.raises(type(error), match=str(error)), short_of_memory("this", "do that"):
            raise error


@pytest.mark.parametrize(("number", "unit", "words"), [
    (0, None, "0 bytes"), (1023, None, "1.02e+03 bytes"), (1024, None, "1 KiB"), (301989888, None, "288 MiB"),
    (74.5, "GiB", "74.5 GiB"), (2048, "KiB", "2 MiB"), (5 * 2**50, None, "5.12e+03 TiB"),
])
def test_amounts_are_in_the_unit_that_people_read(number, unit, words):
    assert amount(number, unit) == words


def test_numpy_says_how_much_it_wanted():
    with pytest.raises(MemoryError) as caught:
        np.empty((10**6, 10**7))
    assert shortage(caught.value) == "not enough memory for 72.8 TiB more"


def test_a_program_ends_with_one_line(capsys):
    @entry_point
    def program(argv):
        raise MemoryError

    with pytest.raises(SystemExit, match="^1$"):
        program([])
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory beyond the ") and "lower --img_size, --input_size or" in line


def test_a_file_is_not_called_damaged_for_want_of_memory():
    assert str(unreadable("a.ckpt", "a MindSpore checkpoint", ValueError("bad magic"))) == (
        "a.ckpt: is not a MindSpore checkpoint (bad magic)")
    assert str(unreadable("a.ckpt", "a MindSpore checkpoint", RuntimeError(NOTICES["PyTorch, CPU"][0]))) == (
        "a.ckpt: not enough memory for 288 MiB more; end other programs")


def short(*_):
    raise RuntimeError(NOTICES["PyTorch, CPU"][0])


class ShortInStep7(LinearLearner):
    """Learns for an epoch and a step, of 5 steps each."""

    steps = 0

    def step(self, batch, learning_rate):
        self.steps += 1
        return short() if self.steps == 7 else super().step(batch, learning_rate)


def test_training_names_the_step_and_the_last_checkpoint(tmp_path):
    with pytest.raises(UserError) as caught:
        test_training.train(tmp_path, learner=ShortInStep7())
    assert str(caught.value).startswith(
        "step 7: not enough memory for 288 MiB more; lower --batch_size or --input_size; the last good checkpoint is ")
    assert "tiny-1_5.bin" in str(caught.value)


def test_evaluation_names_the_image(tmp_path):
    composite = test_evaluation.write_files(tmp_path, "lying", (40, 60))
    with pytest.raises(UserError, match="^lying_0 in a frame of 96x64: not enough memory for 288 MiB more; lower"):
        validate(short, [composite], Config(img_size=[64, 96]))


def test_a_network_names_the_size_of_the_image():
    with pytest.raises(UserError, match="^image of 60x40: not enough memory for 288 MiB more; scale image and trimap"):
        Network(short, Config())(np.zeros((40, 60, 3), np.uint8), np.full((40, 60), 128, np.uint8))


@pytest.mark.parametrize("framework", [ms_impl, torch_ref], ids=["mindspore", "pytorch"])
def test_a_loader_process_says_what_it_lacks(prepared, monkeypatch, framework):
    """MindSpore kills the main process at the word MemoryError from a loader process."""
    loader = getattr(framework, "src", framework).dataset.TrainingLoader(tiny_config(prepared))
    monkeypatch.setattr(TrainingSamples, "draw", lambda *_: np.empty((10**6, 10**7)))
    with pytest.raises(UserError, match="^loading training samples: not enough memory for 72.8 TiB more; lower"):
        next(iter(loader))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A photograph of 9 megapixels with its trimap, and small networks of each runtime."""
    place = tmp_path_factory.mktemp("memory")
    write_png(place / "photo.png", np.zeros((3000, 3000, 3), np.uint8))
    write_png(place / "trimap.png", np.full((3000, 3000), 128, np.uint8))
    config = Config(**small_network.NETWORK)
    ms_impl.src.utils.save_checkpoint(ms_impl.registry.build(config), place / "best.ckpt", config)
    torch_ref.utils.save_checkpoint(torch_ref.registry.build(config), place / "best.pth", config)
    write_first_channel(place / "best.onnx")
    return place


@pytest.mark.parametrize(("module", "weights", "mebibytes"), [
    ("ms_impl.predict", "best.ckpt", 1024), ("torch_ref.predict", "best.pth", 512),
    ("matting.__main__", "best.onnx", 450)])
def test_a_photograph_that_is_too_large_is_named_in_one_line(place, module, weights, mebibytes):
    program = LIMITED.format(module=module, mebibytes=mebibytes)
    finished = subprocess.run(
        [sys.executable, "-c", program, "--ckpt_url", str(place / weights), str(place / "photo.png"),
         str(place / "trimap.png"), "-o", str(place / "out"), "--device_target", "CPU", "--tile", "4096",
         "--max_side", "4096"],
        capture_output=True, text=True)
    assert finished.returncode == 1, finished.stderr
    line, = finished.stderr.splitlines()
    assert line.startswith(f"error: {place}/photo.png of 3000x3000: not enough memory ")
    assert line.endswith(f"; {SMALLER}")
