"""Public checkpoints as their projects wrote them, rebuilt from their names; and what their own networks computed.

golden/published_names.json.gz: for ten checkpoints of four projects each tensor's name, shape and kind, and what else
the file held. golden/published_cases.npz: a drawn image and trimap of 64x96, and for each checkpoint `input`, what the
project gives its network of them, `raw`, the output of the network's last convolution, `residual`, that of its
refinement's, and `final`, the project's 8-bit matte. They were computed by the projects' own classes from weights made
from names by the recipe of `weight`. What is equal of several is kept once.

python -m tests.published_files FOLDER writes both from a folder of such cases.
"""
import argparse
import collections
import gzip
import hashlib
import json
import math
import pickle
import types
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parent / "golden"
NAMES, CASES = GOLDEN / "published_names.json.gz", GOLDEN / "published_cases.npz"
ARRAYS = ("image", "trimap", "input", "raw", "residual", "final")
FACTS = ("project", "published", "container", "beside", "old_layout", "python2")  # kept of each, where it is told


def facts():
    """{case: its FACTS; `tensors`, rows of name, shape, dtype, whether of a batch norm, what it is made from; `arrays`,
    {name: its key in CASES}}.
    """
    return json.loads(gzip.decompress(NAMES.read_bytes()))


def expected(case):
    """image (64, 96, 3), trimap (64, 96) and final (64, 96), uint8; input (1, 4, 64, 96), raw and, of a refinement,
    residual (1, 1, 64, 96), float32.
    """
    with np.load(CASES) as archive:
        return {name: archive[key] for name, key in facts()[case]["arrays"].items()}


def weight(name, shape, dtype, batch_norm, key):
    """A tensor's values, from its key alone."""
    if dtype != "float32":  # batch counters
        return np.zeros(shape, dtype)
    digest = hashlib.sha256(f"w|{key}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    kind = key.rpartition(".")[2]
    if kind == "running_var" or (batch_norm and kind == "weight"):
        values = rng.uniform(0.5, 1.5, shape)
    elif kind in ("running_mean", "bias"):
        values = rng.normal(0, 0.1, shape)
    else:
        values = rng.normal(0, math.sqrt(1.6 / math.prod(shape[1:])), shape)
    return values.astype(np.float32)


def weights(case):
    """{name as in the file: array}, in the file's order."""
    return {row[0]: weight(*row) for row in facts()[case]["tensors"]}


def write_release(path):
    """The official IndexNet release's file of the model zoo's case, whose weights are made from the release's names.

    With the prefix and the counters that the release has. Returns `path`.
    """
    import torch
    state = {}
    for name, shape, dtype, batch_norm, key in facts()["mindspore-model-zoo-indexnet"]["tensors"]:
        state[f"module.{key}"] = torch.from_numpy(weight(name, shape, dtype, batch_norm, key))
        if key.endswith("running_var"):
            state[f"module.{key.removesuffix('running_var')}num_batches_tracked"] = torch.tensor(0)
    torch.save({"state_dict": state, "epoch": 1, "measure": np.float64(1)}, path)
    return path


def write(case, path, made=None):
    """The case's weights, or those `made`, as its project published them: a MindSpore .ckpt, or PyTorch's of 2020.

    Returns `path`.
    """
    told, made = facts()[case], weights(case) if made is None else made
    if told["container"] == "mindspore":
        import mindspore
        mindspore.save_checkpoint([{"name": name, "data": mindspore.Tensor(value)} for name, value in made.items()],
                                  str(path))
        return path
    import torch
    beside = {key: np.float64(value["numpy_float64"]) if isinstance(value, dict) and "numpy_float64" in value else value
              for key, value in told["beside"].items()}
    state = collections.OrderedDict((name, torch.from_numpy(value)) for name, value in made.items())
    writer = {"pickle_module": python_2()} if told["python2"] else {}
    torch.save({**beside, told["container"]: state}, path,
               _use_new_zipfile_serialization=not told["old_layout"], **writer)
    return path


class Python2Pickler(pickle._Pickler):
    """Text as Python 2's byte strings, and NumPy's numbers by the name that NumPy 1 had for what makes them."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value):
        content = value.encode("latin-1") if isinstance(value, str) else value
        assert len(content) < 256, "longer strings have another code"
        self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        self.memoize(value)

    def save_class(self, value, name=None):
        if value is np.float64(0).__reduce__()[0]:
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\nscalar\n")
            self.memoize(value)
        else:
            self.save_global(value, name)

    dispatch[str] = dispatch[bytes] = save_string
    dispatch[type] = dispatch[types.FunctionType] = dispatch[types.BuiltinFunctionType] = save_class


def python_2():
    """A module that torch.save takes in place of pickle."""
    module = types.ModuleType("python_2")
    module.Pickler = Python2Pickler
    module.dump = lambda value, file, protocol: Python2Pickler(file, 2).dump(value)
    return module


def collect(folder):
    """A folder of cases -> what facts() gives, and the arrays of CASES."""
    told, arrays = {}, {}
    for path in sorted(Path(folder).glob("*/names.json")):
        case, content = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
        told[case] = {key: content.get(key) for key in FACTS}
        told[case]["tensors"] = [[row["name"], row["shape"], row["dtype"], row.get("batch_norm", False),
                                  row.get("key", row["name"])] for row in content["tensors"]]
        told[case]["arrays"] = {}
        with np.load(path.with_name("case.npz")) as archive:
            for name in (name for name in ARRAYS if name in archive):
                equal = (key for key, kept in arrays.items() if np.array_equal(kept, archive[name]))
                key = told[case]["arrays"][name] = next(equal, f"{case}/{name}")
                arrays[key] = archive[name]
    return told, arrays


def main():
    parser = argparse.ArgumentParser(description="Write the golden files of public checkpoints.")
    parser.add_argument("folder", help="of cases: NAME/names.json and NAME/case.npz")
    told, arrays = collect(parser.parse_args().folder)
    NAMES.write_bytes(gzip.compress(json.dumps(told, separators=(",", ":")).encode(), mtime=0))
    np.savez_compressed(CASES, **arrays)
    print(f"{NAMES}: {NAMES.stat().st_size} bytes; {CASES}: {CASES.stat().st_size} bytes")


if __name__ == "__main__":
    main()
