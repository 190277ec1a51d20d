"""Mattes for a user's photographs: alpha, cut-out with the object's own colours, composite over a background."""
import logging
from typing import NamedTuple

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from matting.errors import UserError, short_of_memory
from matting.estimation import DEFAULT_SCALE, SMALLER, Scale, check_scale
from matting.programs import inputs, results
from matting.programs.inputs import Rules, read_input
from matting.programs.results import Results

log = logging.getLogger(__name__)


def add_arguments(parser):
    """What the predicting programs take besides the keys of default_config.yaml."""
    inputs.add_arguments(parser)
    results.add_arguments(parser)
    parser.add_argument("--tile", type=int, metavar="PIXELS", default=DEFAULT_SCALE.tile, help="side of the windows "
                        "that a large photograph is matted in; larger ones take more memory (default: %(default)s)")
    parser.add_argument("--max_side", type=int, metavar="PIXELS", default=0, help="matte the photograph reduced to "
                        "this longer side, and enlarge the matte; 0: reduced only as a first look where a wide region "
                        "is unknown (default: %(default)s)")


class Job(NamedTuple):
    """What a user asked for, every input file read once and found usable."""

    sources: list
    rules: Rules
    results: Results
    scale: Scale

    @classmethod
    def of(cls, arguments):
        """From what add_arguments took; raises UserError for unusable files, naming all of them."""
        scale = check_scale(arguments.tile, arguments.max_side)
        sources, rules = inputs.read_arguments(arguments)
        job = cls(sources, rules, results.read_arguments(arguments), scale)
        check_sources(sources, rules)
        return job


def predict(config, arguments, load_network):
    """The predicting programs: every file is checked before load_network(config) gives the Network that runs."""
    job = Job.of(arguments)
    run(job, load_network(config))


def run(job, network):
    """Write alpha, cut-out and composite of each source by a Network."""
    with logging_redirect_tqdm():
        for source in tqdm(job.sources, disable=None, unit="image"):
            with short_of_memory(source.image, SMALLER):
                photo, trimap, notices = read_input(source, job.rules)
            for notice in notices:
                log.warning(notice)
            if job.results.depth == 8 and photo.pixels.itemsize > 1:
                log.info("%s: has 16 bits a channel, written in 8; --depth 16 keeps them", source.image)
            with short_of_memory(f"{source.image} of {trimap.shape[1]}x{trimap.shape[0]}", SMALLER):
                alpha = network.alpha(photo.image, trimap, job.scale)
                names = job.results.write(source.image.stem, photo, alpha)
            log.info("%s: %s", job.results.folder, ", ".join(names))


def check_sources(sources, rules):
    """Read every file once; raises UserError naming all that are unusable, a line each."""
    problems = []
    for source in tqdm(sources, desc="checking", disable=None if len(sources) > 1 else True, unit="image"):
        try:
            with short_of_memory(source.image, SMALLER):
                read_input(source, rules)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
