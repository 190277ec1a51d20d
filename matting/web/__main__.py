"""A page in the browser, on this machine alone, that mattes photographs: open, mark, cut out.

python -m matting.web --ckpt_url FILE [FILE ...]
"""
import logging
import os
import signal
import socket
import tempfile
import threading
from pathlib import Path

from matting.errors import Stopped, UserError, entry_point
from matting.runtimes.onnx import PROVIDERS
from matting.usage import program_parser
from matting.web.methods import Methods

log = logging.getLogger(__name__)

HERE = "127.0.0.1"
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@entry_point
def main(argv=None):
    parser = program_parser("matting.web", __doc__)
    parser.add_argument("--ckpt_url", metavar="FILE", nargs="+", default=[], help="weight files to choose from")
    parser.add_argument("--device_target", choices=tuple(PROVIDERS), default="CPU", help="what runs them (default: "
                        "%(default)s)")
    parser.add_argument("--host", default=HERE, help="address to serve on; 0.0.0.0 lets other machines in, without a "
                        "password (default: %(default)s, this machine alone)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    arguments = parser.parse_args(argv)
    methods = Methods(arguments.ckpt_url, arguments.device_target)
    signal.signal(signal.SIGTERM, _stop)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio's own look at the page
    with tempfile.TemporaryDirectory(prefix="matting-") as root:
        page, address = serve(methods, Path(root), arguments.host, arguments.port)
        log.info("open %s in a browser; Ctrl-C ends the page, and deletes what was uploaded", address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            log.info("ended")
        finally:
            page.close(verbose=False)


def serve(methods, root, host=HERE, port=None):
    """Start the page, all of its files in `root` -> gr.Blocks, its address; raises UserError where it cannot be."""
    try:
        socket.create_server((host, port or 0)).close()  # or Gradio would try a hundred ports of a wrong host
    except (OSError, OverflowError) as error:
        raise UserError(f"--host {host} --port {port or 'from 7860'}: cannot be served on ({error}); choose "
                        "another") from None
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(root / "uploads"))  # read when Gradio is imported
    try:
        from matting.web.page import build, launch  # here, because it is an extra
    except ImportError as error:
        raise UserError(f"the page needs a package more ({error.name}): pip install '.[web]'") from None
    page = build(methods, root)
    return page, launch(page, root, host, port)


def _stop(number, frame):
    raise Stopped(number)


if __name__ == "__main__":
    main()
