"""A folder of photographs matted with a small network, steps in turn and overlapping: `python -m benchmarks.folders`.

In turn is what the programs did before: all files are read to find bad ones, then each photograph is read, matted and
written before the next. Each way runs in a process of its own, whose memory is looked at from outside.
"""
import logging
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image

from benchmarks.extent import read_extent
from benchmarks.soak import held
from data.objects import KINDS, draw_object
from data.scenes import draw_landscape
from matting.compositing import composite_uint8
from matting.estimation import DEFAULT_SCALE
from matting.images.writing import write_png
from matting.programs import batch
from matting.programs.inputs import Rules, find_sources, read_input
from matting.programs.prediction import Job
from matting.programs.results import Results, read_background
from matting.trimap import make_trimap

SMALL = {"width_mult": 0.25, "index_kind": "holistic", "use_context": False, "apply_aspp": False,
         "decoder_kernel_size": 3}
BAND = 12  # pixels
PAUSE = 0.5  # seconds between two looks at the memory
PARTS = 3  # of a run; the first is warm-up


class Extent(NamedTuple):
    photographs: int
    size: tuple  # (height, width)


FULL, QUICK = Extent(300, (840, 1200)), Extent(4, (84, 120))


def write_folders(folder, photographs, size):
    """folder/{photographs,trimaps}: a drawn one of each kind; the same under other names beyond these."""
    rng = np.random.default_rng(0)
    for kind in ("photographs", "trimaps"):
        (folder / kind).mkdir()
    for number in range(photographs):
        photograph, trimap = folder / "photographs" / f"{number:04}.jpg", folder / "trimaps" / f"{number:04}.png"
        if number < len(KINDS):
            alpha, colours = draw_object(list(KINDS)[number], *size, rng)
            Image.fromarray(composite_uint8(colours, draw_landscape(*size, rng), alpha)).save(photograph)
            write_png(trimap, make_trimap(alpha, BAND))
            continue
        for path in (photograph, trimap):
            shutil.copy(path.with_stem(f"{number % len(KINDS):04}"), path)


def write_network(path):
    """A small IndexNet of random weights, as a checkpoint of PyTorch."""
    import torch  # here, because the processes that are timed do not need it

    from matting.config import Config
    from torch_ref.registry import build
    from torch_ref.utils import save_checkpoint

    torch.manual_seed(0)
    config = Config(**SMALL)
    save_checkpoint(build(config), path, config)


def in_turn(job, load_network):
    """As the programs did before."""
    for source in job.sources:
        read_input(source, job.rules)
    network = load_network()
    for source in job.sources:
        photo, trimap, _ = read_input(source, job.rules)
        job.results.write(source.name, photo, network.alpha(photo.image, trimap, job.scale))


WAYS = {"in turn": in_turn, "overlapping": batch.run}


def matte(way, folder, connection):
    """Run one way in this process; sends the seconds."""
    from matting import load

    logging.disable()
    sources = find_sources(folder / "photographs", folder / "trimaps")
    job = Job(sources, Rules(), Results(folder / way, read_background("white")), DEFAULT_SCALE)
    network = load(folder / "small.pth")
    warm_up(job, network)
    started = time.perf_counter()
    WAYS[way](job, lambda: network)
    connection.send(time.perf_counter() - started)


def warm_up(job, network):
    """pymatting and the network at their first photograph compile, or read what was compiled."""
    in_turn(job._replace(sources=job.sources[:1]), lambda: network)


def watch(way, folder):
    """Run one way in a process of its own -> (seconds, [MiB that it held, look by look])."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=matte, args=(way, folder, sending))
    process.start()
    family, looks = psutil.Process(process.pid), []
    while not receiving.poll(PAUSE) and process.is_alive():
        looks.append(held(family))
    seconds = receiving.recv()
    process.join()
    return seconds, looks or [0.0]


def main(argv=None):
    photographs, size = read_extent("benchmarks.folders", __doc__, FULL, QUICK, argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folders(folder, photographs, size)
        write_network(folder / "small.pth")
        print(f"{photographs} photographs of {size[1]}x{size[0]}, {os.cpu_count()} cores\n")
        print("| steps | photographs/s | ratio | MiB, second third | MiB, last third | MiB, most |\n"
              "|---|---|---|---|---|---|")
        first = None
        for way in WAYS:
            seconds, looks = watch(way, folder)
            first = first or seconds
            part = max(1, len(looks) // PARTS)
            second, last = statistics.median(looks[part:2 * part] or looks), statistics.median(looks[-part:])
            print(f"| {way} | {photographs / seconds:.2f} | {first / seconds:.2f} | {second:.0f} | {last:.0f} | "
                  f"{max(looks):.0f} |", flush=True)


if __name__ == "__main__":
    main()
