"""Photographs in turn: one is read and another written while the network sees a third; a bad one is passed over."""
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from matting.errors import UserError, short_of_memory
from matting.estimation import SMALLER
from matting.images.photo import Photo
from matting.overlap import map_ahead
from matting.programs.inputs import Source, read_input
from matting.workers import progress

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """How far a photograph has come: what the last step needed is gone."""

    source: Source
    photo: "Photo | None" = None
    trimap: "np.ndarray | None" = None
    notices: tuple = ()
    alpha: "np.ndarray | None" = None
    files: tuple = ()  # that were written
    problem: "UserError | None" = None  # why it is passed over


def run(job, load_network, remark=""):
    """Write alpha, cut-out and composite of each source by the Network that load_network() gives.

    That is called when the first photograph has been read. remark: what the line about each photograph ends with.
    Raises UserError at the end, naming all photographs that were passed over; what hinders every photograph, such as a
    full disk, is raised at once.
    """
    sources = [source for source in job.sources if not (job.skip_existing and job.results.are_there(source.name))]
    problems = []
    with logging_redirect_tqdm(), progress(len(sources), "photo") as advance, \
            ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        photographs = map_ahead(reader, partial(_or_problem, partial(_read, job)), map(Step, sources))
        mattes = _matted(job, load_network, photographs)
        for step in map_ahead(writer, partial(_or_problem, partial(_write, job)), mattes):
            if step.problem:
                problems.append(str(step.problem))
                log.warning("passed over: %s", step.problem)
            else:
                log.info("%s: %s%s", job.results.folder, ", ".join(step.files), remark)
            advance(1)
    conclude(problems, len(sources), len(job.sources) - len(sources))


def conclude(problems, tried, there):
    """Say how many photographs were matted, how many were there already; raises UserError where there are problems."""
    if problems and tried + there == 1:
        raise UserError(problems[0])
    words = f"{tried - len(problems)} matted" + f", {there} already there" * bool(there)
    if problems:
        raise UserError("\n".join([*problems, f"{len(problems)} of {tried + there} photographs passed over, {words}"]))
    if tried + there > 1:
        log.info("%d photographs: %s", tried + there, words)


def _or_problem(function, step):
    """The next Step by the function, or one with its UserError; a photograph that had a problem before keeps it."""
    if step.problem:
        return step
    try:
        return function(step)
    except UserError as error:
        return Step(step.source, problem=error)


def _read(job, step):
    with short_of_memory(step.source.image, SMALLER):
        return Step(step.source, *read_input(step.source, job.rules))


def _matted(job, load_network, steps):
    network = None
    for step in steps:
        for notice in step.notices:
            log.warning(notice)
        if not (network or step.problem):
            network = load_network()
        yield _or_problem(partial(_matte, job, network), step)


def _matte(job, network, step):
    image, (height, width) = step.source.image, step.trimap.shape
    if job.results.depth == 8 and step.photo.pixels.itemsize > 1:
        log.info("%s: has 16 bits a channel, written in 8; --depth 16 keeps them", image)
    with short_of_memory(f"{image} of {width}x{height}", SMALLER):
        return Step(step.source, step.photo, alpha=network.alpha(step.photo.image, step.trimap, job.scale))


def _write(job, step):
    height, width = step.alpha.shape
    with short_of_memory(f"{step.source.image} of {width}x{height}", SMALLER):
        return Step(step.source, files=tuple(job.results.write(step.source.name, step.photo, step.alpha)))
