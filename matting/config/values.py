"""One key's value: as YAML gives it, as a flag's text says it, as Python holds it."""
import math

import yaml

from matting.errors import UserError

EXPECTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text",
            tuple: "a list such as 20 26 or [20, 26]"}
OWN = "own"  # img_size: each image's own size
INSTEAD = {"img_size": (OWN,)}  # words that a key takes in place of a list


def parsed(key, kind, text):
    """A flag's text -> a value as YAML gives it: `20 26`, `20,26` and `[20, 26]` are the same list."""
    if kind is str or text in INSTEAD.get(key, ()):
        return text
    if kind is tuple and not text.lstrip().startswith("["):
        text = f"[{', '.join(text.replace(',', ' ').split())}]"
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--{key} {text}: expected {EXPECTED[kind]}") from None


def typed(key, kind, value):
    """A value as YAML gives it -> of `kind`, lists as tuples; raises UserError where it is of another kind."""
    if kind is bool and value in (0, 1):
        return bool(value)
    if kind is float and _is_number(value):
        return float(value)
    if kind is tuple and isinstance(value, (list, tuple)) and all(map(_is_entry, value)):
        return tuple(map(_entry, value))
    if isinstance(value, str) and value in INSTEAD.get(key, ()):
        return value
    if kind is str and value is None:
        return ""
    if type(value) is kind and kind not in (float, tuple):
        return value
    raise UserError(f"{key} {value!r}: expected {' or '.join((EXPECTED[kind], *INSTEAD.get(key, ())))}")


def as_text(value):
    """A value as a line of YAML has it."""
    return yaml.safe_dump(_plain(value), default_flow_style=True, width=10**6).splitlines()[0]


def _plain(value):
    """Tuples as lists."""
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _is_number(value):
    """Also `1e-4`, which YAML reads as text."""
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _is_entry(value):
    """A number, or a row of numbers."""
    return all(map(_is_number, value)) if isinstance(value, (list, tuple)) else _is_number(value)


def _entry(value):
    if isinstance(value, (list, tuple)):
        return tuple(map(_entry, value))
    return float(value) if isinstance(value, str) else value
