"""Continuous loading, watched for leaks of memory, descriptors and processes: `python -m benchmarks.soak`."""
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.extent import add_quick
from benchmarks.preparation import FOREGROUND_SIZE, NUM_BGS_TRAIN, write_inputs
from data.plan import Settings
from data.process_dataset import prepare
from matting.config import Config
from matting.usage import program_parser

PARTS = 12  # of a soak; the first third is warm-up
PAUSE = 5  # seconds between two readings
KIB = 1024  # of a MiB
GROWTH = 1.02  # of the memory, allowed between the second third's median and the last's
QUICK_SIZE, QUICK_MINUTES = (330, 330), 0.05
LONGEST = 60  # seconds; a batch that takes longer was held up (SIGSTOP, suspension), which does not count as loading


def mindspore_loader(config):
    import ms_impl  # noqa: F401, sets the environment before MindSpore is imported
    from ms_impl.src.dataset import TrainingLoader
    return TrainingLoader(config, 0, 1)


def torch_loader(config):
    from torch_ref.dataset import TrainingLoader
    return TrainingLoader(config, 0, 1)


LOADERS = {"ms_impl": mindspore_loader, "torch_ref": torch_loader}


def held(process):
    """MiB of a process that the system cannot take back; of shared memory, its share. Mapped files are not held."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kinds = dict(line.split(":") for line in lines)
    return sum(int(kinds[kind].removesuffix("kB")) for kind in ("Pss_Anon", "Pss_Shmem")) / KIB


def usage():
    """(MiB held by this process and its children, open descriptors, processes)."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(map(held, family)), sum(process.num_fds() for process in family), len(family)


def soak(loader, seconds):
    """Load batches for that long -> (samples, MiB, descriptors, processes) of each of PARTS equal parts.

    Of a part's readings the least count: what is in flight comes and goes, a leak raises the floor.
    """
    batches = iter(loader)
    parts, loading, looked = [], 0.0, -PAUSE
    for part in range(1, PARTS + 1):
        samples, seen = 0, []
        while loading < seconds * part / PARTS:
            started = time.perf_counter()
            samples += len(next(batches)["input"])
            loading += min(time.perf_counter() - started, LONGEST)
            if loading - looked >= PAUSE:
                seen.append(usage())
                looked = loading
        parts.append((samples, *np.min(seen or [usage()], axis=0)))
        print("| {:.1f} | {:.1f} | {:.0f} | {:.0f} | {:.0f} |".format(
            seconds * part / PARTS / 60, samples * PARTS / seconds, *parts[-1][1:]), flush=True)
    batches.close()
    return parts


def problems(parts):
    """What leaks between the second and the last third of the parts."""
    second, last = (np.median(parts[first:first + PARTS // 3], axis=0) for first in (PARTS // 3, 2 * PARTS // 3))
    if last[1] > GROWTH * second[1]:
        yield f"memory grew from {second[1]:.0f} to {last[1]:.0f} MiB"
    for column, name in ((2, "descriptors"), (3, "processes")):
        if last[column] > second[column]:
            yield f"{name} grew from {second[column]:.0f} to {last[column]:.0f}"


def main(argv=None):
    parser = program_parser("benchmarks.soak", __doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--loader", choices=LOADERS, default="ms_impl")
    parser.add_argument("--composition", choices=("offline", "online"), default="online")
    add_quick(parser)
    arguments = parser.parse_args(argv)
    size, minutes = (QUICK_SIZE, QUICK_MINUTES) if arguments.quick else (FOREGROUND_SIZE, arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_inputs(root, np.random.default_rng(0), size)
        if arguments.composition == "offline":
            prepare(root / "AIM-500", root / "train2014", Settings(NUM_BGS_TRAIN, 1, False, ("v",)), "fast", 2)
        (root / "validation.txt").write_text("v")
        values = {"data_dir": str(root / "AIM-500"), "bg_dir": str(root / "train2014"), "epochs": 10**5,
                  "val_list": str(root / "validation.txt"), "num_bgs_train": NUM_BGS_TRAIN, "num_bgs_val": 1,
                  "composition": arguments.composition}
        config = Config(**values)
        print(f"{arguments.loader}, {arguments.composition}, batches of {config.batch_size}, {os.cpu_count()} cores\n")
        print("| minutes | samples/s | MiB | descriptors | processes |\n|---|---|---|---|---|")
        parts = soak(LOADERS[arguments.loader](config), 60 * minutes)
    if arguments.quick:
        print("\nnot judged: so short a soak is all warm-up")
        return
    found = list(problems(parts))
    print("\n" + ("; ".join(found) or "nothing leaks"))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
