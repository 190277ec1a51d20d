"""`python export.py --ckpt_url CKPT` writes a MINDIR, by ms_impl.export; --file_format ONNX is torch_ref.export's."""
import argparse
from importlib import import_module

PROGRAMS = {"MINDIR": "ms_impl.export", "ONNX": "torch_ref.export"}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python export.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--file_format", choices=PROGRAMS, default="MINDIR")
    own, rest = parser.parse_known_args(argv)
    import_module(PROGRAMS[own.file_format]).main(rest)


if __name__ == "__main__":
    main()
