"""Checking a prepared set: every file against its manifest, every composite against the rule, pixel by pixel."""
import logging

import numpy as np

from data.compose import compose, prepared_pixels, read_foreground, sha256
from data.manifest import NAME, check_same_set, describe, read_manifest, settings_of
from data.plan import COPY, READERS, data_txt, make_plan, prepared_folders
from matting.errors import UserError
from matting.images.reading import read_image
from matting.workers import progress, run_in_processes, stopping

logger = logging.getLogger(__name__)


def verify(data_dir, bg_dir, num_workers):
    """Check a prepared set, which is taken to be as its manifest says; -> the number of composites, all good.

    Raises UserError when a prepared file is missing, superfluous or different; each is named in the log.
    """
    manifest = read_manifest(data_dir)
    if manifest is None or "backgrounds" not in manifest:
        raise UserError(f"{data_dir / NAME}: is {'missing' if manifest is None else 'unfinished'}; "
                        "run the same command without --verify first")
    settings = settings_of(manifest)
    plan = make_plan(data_dir, bg_dir, settings)
    check_same_set(describe(plan, data_dir, settings), manifest, data_dir)

    problems = _check_listing(plan, data_dir)
    with progress(len(manifest["composites"]), "composite") as advance:

        def note(foreground, result):
            found, hashes = result
            problems.extend(found)
            for name, digest in hashes.items():
                if manifest["backgrounds"].get(name) != digest:
                    logger.warning("%s: has changed since it was composed over", bg_dir / name)
            advance(len(foreground.composites))

        run_in_processes(verify_foreground, plan, num_workers, note, data_dir=data_dir, bg_dir=bg_dir)

    for problem in problems:
        logger.error(problem)
    if problems:
        raise UserError(f"{data_dir}: {len(problems)} files are not as they should be, the first: {problems[0]}; "
                        "delete those named above as errors and run the same command without --verify")
    return len(manifest["composites"])


def verify_foreground(foreground, data_dir, bg_dir):
    """-> ([what is wrong with one foreground's files], {background name: SHA-256})."""
    problems = []
    for role, file in foreground.files.items():
        if file.how == COPY:
            problems += _check_copy(data_dir / file.source, data_dir / file.target)
        else:
            problems += _check_pixels(data_dir / file.target, prepared_pixels(file, role, foreground, data_dir),
                                      READERS[role])
    if problems:
        return problems, {}

    image, alpha = read_foreground(foreground, data_dir)
    hashes = {}
    for merged, name in foreground.composites.items():
        if stopping():
            break
        problems += _check_pixels(data_dir / merged, compose(image, alpha, bg_dir / name), read_image)
        hashes[name] = sha256(bg_dir / name)
    return problems, hashes


def _check_listing(plan, data_dir):
    """The files of the split folders that do not belong there, and a data.txt that does not say what it should."""
    expected = {file.target for foreground in plan for file in foreground.files.values()}
    expected.update(*(foreground.composites for foreground in plan))
    problems = [f"{path}: does not belong to the set" for folder in prepared_folders(data_dir)
                for path in sorted(folder.glob("*")) if path.relative_to(data_dir).as_posix() not in expected]
    for name, text in data_txt(plan).items():
        path = data_dir / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            problems.append(f"{path}: is missing or does not list the set's composites")
    return problems


def _check_copy(source, target):
    if not target.is_file():
        return [f"{target}: is missing"]
    return [] if sha256(target) == sha256(source) else [f"{target}: is not a copy of {source}"]


def _check_pixels(path, expected, read):
    try:
        actual = read(path)
    except UserError as error:
        return [str(error)]
    if actual.shape != expected.shape:
        return [f"{path}: has the shape {actual.shape}, not {expected.shape}"]
    differing = np.count_nonzero(actual != expected)
    return [f"{path}: {differing} values are not what the rule gives"] if differing else []
