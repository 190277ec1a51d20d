"""The house's one rule: matting imports no framework, neither implementation imports the other, parity imports both."""
import ast
from pathlib import Path

import pytest

from matting.runtimes.table import RUNTIMES

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {"mindspore", "torch"}
FORBIDDEN = {
    "matting": FRAMEWORKS | {"onnxruntime", "ms_impl", "torch_ref", "parity", "data"},
    "data": FRAMEWORKS | {"ms_impl", "torch_ref", "parity"},
    "ms_impl": {"torch", "torch_ref", "parity"},
    "torch_ref": {"mindspore", "ms_impl", "parity"},
}
# What reads or runs foreign weight files imports what that takes inside the function that does it.
LAZY_READERS = {"matting/weights/files.py", "matting/runtimes/onnx.py"}
# Only this table of matting.load knows ms_impl and torch_ref, by the names of modules; it imports one when a file asks.
BY_NAME = "matting/runtimes/table.py"


def imports(source, everywhere=True):
    """Top-level packages that a module imports; everywhere: also those inside functions."""
    tree = ast.parse(source)
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_layers_stay_apart(package):
    for path in (ROOT / package).rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        found = imports(path.read_text(encoding="utf-8"), everywhere=name not in LAZY_READERS)
        assert not found & FORBIDDEN[package], f"{name} imports {found & FORBIDDEN[package]}"


def imports_by_name(source):
    """Whether a module imports what it has the name of in a text, which `imports` does not see."""
    nodes = list(ast.walk(ast.parse(source)))
    return bool({"import_module", "__import__"} & {
        *(node.id for node in nodes if isinstance(node, ast.Name)),
        *(node.attr for node in nodes if isinstance(node, ast.Attribute)),
        *(alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names)})


@pytest.mark.parametrize("package", FORBIDDEN)
def test_one_table_alone_imports_by_name(package):
    for path in (ROOT / package).rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        assert imports_by_name(path.read_text(encoding="utf-8")) == (name == BY_NAME), name


def test_that_table_knows_the_registries_and_matting():
    modules = {runtime.module for runtimes in RUNTIMES.values() for runtime in runtimes}
    assert modules == {"matting.runtimes.onnx", "ms_impl.registry", "torch_ref.registry"}


def test_an_import_by_name_is_found():
    for source in ("import importlib\nimportlib.import_module('torch')", "from importlib import import_module as f",
                   "def f():\n    __import__('torch')"):
        assert imports_by_name(source)
    assert not imports_by_name("import importlib.util\nimportlib.util.find_spec('torch')")


# The rooms of matting/, and which others each may use besides those on arrays: the files at the top and trimap/.
ROOMS = {"": set(), "trimap": set(), "config": {"weights"}, "images": set(), "weights": set(), "runtimes": {"config"},
         "dataset": {"images"},
         "programs": {"config", "images", "dataset"}, "training": {"config", "images", "dataset", "programs"},
         "web": {"config", "images", "programs"}}
ON_ARRAYS = {"trimap"}
# On arrays, too, but what people enter by: they may use every room.
DOORS = {"matting/__init__.py", "matting/__main__.py", "matting/convert.py", "matting/evaluate.py",
         "matting/trimap/__main__.py", "matting/web/__main__.py"}


def rooms_used(source):
    """The rooms of matting/ that a module imports from."""
    modules = [node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {parts[1] for parts in (module.split(".") for module in modules) if parts[0] == "matting"
            and parts[1:] and parts[1] in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_use_only_what_lies_below_them(room):
    for path in (ROOT / "matting" / room).glob("*.py"):
        found = rooms_used(path.read_text(encoding="utf-8")) - {room} - ON_ARRAYS
        name = path.relative_to(ROOT).as_posix()
        assert name in DOORS or found <= ROOMS[room], f"{name} uses {found}"


def test_a_room_that_is_used_is_found():
    assert rooms_used("from matting.images.reading import a\nfrom matting.errors import b\nimport c") == {"images"}


def test_a_forbidden_import_is_found():
    assert imports("def f():\n    from torch.nn import functional") == {"torch"}
    assert imports("def f():\n    import torch\nimport cv2", everywhere=False) == {"cv2"}


# What only a row of a table, or Deep Image Matting's own file, may say.
DIM_WORDS = {"dim", "encoder_decoder", "refine", "finetune", "DeepImageMatting", "refinement", "bridge",
             "decoder_skips"}
TABLES = {"matting/config/settings.py", "matting/config/defaults.py", "ms_impl/registry.py", "torch_ref/registry.py",
          "matting/weights/published.py"}  # the last: how the models of published checkpoints are configured
OWN_FILES = {"ms_impl/src/dim.py", "torch_ref/dim.py"}


def words(source):
    """The names, attributes and texts of a module's code."""
    nodes = list(ast.walk(ast.parse(source)))
    return ({node.id for node in nodes if isinstance(node, ast.Name)}
            | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)})


def compares_models(source):
    """Whether a module asks which model is configured, instead of looking up that model's row."""
    return any(isinstance(operand, ast.Attribute) and operand.attr == "model"
               for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)
               for operand in (node.left, *node.comparators))


@pytest.mark.parametrize("package", ["matting", "ms_impl", "torch_ref", "data"])
def test_deep_image_matting_is_rows_and_classes_and_no_branch(package):
    for path in (ROOT / package).rglob("*.py"):
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        assert not compares_models(source), name
        assert name in TABLES | OWN_FILES or not words(source) & DIM_WORDS, f"{name}: {words(source) & DIM_WORDS}"


def test_a_branch_for_deep_image_matting_is_found():
    assert compares_models("if config.model == other:\n    pass")
    assert words("if config.stage in ('refine',):\n    build(config.bridge)") & DIM_WORDS == {"refine", "bridge"}


def reads_device(source):
    """Whether a module asks which device is set, instead of being told."""
    return "get_context" in words(source)


@pytest.mark.parametrize("path", sorted((ROOT / "ms_impl/src").glob("*.py")), ids=lambda path: path.stem)
def test_networks_read_no_global_state(path):
    assert not reads_device(path.read_text(encoding="utf-8"))


def test_a_layer_that_reads_the_device_is_found():
    assert reads_device("import mindspore as ms\nx = ms.get_context('device_target')")


def newer_than_python_3_9(source):
    """Lines of zip's `strict`, and of unions of types that are evaluated: all that is likely to be written of 3.10."""
    return [node.lineno for node in ast.walk(ast.parse(source, feature_version=(3, 9))) if _is_of_3_10(node)]


def _is_of_3_10(node):
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return (node.func.id == "zip" and any(keyword.arg == "strict" for keyword in node.keywords)
                or node.func.id == "isinstance" and isinstance(node.args[1], ast.BinOp))
    return isinstance(node, ast.BinOp) and any(isinstance(side, ast.Constant) and side.value is None
                                               for side in (node.left, node.right))


@pytest.mark.parametrize("package", ["matting", "ms_impl"])
def test_the_mindspore_side_runs_on_the_python_of_mindspore_2_0(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not newer_than_python_3_9(path.read_text(encoding="utf-8")), path


def test_what_python_3_9_lacks_is_found():
    assert newer_than_python_3_9("zip(a, b, strict=True)\nisinstance(a, str | int)\nb: Path | None = None") == [1, 2, 3]
    assert not newer_than_python_3_9("zip(a, b)\nisinstance(a, (str, int))\nb: 'Path | None' = None\nc = d | e")


@pytest.mark.parametrize("package", ["ms_impl", "torch_ref", "matting", "data", "parity", "tests", "benchmarks"])
def test_files_say_what_they_are(package):
    for path in (ROOT / package).rglob("*.py"):
        if path.name != "__init__.py" or path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


def test_the_files_that_run_first_are_there(request):
    """Each once: a renamed one would run late, unnoticed."""
    files = [ROOT / file for file in request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py")).LONG]
    assert all(file.is_file() for file in files) and len(set(files)) == len(files)
