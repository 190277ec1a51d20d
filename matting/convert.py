"""Convert a weight file: python -m matting.convert IN OUT, the kinds told by their suffixes.

Reads .ckpt, .pth, .pt, .pth.tar and .npz in canonical or official naming, with or without `module.`; writes .ckpt,
.pth, .pt or .npz in canonical naming, or with --official in the release's. Nothing is rounded: there and back is
bit-exact. The configuration that lies beside IN, or else is in it, goes into OUT.
"""

from matting.config import make_config, text_for_weights, trained_with
from matting.errors import UserError, entry_point
from matting.usage import program_parser
from matting.weights.files import read_weights, write_weights
from matting.weights.names import canonical_names, official_names


@entry_point
def main(argv=None):
    parser = program_parser("matting.convert", __doc__)
    parser.add_argument("source", metavar="IN", help="weight file to read")
    parser.add_argument("target", metavar="OUT", help="weight file to write: .ckpt, .pth, .pt or .npz")
    parser.add_argument("--official", action="store_true", help="write the names of the official IndexNet release")
    arguments = parser.parse_args(argv)
    weights = read_weights(arguments.source)
    try:
        names = canonical_names(weights)
        if arguments.official:
            official = official_names(names.values())
            names = {name: official[canonical] for name, canonical in names.items()}
    except ValueError as error:
        raise UserError(f"{arguments.source}: is not a whole IndexNet ({error})") from None
    told = trained_with(arguments.source)
    write_weights(arguments.target, {names[name]: value for name, value in weights.items()},
                  text_for_weights(make_config(told)) if told else "")
    print(f"{arguments.target}: {len(weights)} tensors written")


if __name__ == "__main__":
    main()
