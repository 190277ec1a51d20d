"""Convert a weight file: python -m matting.convert IN OUT, the kinds told by their suffixes.

Reads .ckpt, .pth, .pt, .pth.tar and .npz of this project, or as other projects published them, and .onnx of export's
--half; writes .ckpt, .pth, .pt or .npz in canonical naming, or with --official in the IndexNet release's. Nothing is
rounded: there and back is bit-exact. The configuration that lies beside IN, or else is in it or belongs to a published
file, goes into OUT.
"""

from matting.config import FIELDS, brought, make_config, text_for_weights
from matting.errors import UserError, entry_point
from matting.usage import program_parser
from matting.weights.files import read_weights, write_weights
from matting.weights.names import official_names
from matting.weights.published import PUBLISHED, find


@entry_point
def main(argv=None):
    parser = program_parser("matting.convert", __doc__)
    parser.add_argument("source", metavar="IN", help="weight file to read")
    parser.add_argument("target", metavar="OUT", help="weight file to write: .ckpt, .pth, .pt or .npz")
    parser.add_argument("--official", action="store_true", help="write the names of the official IndexNet release")
    parser.add_argument("--weights_from", default="", metavar="NAME", help="which published checkpoint IN is, where it "
                        f"does not tell itself: {', '.join(PUBLISHED)}")
    arguments = parser.parse_args(argv)
    found = find(arguments.source, read_weights(arguments.source), arguments.weights_from)
    if found.unknown:
        raise UserError(f"{arguments.source}: is not a whole network (no rule for {', '.join(found.unknown)})")
    weights = found.weights
    if arguments.official:
        try:
            names = official_names(weights)
        except ValueError as error:
            raise UserError(f"{arguments.source}: is not a whole IndexNet ({error})") from None
        weights = {names[name]: value for name, value in weights.items()}
    told = brought(arguments.source, FIELDS, arguments.weights_from)
    write_weights(arguments.target, weights, text_for_weights(make_config(told)) if told else "")
    print(f"{arguments.target}: {len(weights)} tensors written")


if __name__ == "__main__":
    main()
