# source scripts/gpu_environment.sh: let MindSpore's GPU plugin find the CUDA 11 libraries that
# `pip install -r requirements-gpu.txt` put beside it. PYTHON chooses the interpreter whose packages are meant.
# `python -m ms_impl.doctor` says what is still missing.

cuda11_libraries=$("${PYTHON:-python}" -c '
import pathlib, site
print(":".join(str(folder) for place in site.getsitepackages() + [site.getusersitepackages()]
               for folder in sorted(pathlib.Path(place).glob("nvidia/*/lib"))))')
if [ -z "$cuda11_libraries" ]; then
    echo "error: no CUDA libraries beside ${PYTHON:-python}; pip install -r requirements-gpu.txt, then source again" >&2
    return 1 2>/dev/null || exit 1
fi
export LD_LIBRARY_PATH="$cuda11_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
case $("${CUDA_HOME:-/nowhere}/bin/nvcc" --version 2>/dev/null) in
    *"release 11.6,"* | *"release 11.8,"*) ;;  # a CUDA that MindSpore accepts
    *) CUDA_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")/cuda11" && pwd) ;;
esac
export CUDA_HOME
unset cuda11_libraries
