"""Running out of memory, told by the words of whichever library notices it first."""
import re
import resource

# NumPy's and Python's MemoryError are known by their type; of the others each has words of its own.
NOTICED = re.compile("|".join((
    "bad_alloc|bad allocation",  # C++, so MindSpore on the CPU and ONNX Runtime
    "memory (isn't |is not |not )enough|memory malloc failed|allocate (device )?memory failed",  # MindSpore on devices
    "out of memory|not enough memory|can(not|'t) allocate memory",  # PyTorch, CUDA, Linux
    "failed to allocate|insufficient memory",  # ONNX Runtime, OpenCV
)), re.IGNORECASE)
WANTED = re.compile(r"(?:allocate|(?<!free memory )size)[:\[ ]*(\d+(?:\.\d+)?) ?([KMGT]i?B)?", re.IGNORECASE)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def shortage(error):
    """An exception -> what memory was too little for, as half a sentence; None where it is about something else."""
    if not isinstance(error, MemoryError) and not NOTICED.search(str(error)):
        return None
    wanted = WANTED.search(str(error))
    if wanted:
        return f"not enough memory for {amount(float(wanted[1]), wanted[2])} more"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes
    return f"not enough memory beyond the {amount(used, 'KiB')} in use"


def amount(number, unit=None):
    """Bytes, or a number of a larger unit, in the unit that leaves a number below 1024: 301989888 -> 288 MiB."""
    power = "BKMGT".index(unit[0].upper()) if unit else 0
    while number >= 1024 and power < len(UNITS) - 1:
        number, power = number / 1024, power + 1
    return f"{number:.3g} {UNITS[power]}"
