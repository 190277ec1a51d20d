"""The house's one rule: matting imports no framework, neither implementation imports the other, parity imports both."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {"mindspore", "torch"}
FORBIDDEN = {
    "matting": FRAMEWORKS | {"ms_impl", "torch_ref", "parity", "data"},
    "data": FRAMEWORKS | {"ms_impl", "torch_ref", "parity"},
    "ms_impl": {"torch", "torch_ref", "parity"},
    "torch_ref": {"mindspore", "ms_impl", "parity"},
}
# Readers of foreign weight files import the framework they need inside the function that reads them.
LAZY_READERS = {"matting/weights.py"}


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


def test_a_forbidden_import_is_found():
    assert imports("def f():\n    from torch.nn import functional") == {"torch"}
    assert imports("def f():\n    import torch\nimport cv2", everywhere=False) == {"cv2"}


@pytest.mark.parametrize("package", ["ms_impl", "torch_ref", "matting", "data", "parity", "tests", "benchmarks"])
def test_files_say_what_they_are(package):
    for path in (ROOT / package).rglob("*.py"):
        if path.name != "__init__.py" or path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"
