"""The configuration inside a weight file: put in by us, it is where the formats' own libraries look for it."""
import io
import zipfile

import mindspore as ms
import numpy as np
import onnx
import pytest
import torch
from mindspore.train.checkpoint_pb2 import Checkpoint
from mindspore.train.mind_ir_pb2 import ModelProto
from onnx import TensorProto, helper

from matting.embedded import ARCHIVES, MESSAGES, NAME, embed, embedded
from matting.errors import UserError

WEIGHTS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(1, np.float32)}
TEXT = "---\nimg_mean: [0.5, 0.25]\n...\n" + "# Zoë\n" * 5000  # lengths of one, two and three bytes


def write_torch(path):
    torch.save({name: torch.from_numpy(value) for name, value in WEIGHTS.items()}, path)


def write_npz(path):
    with path.open("wb") as file:
        np.savez(file, **WEIGHTS)


def write_checkpoint(path):
    ms.save_checkpoint([{"name": name, "data": ms.Tensor(value)} for name, value in WEIGHTS.items()], str(path))


def write_mindir(path):
    model = ModelProto(ir_version="1.1", mind_ir_version=3, user_info={"author": "someone"})
    model.graph.name = "graph"
    path.write_bytes(model.SerializeToString())


def write_onnx(path):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", *map(list, zip(
        ends, strict=True))))
    helper.set_model_props(model, {"author": "someone"})
    onnx.save(model, path)


WRITERS = {".pth": write_torch, ".pt": write_torch, ".pth.tar": write_torch, ".npz": write_npz,
           ".ckpt": write_checkpoint, ".mindir": write_mindir, ".onnx": write_onnx}


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    path = tmp_path / f"weights{request.param}"
    WRITERS[request.param](path)
    return path


def test_every_kind_of_file_is_tested():
    assert WRITERS.keys() == {*ARCHIVES, *MESSAGES}


def test_a_text_comes_out_as_it_went_in(path):
    assert embedded(path) == ""
    embed(path, TEXT)
    assert embedded(path) == TEXT


def test_equal_files_stay_equal(path, tmp_path):
    twin = tmp_path / f"twin{path.name.removeprefix('weights')}"
    twin.write_bytes(path.read_bytes())
    for file in (path, twin):
        embed(file, TEXT)
    assert path.read_bytes() == twin.read_bytes()


@pytest.mark.parametrize("kind", [".pth", ".pth.tar"])
def test_a_pth_stays_a_plain_state_dict(tmp_path, kind):
    path = tmp_path / f"a{kind}"
    write_torch(path)
    embed(path, TEXT)
    for mapped in (False, True):
        loaded = torch.load(path, weights_only=True, mmap=mapped)
        assert loaded.keys() == WEIGHTS.keys()
        assert all(np.array_equal(loaded[name], value) for name, value in WEIGHTS.items())


def test_a_pth_written_to_memory_has_its_folder(tmp_path):
    content = io.BytesIO()
    torch.save({"a": torch.ones(1)}, content)
    (tmp_path / "a.pth").write_bytes(content.getvalue())
    embed(tmp_path / "a.pth", TEXT)
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        assert archive.read(f"archive/{NAME}").decode() == TEXT


def test_numpy_gives_the_text_as_bytes(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path)
    embed(path, TEXT)
    with np.load(path) as archive:
        assert archive.files == [*WEIGHTS, NAME] and archive[NAME] == TEXT.encode()


def test_mindspore_passes_over_the_text_in_a_checkpoint(tmp_path):
    path = tmp_path / "a.ckpt"
    write_checkpoint(path)
    embed(path, TEXT)
    loaded = ms.load_checkpoint(str(path))
    assert loaded.keys() == WEIGHTS.keys()
    assert all(np.array_equal(loaded[name].asnumpy(), value) for name, value in WEIGHTS.items())
    assert len(Checkpoint.FromString(path.read_bytes()).value) == len(WEIGHTS)


def test_mindir_has_the_text_among_its_users_information(tmp_path):
    path = tmp_path / "a.mindir"
    write_mindir(path)
    embed(path, TEXT)
    assert dict(ModelProto.FromString(path.read_bytes()).user_info) == {"author": "someone", NAME: TEXT}


def test_onnx_has_the_text_among_its_metadata(tmp_path):
    path = tmp_path / "a.onnx"
    write_onnx(path)
    embed(path, TEXT)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"author": "someone", NAME: TEXT}
    helper.set_model_props(model, {NAME: "by the library", "z": "after it"})
    onnx.save(model, path)
    assert embedded(path) == "by the library"


def test_a_text_that_is_added_again_counts(tmp_path):
    path = tmp_path / "a.ckpt"
    write_checkpoint(path)
    for text in ("first", "second"):
        embed(path, text)
    assert embedded(path) == "second"


def test_a_file_that_is_cut_off_holds_nothing(path):
    """At any length; what is wrong with it is said by whoever reads the weights."""
    embed(path, TEXT)
    whole = path.read_bytes()
    for length in {0, 1, 7, len(whole) // 2, len(whole) - 30_000, len(whole) - 200, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert embedded(path) == "", length


@pytest.mark.parametrize("kind", [*WRITERS, ".bin", ""])
def test_what_is_no_weight_file_holds_nothing(tmp_path, kind):
    path = tmp_path / f"weights{kind}"
    assert embedded(path) == ""
    for content in (b"", b"crc_num0123456789", bytes(range(256)), b"\xff" * 40):
        path.write_bytes(content)
        assert embedded(path) == ""


def test_a_damaged_text_is_named(tmp_path):
    """Not passed over for the defaults: an archive has checksums."""
    path = tmp_path / "a.pth"
    write_torch(path)
    embed(path, "img_scale: 255")
    path.write_bytes(path.read_bytes().replace(b"img_scale: 255", b"img_scale: 250"))
    with pytest.raises(UserError, match=r"a\.pth: the configuration in it is damaged .*CRC"):
        embedded(path)
