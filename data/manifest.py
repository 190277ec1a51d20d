"""manifest.json of a prepared set: what was composed from what, with which settings and versions."""
import json
import logging
from dataclasses import asdict

import cv2
import numpy as np
import PIL
import simplejpeg

from data.compose import sha256
from data.plan import Settings
from matting.errors import UserError
from matting.files import atomic_path

logger = logging.getLogger(__name__)

NAME = "manifest.json"
KEYS = {"settings", "versions", "sources", "composites"}  # what a manifest has from the start
RULE = "uint8(alpha F + (1 - alpha) B) in float32; B enlarged (cubic) to cover F where it does not, then its top left"


def describe(plan, data_dir, settings):
    """The manifest of a set before it is composed; the hashes of the backgrounds follow when they have been read."""
    return {
        "rule": RULE,
        "settings": asdict(settings) | {"validation": list(settings.validation)},
        "versions": {library.__name__: library.__version__ for library in (cv2, np, PIL, simplejpeg)},
        "sources": {file.source: sha256(data_dir / file.source)
                    for foreground in plan for file in foreground.files.values()},
        "composites": {merged: name for foreground in plan for merged, name in foreground.composites.items()},
    }


def read_manifest(data_dir):
    """The manifest of a prepared set, or None where there is none; raises UserError for a damaged one."""
    path = data_dir / NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error}); {_start_anew(data_dir)}") from None
    if not isinstance(manifest, dict) or not manifest.keys() >= KEYS:
        raise UserError(f"{path}: is not the manifest of a prepared set; {_start_anew(data_dir)}")
    return manifest


def settings_of(manifest):
    """The Settings that a set was prepared with."""
    settings = manifest["settings"]
    return Settings(**settings | {"validation": tuple(settings["validation"])})


def write_manifest(manifest, data_dir):
    """Write manifest.json, atomically."""
    with atomic_path(data_dir / NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


def check_same_set(manifest, previous, data_dir):
    """Raise UserError, naming the first difference, unless both manifests describe the same pixels."""
    path = data_dir / NAME
    for key, value in manifest["settings"].items():
        before = previous["settings"].get(key)
        if before != value:
            change = "another validation list" if key == "validation" else f"{key} {before}, not {value}"
            raise UserError(f"{path}: the set was begun with {change}; use the same again, or {_start_anew(data_dir)}")
    for name, digest in manifest["sources"].items():
        if previous["sources"].get(name) != digest:
            raise UserError(f"{data_dir / name}: has changed since the set was begun; restore it, or "
                            f"{_start_anew(data_dir)}")
    for merged, background in manifest["composites"].items():
        if previous["composites"].get(merged) != background:
            raise UserError(f"{path}: {merged} was to be composed over {previous['composites'].get(merged)}, now it is "
                            f"{background}: files were added or removed; restore them, or {_start_anew(data_dir)}")
    if previous["versions"] != manifest["versions"]:
        logger.warning("%s: the set was begun with other versions: %s; now %s", path, previous["versions"],
                       manifest["versions"])


def _start_anew(data_dir):
    return f"delete {data_dir / 'train'}, {data_dir / 'validation'} and {data_dir / NAME} to start anew"
