"""What a checkpoint brings into a configuration: the network, and how images are prepared for it."""
import logging

from matting.config.yaml_files import RESOLVED_NAME, trained_with
from matting.embedded import embedded
from matting.weights.published import settings_of

log = logging.getLogger(__name__)


def brought(path, keys, weights_from=""):
    """{key: value as YAML gives it} of those `keys` that a weight file was trained with, where anything tells.

    The config.yaml beside it tells, or else the one in it; of a published file, where neither does, its names. What a
    published file is, and where its config.yaml says otherwise, is logged in a line each. Raises what trained_with and
    settings_of raise.
    """
    told = trained_with(path)
    published = {} if embedded(path) and not weights_from else settings_of(path, weights_from)
    against = [f"{key} {told[key]}" for key, value in published.items() if told.get(key, value) != value]
    if against:
        log.warning("%s: the %s beside it wins: %s", path, RESOLVED_NAME, ", ".join(against))
    told = published | told
    return {key: told[key] for key in keys if key in told}
