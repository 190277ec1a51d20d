"""The parser of a program that takes no keys of default_config.yaml."""
import argparse


def program_parser(program, description, usage=None):
    """An argument parser that names the program as one types it, python -m PROGRAM; the description keeps its lines."""
    return argparse.ArgumentParser(prog=f"python -m {program}", usage=usage, description=description,
                                   formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
