"""Edits as a page shows them, made to files: a patch without line numbers, since these change too often."""


def make_edits(root, text):
    """Edit the files below `root`; raises AssertionError where a text to be changed is not there, or not once.

    text: files, each headed by `--- PATH`, and its changes, separated by `@@`. In a change the lines that start with
    `-` go, those with `+` come, those with a blank stay. A change of added lines alone is put at the file's end.
    """
    for part in text.split("--- ")[1:]:
        name, changes = part.split("\n", 1)
        path = root / name
        source = path.read_text(encoding="utf-8") if path.exists() else ""
        for change in changes.split("@@\n"):
            source = changed(source, change.splitlines(), name)
        path.write_text(source, encoding="utf-8")


def changed(source, lines, name):
    """A file's text after one change."""
    old, new = (as_text(lines, signs) for signs in ("- ", "+ "))
    if not old:
        return source + new
    assert source.count(old) == 1, f"{name} holds {source.count(old)} times\n{old}"
    return source.replace(old, new)


def as_text(lines, signs):
    """The lines that start with one of the signs, without it; an empty line counts as one that starts with a blank."""
    return "".join(f"{line[1:]}\n" for line in lines if (line or " ")[0] in signs)
