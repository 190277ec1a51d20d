"""IndexNet Matting on MindSpore.

Importing this package sets one environment variable, because that must happen before MindSpore is imported: on AVX-512
processors the wheel's oneDNN runs every convolution but 1x1 on a scalar reference kernel, a hundred times slower than
its AVX2 code. Only CPU kernels read the variable; a value the user has set stays.
"""
import os
from pathlib import Path

ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
CPU_INFO = Path("/proc/cpuinfo")

onednn_capped = ISA_VARIABLE not in os.environ and CPU_INFO.is_file() and "avx512f" in CPU_INFO.read_text()
if onednn_capped:
    os.environ[ISA_VARIABLE] = "AVX2"
