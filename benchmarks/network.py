"""Speed and memory of the MindSpore network beside the PyTorch reference: `python -m benchmarks.network`.

Each framework runs each case in a process of its own, the processes take turns, and medians are compared. PyTorch runs
twice: as it comes, and under the instruction-set cap that MindSpore needs on AVX-512 processors.
"""
import multiprocessing
import os
import platform
import statistics
import time
from pathlib import Path

from benchmarks.extent import add_quick
from matting.usage import program_parser

CASES = {
    "inference 1x320x320": ("inference", (1, 320, 320)),
    "inference 1x1088x1632": ("inference", (1, 1088, 1632)),
    "training step 4x320x320": ("training", (4, 320, 320)),
}
QUICK_CASE, QUICK_REPEATS = "inference 1x320x320", 1
CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
RUNNERS = {"MindSpore": ("ms_impl", {}), "PyTorch": ("torch_ref", {}), "PyTorch, AVX2": ("torch_ref", CAPPED)}
TARGETS = {"inference 1x320x320": 1.5, "inference 1x1088x1632": 1.0, "training step 4x320x320": 1.3}


def main(argv=None):
    parser = program_parser("benchmarks.network", __doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES, metavar="CASE",
                        help=f"of: {', '.join(CASES)}")
    add_quick(parser)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.cases, arguments.repeats = [QUICK_CASE], QUICK_REPEATS
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads, "
          f"medians of {arguments.repeats}\n")
    print("| case | runner | seconds | times PyTorch | peak MiB | times PyTorch | target |")
    print("|---|---|---|---|---|---|---|")
    for case in arguments.cases:
        measured = measure(case, arguments.threads, arguments.repeats)
        seconds_of_torch, memory_of_torch = measured["PyTorch"]
        for runner, (seconds, memory) in measured.items():
            target = TARGETS[case] if runner == "MindSpore" else ""
            print(f"| {case} | {runner} | {seconds:.3f} | {seconds / seconds_of_torch:.2f} | {memory:.0f} | "
                  f"{memory / memory_of_torch:.2f} | {target} |", flush=True)


def measure(case, threads, repeats):
    """Run one case on every runner in turn -> {runner: (median seconds, peak MiB beyond the loaded network)}."""
    workers = {runner: Worker(package, environment, case, threads)
               for runner, (package, environment) in RUNNERS.items()}
    times = {runner: [] for runner in workers}
    for _ in range(repeats):
        for runner, worker in workers.items():
            times[runner].append(worker.run())
    return {runner: (statistics.median(times[runner]), worker.stop()) for runner, worker in workers.items()}


class Worker:
    """One framework and one case in a process of its own."""

    def __init__(self, package, environment, case, threads):
        context = multiprocessing.get_context("spawn")
        self.pipe, end = context.Pipe()
        thread_count = {"OMP_NUM_THREADS": str(threads)}
        os.environ.update(thread_count | environment)  # inherited at the start; a library reads it when imported
        self.process = context.Process(target=serve, args=(end, package, CASES[case], threads), daemon=True)
        self.process.start()
        for name in environment:
            del os.environ[name]
        self.pipe.recv()

    def run(self):
        """One timed run, in seconds."""
        self.pipe.send("run")
        return self.pipe.recv()

    def stop(self):
        """End the process; returns its peak memory in MiB beyond what it held before the first run."""
        self.pipe.send("stop")
        memory = self.pipe.recv()
        self.process.join()
        return memory


def serve(pipe, package, case, threads):
    """A worker's whole life: build, warm up, then time a run for each request."""
    from benchmarks import network_cases

    run = network_cases.BUILDERS[package](*case, threads)
    before = resident_mib("VmRSS")
    run()
    run()
    pipe.send("ready")
    while pipe.recv() == "run":
        start = time.perf_counter()
        run()
        pipe.send(time.perf_counter() - start)
    pipe.send(resident_mib("VmHWM") - before)


def resident_mib(key):
    """A line of /proc/self/status in MiB: VmRSS now, VmHWM at its highest."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024


if __name__ == "__main__":
    main()
