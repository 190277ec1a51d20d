"""Libraries that could take the place of what the project does itself: python -m benchmarks.libraries.

Those that are not installed are left out: pip install imagecodecs loky safetensors.
"""
import importlib
import io
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyspng
import simplejpeg
from PIL import Image

from benchmarks.extent import read_extent
from benchmarks.preparation import FOREGROUND_SIZE, write_inputs
from data.compose import sha256
from data.png import encode_png
from matting.dataset.composites import compose
from matting.images.fast_decoders import decode_fast
from matting.images.reading import read_alpha, read_image
from matting.workers import run_in_processes

WEIGHTS, LAYERS = 6_000_000, 460  # of IndexNet
PROCESSES = 2


class Extent(NamedTuple):
    size: tuple  # of the pictures, (height, width)
    repeats: int
    damaged: int  # copies of a file


FULL, QUICK = Extent(FOREGROUND_SIZE, 9, 50), Extent((125, 140), 1, 2)


def installed(name):
    """That module; None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


imagecodecs, loky, safetensors = map(installed, ("imagecodecs", "loky", "safetensors.numpy"))


def milliseconds(function, repeats, clock=time.process_time):
    """The median of so many calls; clock: time.perf_counter where other processes work."""
    seconds = []
    for _ in range(repeats):
        started = clock()
        function()
        seconds.append(clock() - started)
    return 1000 * statistics.median(seconds)


def encoders(pixels):
    """{library: () -> the bytes of a PNG}."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    found = {
        "data.png, fast": partial(encode_png, pixels, "fast"),
        "data.png, small": partial(encode_png, pixels, "small"),
        "OpenCV": lambda: cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(),
    }
    if imagecodecs:
        png = imagecodecs.PNG
        paeth = partial(imagecodecs.png_encode, pixels, level=1, filter=png.FILTER.PAETH)
        found |= {
            "imagecodecs, Paeth, no repetitions": partial(paeth, strategy=png.STRATEGY.HUFFMAN_ONLY),
            "imagecodecs, Paeth, runs": partial(paeth, strategy=png.STRATEGY.RLE),
            "imagecodecs, Paeth": paeth,
            "imagecodecs, libspng": partial(imagecodecs.spng_encode, pixels, level=1),
        }
    return found


def decode_with_pillow(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def decoders():
    """{kind: {library: bytes -> pixels}}."""
    found = {"PNG": {"Pillow": decode_with_pillow, "pyspng": pyspng.load},
             "JPEG": {"Pillow": decode_with_pillow,
                      "simplejpeg": partial(simplejpeg.decode_jpeg, colorspace="RGB", strict=True)}}
    if imagecodecs:
        found["PNG"] |= {"imagecodecs": imagecodecs.png_decode, "imagecodecs, libspng": imagecodecs.spng_decode}
        found["JPEG"] |= {"imagecodecs": imagecodecs.jpeg8_decode}
    return found


def refused(decode, content, copies, rng):
    """How many of so many copies with one flipped bit, and of as many truncated ones, a decoder refuses."""
    counts = [0, 0]
    for _ in range(copies):
        place = int(rng.integers(len(content) // 4, len(content) - 100))
        flipped = bytearray(content)
        flipped[place] ^= 1
        for kind, damaged in enumerate((bytes(flipped), content[:place])):
            try:
                decode(damaged)
            except Exception:  # whatever it raises
                counts[kind] += 1
    return counts


def decode_file(path, content):
    """matting.images.fast_decoders on bytes, raising where it leaves a file to Pillow."""
    path.write_bytes(content)
    if decode_fast(path) is None:
        raise ValueError


def pools(path):
    """{library: () that starts workers, has each do next to nothing, and ends them}."""
    found = {"matting.workers": lambda: run_in_processes(sha256, [path] * PROCESSES, PROCESSES,
                                                         lambda item, result: None)}
    if loky:
        def with_loky():
            with loky.ProcessPoolExecutor(PROCESSES) as pool:
                list(pool.map(sha256, [path] * PROCESSES))

        found["loky"] = with_loky
    return found


def archives(folder, rng):
    """{library: (write, read)} of a network's weights."""
    weights = {f"stages.{layer}.weight": rng.standard_normal(WEIGHTS // LAYERS, np.float32) for layer in range(LAYERS)}
    npz, tensors = folder / "a.npz", folder / "a.safetensors"
    found = {"NumPy": (lambda: np.savez(npz, **weights), lambda: dict(np.load(npz)))}
    if safetensors:
        found["safetensors"] = (lambda: safetensors.save_file(weights, tensors), lambda: safetensors.load_file(tensors))
    return found


def main(argv=None):
    size, repeats, damaged = read_extent("benchmarks.libraries", __doc__, FULL, QUICK, argv)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_inputs(root, rng, size)
        original, background = root / "AIM-500/original/a.jpg", root / "train2014/000.jpg"
        pixels = compose(read_image(original), read_alpha(root / "AIM-500/mask/a.png"), background)
        print("| processes | ms to start and end |\n|---|---|")
        for library, work in pools(background).items():
            print(f"| {library} | {milliseconds(work, repeats, time.perf_counter):.0f} |")
        print("\n| weights | ms to write | ms to read |\n|---|---|---|")
        for library, both in archives(root, rng).items():
            print(f"| {library} | {' | '.join(f'{milliseconds(each, repeats):.0f}' for each in both)} |")

        cv2.setNumThreads(1)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(f"\n| PNG of a {size[1]}x{size[0]} composite, level 1 | ms | bytes |\n|---|---|---|")
        for library, encode in encoders(pixels).items():
            content = encode()
            assert np.array_equal(decode_with_pillow(content), pixels), library
            print(f"| {library} | {milliseconds(encode, repeats):.1f} | {len(content):,} |")
        print(f"\n| decoding | ms | refused of {damaged} with a flipped bit | of {damaged} truncated |")
        print("|---|---|---|---|")
        files = {"PNG": encode_png(pixels), "JPEG": original.read_bytes()}
        for kind, libraries in decoders().items():
            for library, decode in {"matting.images": partial(decode_file, root / "damaged"), **libraries}.items():
                flipped, truncated = refused(decode, files[kind], damaged, np.random.default_rng(1))
                print(f"| {kind}: {library} | {milliseconds(partial(decode, files[kind]), repeats):.1f} | {flipped} | "
                      f"{truncated} |")


if __name__ == "__main__":
    main()
