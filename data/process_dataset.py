"""Prepare a data set: split it, compose every foreground over its own backgrounds, list the composites.

    python -m data.process_dataset --data_dir AIM-500 --bg_dir train2014

Reads DATA_DIR/{original,mask,trimap}, which stay as they are, and BG_DIR. Writes

    DATA_DIR/manifest.json                                    settings, sources and their hashes; before all else
    DATA_DIR/train/{original,mask,merged}/
    DATA_DIR/validation/{original,mask,trimap,merged}/
    DATA_DIR/{train,validation}/data.txt                      the lists that training and evaluation read; last

An interrupted run is continued by the same command: a file that exists under its name is complete. With
--estimate_foreground the prepared `original` holds the estimated colours, which are thus estimated once.
"""
import logging
import shutil
import time
from pathlib import Path

from data import manifest
from data.compose import bytes_to_write, prepare_foreground
from data.plan import SPLITS, Settings, data_txt, make_plan, prepared_folders
from data.png import DEFLATE
from data.verify import verify
from matting.config import config_parser, load_config
from matting.dataset.feed import worker_count
from matting.dataset.splits import read_validation_stems
from matting.errors import UserError, entry_point
from matting.files import atomic_path
from matting.workers import progress, run_in_processes

logger = logging.getLogger(__name__)

SPARE = 1.1  # times the estimated bytes must be free


def prepare(data_dir, bg_dir, settings, compression, num_workers):
    """Compose a set, or what is missing of it; -> the number of composites.

    Raises UserError before the first write where the inputs cannot give the whole set, or where data_dir holds
    composites that other settings or other inputs made.
    """
    plan = make_plan(data_dir, bg_dir, settings)
    description = manifest.describe(plan, data_dir, settings)
    begun = manifest.read_manifest(data_dir)
    if begun:
        manifest.check_same_set(description, begun, data_dir)
    else:
        _check_nothing_there(data_dir)
    total = sum(len(foreground.composites) for foreground in plan)
    _check_space(SPARE * bytes_to_write(plan, data_dir, bg_dir, compression), data_dir)

    if not begun:
        manifest.write_manifest(description, data_dir)
    for folder in prepared_folders(data_dir):
        folder.mkdir(parents=True, exist_ok=True)

    backgrounds = {}
    with progress(total, "composite") as advance:

        def note(foreground, hashes):
            backgrounds.update(hashes)
            advance(len(foreground.composites))

        run_in_processes(prepare_foreground, plan, num_workers, note, data_dir=data_dir, bg_dir=bg_dir,
                         compression=compression)

    for folder in prepared_folders(data_dir):
        for path in folder.glob(".*.partial.*"):  # of runs that were killed: these never got their final names
            path.unlink()
    manifest.write_manifest(description | {"backgrounds": dict(sorted(backgrounds.items()))}, data_dir)
    for name, text in data_txt(plan).items():
        with atomic_path(data_dir / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return total


@entry_point
def main(argv=None):
    parser = config_parser(__doc__, "data.process_dataset")
    parser.add_argument("--png_compression", choices=tuple(DEFLATE), default="fast",
                        help="lossless both; small: 6 %% fewer bytes for twice the time (default: fast)")
    parser.add_argument("--estimate_foreground", action="store_true",
                        help="compose the object's own colours, estimated: no halo of its old background")
    parser.add_argument("--verify", action="store_true",
                        help="write nothing; check a prepared set against its manifest and the rule, pixel by pixel")
    config, own = load_config(parser, argv)
    data_dir, bg_dir = Path(config.data_dir), Path(config.bg_dir)
    num_workers = worker_count(config)

    started = time.monotonic()
    if own.verify:
        count = verify(data_dir, bg_dir, num_workers)
        print(f"{data_dir}: {count:,} composites are what the rule gives")
    else:
        settings = Settings(config.num_bgs_train, config.num_bgs_val, own.estimate_foreground,
                            read_validation_stems(config.val_list))
        count = prepare(data_dir, bg_dir, settings, own.png_compression, num_workers)
        print(f"{data_dir}: {count:,} composites are ready, after {time.monotonic() - started:.0f} s")


def _check_nothing_there(data_dir):
    for split in SPLITS:
        if (data_dir / split).exists():
            raise UserError(f"{data_dir / split}: exists, but {data_dir / manifest.NAME}, which would say how it was "
                            "made, does not; move the folder away")


def _check_space(needed, data_dir):
    free = shutil.disk_usage(data_dir).free
    logger.info("%s: about %.1f GB to write, %.1f GB are free", data_dir, needed / 1e9, free / 1e9)
    if needed > free:
        raise UserError(f"{data_dir}: about {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; "
                        "free some space or lower --num_bgs_train and --num_bgs_val")


if __name__ == "__main__":
    main()
