"""The trimap that would be used, written to look at and to correct: `python -m matting.trimap`."""
import logging
from pathlib import Path

from matting.compat import zip_equal
from matting.errors import UserError, entry_point
from matting.images.writing import write_png
from matting.programs.inputs import add_arguments, read_arguments, read_input
from matting.trimap import unknown_region
from matting.usage import program_parser

log = logging.getLogger(__name__)


@entry_point
def main(argv=None):
    """Write the trimap of each photograph."""
    parser = program_parser("matting.trimap", main.__doc__)
    add_arguments(parser)
    parser.add_argument("-o", "--output", metavar="OUT", default="trimaps", help="folder, made where missing; for each "
                        "image NAME.png, so that the folder can be given as TRIMAP (default: %(default)s)")
    arguments = parser.parse_args(argv)
    sources, rules = read_arguments(arguments, arguments.output)
    write_trimaps(sources, rules, Path(arguments.output))


def write_trimaps(sources, rules, folder):
    """Write folder/NAME.png of each source; raises UserError rather than write over one of its files."""
    paths = [folder / f"{source.name}.png" for source in sources]
    for path, source in zip_equal(paths, sources):
        if any(path.exists() and path.samefile(file) for file in source.files if file.exists()):
            raise UserError(f"{path}: would be written over; choose another folder with -o")
    for path, source in zip_equal(paths, sources):
        given = read_input(source, rules)
        for notice in given.notices:
            log.info(notice)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, given.trimap)
        log.info("%s: written, %.0f %% of it unknown", path, 100 * unknown_region(given.trimap).mean())
