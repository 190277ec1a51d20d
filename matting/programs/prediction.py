"""Mattes for a user's photographs: alpha, cut-out with the object's own colours, composite over a background."""
from functools import partial
from typing import NamedTuple

from matting.classical import METHODS, NETWORK, Classical
from matting.estimation import DEFAULT_SCALE, Scale, check_scale
from matting.programs import inputs, results
from matting.programs.batch import run
from matting.programs.inputs import Rules
from matting.programs.results import Results


def add_arguments(parser):
    """What the predicting programs take besides the keys of default_config.yaml."""
    inputs.add_arguments(parser)
    results.add_arguments(parser)
    parser.add_argument("--skip_existing", action="store_true", help="leave out photographs whose results are all in "
                        "OUT, so that an interrupted run goes on")
    parser.add_argument("--method", choices=(NETWORK, *METHODS), default=NETWORK, help="network | closed_form (Levin "
                        "2008) | knn (Chen 2013); the last two need no weights (default: %(default)s)")
    parser.add_argument("--tile", type=int, metavar="PIXELS", default=DEFAULT_SCALE.tile, help="side of the windows "
                        "that a large photograph is matted in; larger ones take more memory (default: %(default)s)")
    parser.add_argument("--max_side", type=int, metavar="PIXELS", default=0, help="matte the photograph reduced to "
                        "this longer side, and enlarge the matte; 0: reduced only where a wide region is unknown "
                        "(default: %(default)s)")


class Job(NamedTuple):
    """What a user asked for."""

    sources: list
    rules: Rules
    results: Results
    scale: Scale
    skip_existing: bool = False  # of results

    @classmethod
    def of(cls, arguments):
        """From what add_arguments took; raises UserError for flags and files that cannot be meant."""
        scale = check_scale(arguments.tile, arguments.max_side)
        sources, rules = inputs.read_arguments(arguments, arguments.output)
        return cls(sources, rules, results.read_arguments(arguments), scale, arguments.skip_existing)


def predict(config, arguments, load_network):
    """The predicting programs: load_network(config) gives the Network that runs, once there is something to matte.

    A classical method runs without one.
    """
    method = arguments.method
    load = partial(load_network, config) if method == NETWORK else partial(Classical, method)
    run(Job.of(arguments), load, "" if method == NETWORK else f" (by {method})")
