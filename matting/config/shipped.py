"""Weights that come with the project, where there are any: what predicting programs and matting.load use unasked."""
from matting.config.defaults import PACKAGE
from matting.errors import UserError

SHIPPED = PACKAGE / "weights" / "indexnet.onnx"
OTHERS = "docs/weights.md lists published ones, which are taken as they are"


def shipped_weights():
    """The path of the weight file that comes with the project; None where there is none."""
    return SHIPPED if SHIPPED.is_file() else None


def default_weights():
    """The path of that file; raises UserError where there is none."""
    path = shipped_weights()
    if not path:
        raise UserError(f"no weights come with this project yet; name a weight file; {OTHERS}")
    return path
