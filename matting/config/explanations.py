"""What each key means and its default, read out of the comments of default_config.yaml."""
import re

from matting.config.defaults import DEFAULT_CONFIG, MODEL_CONFIGS, default_values, settings_file
from matting.config.settings import MODELS
from matting.config.values import as_text

HEADING = re.compile(r"# --- (.+?) -+$")
KEY = re.compile(r"(\w+):.*?(?:\s# (.*))?$")  # its comment after the value
CONTINUATION = re.compile(r"\s+# (.*)$")  # of a comment
WITHOUT_HEADING = "settings"


def explanations(yaml_text=None):
    """{heading: {key: meaning}} in the file's order; a comment of several lines is one text."""
    text = settings_file(DEFAULT_CONFIG).read_text(encoding="utf-8") if yaml_text is None else yaml_text
    found, key = {}, None
    section = found[WITHOUT_HEADING] = {}
    for line in text.splitlines():
        heading, start, more = (pattern.match(line) for pattern in (HEADING, KEY, CONTINUATION))
        if heading:
            section = found[heading[1]] = {}
        elif start:
            key = start[1]
            section[key] = start[2] or ""
        elif more and key in section:
            section[key] = f"{section[key]} {more[1]}".lstrip()
    return {heading: meanings for heading, meanings in found.items() if meanings}


def default_text(key, by_stage):
    """What --help says of a key's default: of the default model, and of each model that differs.

    by_stage: whether defaults of single training stages matter.
    """
    text = _shown(default_values()[key])
    for model in MODEL_CONFIGS:
        stages = MODELS[model].stages if by_stage else (None,)
        values = [_shown(default_values(model, stage)[key]) for stage in stages]
        if len(set(values)) > 1:
            text += f"; of {model}'s stages {', '.join(values)}"
        elif key != "model" and values[0] != _shown(default_values()[key]):
            text += f"; of {model} {values[0]}"
    return text


def _shown(value):
    return "empty" if value == "" else str(value) if isinstance(value, bool) else as_text(value)
