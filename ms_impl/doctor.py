"""Which devices MindSpore can compute on here, and what the others lack.

python -m ms_impl.doctor
"""
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

from matting.errors import UserError, entry_point
from matting.usage import program_parser

GPU_PACKAGES = "pip install -r requirements-gpu.txt, then source scripts/gpu_environment.sh"
DRIVER = "install NVIDIA's driver, which no Python package brings"
CANN = "install Ascend's driver and CANN toolkit, then source its set_env.sh"
PLUGINS = {  # device target: (its library in mindspore/lib/plugin, {start of a library that one loads: its remedy})
    "CPU": (None, {}),
    "GPU": ("libmindspore_gpu.so.11.6", {"libcuda.so": DRIVER, "lib": GPU_PACKAGES}),
    "Ascend": ("libmindspore_ascend.so.2", {"lib": CANN}),
}
CUDA_RELEASES = ("11.6", "11.8")  # of which MindSpore takes that plugin
TRIAL_SECONDS = 120


def complaints(target, plugin_folder, environment):
    """What keeps MindSpore from a device target -> lines, each with its remedy; none where it computed there."""
    plugin, remedies = PLUGINS[target]
    if plugin and not (plugin_folder / plugin).is_file():
        return [f"this MindSpore has no {plugin}; install one that is built for {target}"]
    found = [f"{library} is missing: {next(remedy for start, remedy in remedies.items() if library.startswith(start))}"
             for library in (missing_libraries(plugin_folder / plugin) if plugin else ())]
    if target == "GPU":
        found += cuda_home_complaints(environment.get("CUDA_HOME"))
    return found or trial_complaints(target)


def missing_libraries(plugin):
    """Names of the libraries that the dynamic loader does not find for a shared object, sorted."""
    listed = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(\S+) => not found", listed)))


def cuda_home_complaints(cuda_home):
    """What is wrong with CUDA_HOME, whose nvcc tells MindSpore which GPU plugin to take."""
    remedy = "source scripts/gpu_environment.sh"
    if not cuda_home:
        return [f"CUDA_HOME is not set: {remedy}"]
    try:
        told = subprocess.run([f"{cuda_home}/bin/nvcc", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return [f"CUDA_HOME {cuda_home} has no bin/nvcc: {remedy}"]
    release = re.search(r"release (\d+\.\d+),", told)
    if release and release[1] in CUDA_RELEASES:
        return []
    known = release[1] if release else "of an unknown release"
    return [f"CUDA_HOME {cuda_home} is CUDA {known}, where MindSpore takes "
            f"{' or '.join(CUDA_RELEASES)}: {remedy}"]


def trial_complaints(target):
    """What a process says that is to compute on a device."""
    program = f"from ms_impl.doctor import compute_on; compute_on({target!r})"
    try:
        trial = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"a sum was not computed within {TRIAL_SECONDS} seconds"]
    if not trial.returncode:
        return []
    return [(trial.stderr.strip().splitlines() or [f"a process that computed a sum got status {trial.returncode}"])[-1]]


def compute_on(target):
    """Add two numbers on a device; raises what MindSpore raises."""
    import mindspore as ms  # only here, in a process of its own: it may crash

    from ms_impl.src.utils import set_device

    set_device(SimpleNamespace(device_target=target, device_id=0))
    assert (ms.Tensor(1.0) + ms.Tensor(2.0)).asnumpy() == 3


@entry_point
def main(argv=None):
    program_parser("ms_impl.doctor", __doc__).parse_args(argv)
    try:
        installed = version("mindspore")
    except PackageNotFoundError:
        raise UserError("MindSpore is not installed; pip install -r requirements.txt") from None
    print(f"MindSpore {installed}, Python {sys.version.split()[0]}")
    plugin_folder = Path(find_spec("mindspore").origin).parent / "lib" / "plugin"
    for target in PLUGINS:
        found = complaints(target, plugin_folder, os.environ)
        print(f"{target}: does not work" if found else f"{target}: works, with --device_target {target}")
        for line in found:
            print(f"    {line}")


if __name__ == "__main__":
    main()
