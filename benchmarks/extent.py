"""How much a benchmark does: all that its figures need, or with --quick just enough to see that it works."""
from matting.usage import program_parser


def read_extent(program, description, full, quick, argv=None):
    """`full`, or `quick` where the command line has --quick; both are what a benchmark understands."""
    parser = program_parser(program, description)
    add_quick(parser)
    return quick if parser.parse_args(argv).quick else full


def add_quick(parser):
    parser.add_argument("--quick", action="store_true", help="try it in small: the figures then mean nothing")
