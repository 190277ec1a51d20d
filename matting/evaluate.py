"""Measure mattes that any program predicted against true ones: SAD, MSE, Grad, Conn as the field's programs print them.

    python -m matting.evaluate PREDICTED TRUE TRIMAP --protocol adobe

Files, or folders paired by name: NAME_0 to NAME_19 of one foreground have the true matte NAME, and each its own trimap
or all the trimap NAME. Without a trimap the whole image counts, as trimap-free work reports.
"""
import os
from pathlib import Path

from matting.dataset.matte_files import find_matte_files
from matting.errors import UserError, entry_point
from matting.metrics import PROTOCOLS
from matting.programs.measurement import BY, means_of, measure, region_of, worst_of, write_report
from matting.usage import program_parser


@entry_point
def main(argv=None):
    parser = program_parser("matting.evaluate", __doc__)
    parser.add_argument("predicted", metavar="PREDICTED", help="matte, or folder of mattes, of 8 or 16 bits")
    parser.add_argument("true", metavar="TRUE", help="true matte, or folder of them")
    parser.add_argument("trimap", metavar="TRIMAP", nargs="?", help="trimap, or folder of trimaps")
    parser.add_argument("--protocol", choices=tuple(PROTOCOLS), default="release",
                        help="release (stretches both mattes to their full range) | adobe (the official evaluation "
                        "code of Deep Image Matting) (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="OUT", default="metrics",
                        help="folder for metrics.csv and metrics.json, made where missing (default: %(default)s)")
    parser.add_argument("--num_workers", type=int, default=len(os.sched_getaffinity(0)), metavar="NUMBER",
                        help="processes (default: one for each core)")
    arguments = parser.parse_args(argv)
    if arguments.num_workers < 1:
        raise UserError(f"--num_workers {arguments.num_workers}: must be 1 or more")

    mattes = find_matte_files(arguments.predicted, arguments.true, arguments.trimap)
    results = measure(mattes, arguments.protocol, arguments.num_workers)
    write_report(arguments.output, mattes, results, arguments.protocol)
    print(f"{len(mattes):,} mattes of {arguments.predicted} against {arguments.true}, {arguments.protocol} protocol, "
          f"{region_of(mattes)}")
    print("mean:  " + "  ".join(f"{name} {mean:.5g}" for name, mean in means_of(results).items()))
    print("worst: " + ", ".join(f"{result['name']} (SAD {result[BY]:.5g})" for result in worst_of(results)))
    print(f"each:  {Path(arguments.output, 'metrics.csv')}")


if __name__ == "__main__":
    main()
