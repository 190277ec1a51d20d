"""The pages as texts: short enough, no command hidden from the test that runs them, nothing named that is not there."""
import importlib.util
import re

import pytest

from matting.config import FIELDS
from tests.pages import (
    LINK,
    PAGES,
    QUOTED,
    README,
    ROOT,
    anchors,
    commands,
    fences,
    indented,
    links,
    name,
    quoted,
    read,
)
from tests.test_house import ROOMS

LONGEST_README = 1000  # words
ARCHITECTURE = ROOT / "docs" / "architecture.md"
LANGUAGES = {"", "python", "text", "yaml", "diff"}  # "": commands, which tests/test_documents.py runs
SOURCES = ("matting", "ms_impl", "torch_ref", "data", "parity", "scripts", "benchmarks", "tests")
FOLDERS = (*SOURCES, "docs")  # others are made by programs, or a user's
PROGRAM = re.compile(r"python -m ([\w.]+)")
FLAG = re.compile(r"(?:^|\s)--(\w+)")
FILE = re.compile(r"(?:\w[\w.-]*/)+[\w.-]+\.(?:py|sh|yaml|json|md|png|txt)")

each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def test_the_readme_is_short():
    assert len(read(README).split()) <= LONGEST_README


def test_the_readme_leads_to_every_page():
    elsewhere = {README, ROOT / "parity/README.md"}
    assert {ROOT / target.partition("#")[0] for target in links(read(README))} >= set(PAGES) - elsewhere


@each_page
def test_fences_say_what_they_hold(page):
    assert {fence.language for fence in fences(read(page))} <= LANGUAGES


@each_page
def test_no_command_hides_in_an_indented_block(page):
    assert not indented(read(page))


def test_hidden_commands_are_found():
    text = ("Run\n\n    make all\n\n```\nmake demo\n```\n\n- or\n  ```\n  make lint\n  ```\n\n\tmake test\n"
            "~~~\nmake it\n~~~\n")
    assert indented(text) == ["    make all", "  ```", "  ```", "\tmake test", "~~~", "~~~"]


def test_commands_are_found_whole():
    text = ("```\nA=\"--b 1 \\\n    --c 2\"\nrun $A\nX=1 run \\\n  --d\n```\n\n```python\nprint()\n```\n\n"
            "```text\noutput\n```\n\n```\nmake demo\n```\n")
    assert [command.split() for command in commands(text)] == [
        ["A=\"--b", "1", "--c", "2\";", "run", "$A"], ["A=\"--b", "1", "--c", "2\";", "X=1", "run", "--d"],
        ["make", "demo"]]


def missing_targets(page, text):
    """The links of a page that lead nowhere: to no file, or to no heading of it."""
    missing = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or anchor and anchor not in anchors(text if target == page else read(target)):
            missing.append(link)
    return missing


@each_page
def test_links_lead_somewhere(page):
    assert not missing_targets(page, read(page))


def test_a_link_that_leads_nowhere_is_found():
    text = ("# The *first* part, `a.py`\n[a](Makefile) [b](nowhere.md) [c](#the-first-part-apy) [d](#second)\n"
            "![e](docs/none.png) [f](https://example.org) [g](docs)\n```python\n# second\nx[0](1)\n```\n")
    assert missing_targets(README, text) == ["nowhere.md", "#second", "docs/none.png"]


def missing_names(text):
    """Programs, files, make targets and flags in a page's code quotes that the repository does not have."""
    missing = []
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for code in quoted(text):
        missing += [program for program in PROGRAM.findall(code)
                    if program.split(".")[0] in SOURCES and not importlib.util.find_spec(program)]
        missing += [target for target in re.findall(r"^make ([\w-]+)$", code) if target not in targets]
        missing += [file for file in FILE.findall(code)
                    if file.split("/")[0] in FOLDERS and not (ROOT / file).exists()]
        ours = code.startswith("--") or PROGRAM.search(code)  # and not pip's or pytest's
        missing += [f"--{flag}" for flag in FLAG.findall(code) if ours and flag not in FLAGS]
    return missing


def declared_flags():
    """Every key of the configuration, and what programs take besides."""
    files = [ROOT / "export.py", *(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))]
    return {"help", *FIELDS} | {flag for path in files for flag in
                          re.findall(r"add_argument\([^)]*?\"--(\w+)\"", path.read_text(encoding="utf-8"))}


FLAGS = declared_flags()


@each_page
def test_programs_files_and_flags_that_are_named_exist(page):
    assert not missing_names(read(page))


def test_a_name_of_nothing_is_found():
    text = ("`make demo` `make tea` `python -m parity.report` `python -m parity.tea` `--batch_size 8` `--teapot True` "
            "`matting/tea.py` `matting/metrics.py` `logs/config.yaml` `--file_format ONNX`")
    assert missing_names(text) == ["tea", "parity.tea", "--teapot", "matting/tea.py"]


def defined_elsewhere(page, text):
    """Of a table's rows `| what | names | files |`: names that a file of the row does not define."""
    missing = []
    for _, names, files in re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.M):
        sources = [read(page.parent / target) for target in LINK.findall(files) if target.endswith(".py")]
        missing += [definition for definition in QUOTED.findall(names) for source in sources
                    if not re.search(rf"^(class|def) {definition}\b", source, re.M)]
    return missing


def test_the_architecture_says_where_things_are():
    text = read(ARCHITECTURE)
    assert not defined_elsewhere(ARCHITECTURE, text)
    for definition in ("IndexBlock", "MattingLoss", "draw_crop", "Checkpoints", "sad"):
        assert f"`{definition}`" in text


def test_a_thing_that_is_elsewhere_is_found():
    row = "| a crop | `draw_crop`, `sad` | [here](../matting/transforms.py) |\n"
    assert defined_elsewhere(ARCHITECTURE, row) == ["sad"]


def test_the_architecture_knows_every_room():
    """Of matting/, in the order in which a room may use those before it."""
    rows = re.findall(r"^\| `?(\w+)/?`? \| .+? \| (.*?) ?\|$", read(ARCHITECTURE).partition("## The rooms")[2], re.M)
    named = {room.replace("top", ""): set(re.findall(r"`(\w+)/`", uses)) for room, uses in rows if room != "room"}
    assert {room: named[room] for room in ROOMS} == ROOMS
