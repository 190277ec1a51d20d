"""Continuous loading, watched for leaks of memory, descriptors and processes: `python -m benchmarks.soak`."""
import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.preparation import NUM_BGS_TRAIN, write_inputs
from data.plan import Settings
from data.process_dataset import prepare
from matting.config import DEFAULT_CONFIG, make_config, read_yaml

READINGS = 12  # a soak; the first third is warm-up
MIB = 2**20
GROWTH = 1.02  # of the memory, allowed between the second third's median and the last's
LONGEST = 60  # seconds; a batch that takes longer was held up (SIGSTOP, suspension), which does not count as loading


def mindspore_loader(config):
    import ms_impl  # noqa: F401, sets the environment before MindSpore is imported
    from ms_impl.src.dataset import TrainingLoader
    return TrainingLoader(config, 0, 1)


def torch_loader(config):
    from torch_ref.dataset import TrainingLoader
    return TrainingLoader(config, 0, 1)


LOADERS = {"ms_impl": mindspore_loader, "torch_ref": torch_loader}


def usage():
    """(MiB of the process and its children, shared pages counted once; open descriptors; processes)."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return (sum(process.memory_full_info().pss for process in family) / MIB,
            sum(process.num_fds() for process in family), len(family))


def soak(loader, seconds):
    """Load batches for that long -> one (samples, MiB, descriptors, processes) for each of READINGS equal parts."""
    batches = iter(loader)
    readings, loading = [], 0.0
    for part in range(1, READINGS + 1):
        samples = 0
        while loading < seconds * part / READINGS:
            started = time.perf_counter()
            samples += len(next(batches)["image"])
            loading += min(time.perf_counter() - started, LONGEST)
        readings.append((samples, *usage()))
        print("| {:.1f} | {:.1f} | {:.0f} | {} | {} |".format(
            seconds * part / READINGS / 60, samples * READINGS / seconds, *readings[-1][1:]), flush=True)
    batches.close()
    return readings


def problems(readings):
    """What leaks between the second and the last third of the readings."""
    second, last = (np.median(readings[part:part + READINGS // 3], axis=0)
                    for part in (READINGS // 3, 2 * READINGS // 3))
    if last[1] > GROWTH * second[1]:
        yield f"memory grew from {second[1]:.0f} to {last[1]:.0f} MiB"
    for column, name in ((2, "descriptors"), (3, "processes")):
        if last[column] > second[column]:
            yield f"{name} grew from {second[column]:.0f} to {last[column]:.0f}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--loader", choices=LOADERS, default="ms_impl")
    parser.add_argument("--composition", choices=("offline", "online"), default="online")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_inputs(root, np.random.default_rng(0))
        if arguments.composition == "offline":
            prepare(root / "AIM-500", root / "train2014", Settings(NUM_BGS_TRAIN, 1, False, ("v",)), "fast", 2)
        (root / "validation.txt").write_text("v")
        values = {"data_dir": str(root / "AIM-500"), "bg_dir": str(root / "train2014"), "epochs": 10**5,
                  "val_list": str(root / "validation.txt"), "num_bgs_train": NUM_BGS_TRAIN, "num_bgs_val": 1,
                  "composition": arguments.composition}
        config = make_config({**read_yaml(DEFAULT_CONFIG), **values})
        print(f"{arguments.loader}, {arguments.composition}, batches of {config.batch_size}, {os.cpu_count()} cores\n")
        print("| minutes | samples/s | MiB | descriptors | processes |\n|---|---|---|---|---|")
        found = list(problems(soak(LOADERS[arguments.loader](config), 60 * arguments.minutes)))
    print("\n" + ("; ".join(found) or "nothing leaks"))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
