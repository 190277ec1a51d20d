"""Runs a MINDIR in MindSpore Lite on given inputs: `PYTHON lite_runner.py MODEL INPUT.npy OUTPUT.npy [THREADS [RUNS]]`.

PYTHON is that of an environment with mindspore-lite, 2.0.0 of which is for Python 3.7, and NumPy alone; so this file
imports nothing else. All runs' outputs are written, and their seconds printed as a JSON list. 0 threads: as many as
Lite takes by itself.
"""
import json
import sys
import time


def main(model, given, output, threads="1", runs="1"):
    """(B, 4, H, W) in the file `given` -> (runs, B, 1, H, W) in the file `output`."""
    import mindspore_lite
    import numpy as np

    context = mindspore_lite.Context()
    context.target = ["cpu"]
    if int(threads):
        context.cpu.thread_num = int(threads)
    network = mindspore_lite.Model()
    network.build_from_file(model, mindspore_lite.ModelType.MINDIR, context)
    inputs = network.get_inputs()
    inputs[0].set_data_from_numpy(np.load(given))
    outputs, seconds = [], []
    for _ in range(int(runs)):
        start = time.perf_counter()
        result = network.predict(inputs)
        seconds.append(time.perf_counter() - start)
        outputs.append(result[0].get_data_to_numpy().copy())
    np.save(output, np.stack(outputs))
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
