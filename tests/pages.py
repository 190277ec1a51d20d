"""The pages that people read, taken apart: fenced blocks, prose, links, and what stands in code quotes."""
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "parity" / "README.md"]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.M)


class Fence(NamedTuple):
    """A fenced block; a language of "" means that it holds commands."""

    language: str
    text: str


def name(page):
    """As one calls it: its path in the repository."""
    return page.relative_to(ROOT).as_posix()


def read(page):
    return page.read_text(encoding="utf-8")


def fences(text):
    """The Fences of a page, in order."""
    return [Fence(*match.groups()) for match in FENCE.finditer(text)]


def prose(text):
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def commands(text):
    """The commands of a page as typed; one that goes on over several lines, each ending with a backslash, is one.

    A line that sets a shell variable is typed before each of its block's commands: they may use it.
    """
    found = []
    for fence in fences(text):
        lines = fence.text.replace("\\\n", " ").splitlines() if not fence.language else []
        settings = [line for line in lines if re.match(r"\w+=\S*$|\w+=\"", line)]
        found += ["; ".join([*settings, line]) for line in lines if line.strip() and line not in settings]
    return found


def indented(text):
    """Lines that Markdown may show as code though no fence is around them, and fences that are not found."""
    return [line for line in prose(text).splitlines() if re.match(r" {4}|\t| *(```|~~~)|<pre", line)]


def links(text):
    """What a page points to, other sites left out."""
    return [target for target in LINK.findall(prose(text)) if not target.startswith(("http:", "https:"))]


def anchors(text):
    """What follows the # in links to a page's headings, as GitHub derives it."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(text))}


def quoted(text):
    """What stands in code quotes outside fenced blocks."""
    return QUOTED.findall(prose(text))
