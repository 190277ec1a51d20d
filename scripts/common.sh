# Sourced by the launchers: arguments, paths and a start in the background that shows an early failure.
# DEVICE_TARGET (GPU, Ascend or CPU; default GPU) chooses the device, PYTHON the interpreter.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-python}
DEVICE_TARGET=${DEVICE_TARGET:-GPU}
STARTED="INFO training "  # in the log once nothing is left that fails early (matting/training/trainer.py)
PATIENCE=${PATIENCE:-60}  # seconds to wait for that; training goes on in any case

# check_arguments COUNT NAMES ARGUMENT...: COUNT positional arguments, then nothing or --key value pairs.
check_arguments() {
    local count=$1 names=$2
    shift 2
    if (($# < count)) || { (($# > count)) && [[ ${*:count+1:1} != --* ]]; }; then
        echo "usage: bash scripts/$(basename "$0") $names [--key value ...]" >&2
        exit 2
    fi
}

# absolute PATH: so that a path given relative to the caller's folder stays right in $ROOT; "" stays "".
absolute() {
    [[ -z $1 ]] || realpath -m -- "$1"
}

KEPT=(default_config.yaml dim_config.yaml requirements.txt matting ms_impl scripts)  # all that a training needs

# keep_configuration FOLDER COMMAND...: the code and settings that a training starts with, and the command, in FOLDER,
# whose scripts/ can start it again; nothing else of an earlier start stays.
keep_configuration() {
    mkdir -p "$1"
    if [[ ! $1 -ef $ROOT ]]; then  # not started from there
        (cd "$1" && rm -rf "${KEPT[@]}")
        tar -c -C "$ROOT" --exclude __pycache__ "${KEPT[@]}" | tar -x -C "$1"
    fi
    printf '%q ' "${@:2}" >"$1/command"
}

# start_in_background LOG COMMAND...: run COMMAND from $ROOT, its output appended to LOG; on failure within the first
# moments show what it said and end with its status.
start_in_background() {
    local log=$1 seen pid status
    shift
    keep_configuration "$(dirname "$log")/training_configs" "$@"
    touch "$log"
    seen=$(wc -c <"$log")
    cd "$ROOT"
    nohup "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    for ((tenths = 0; tenths < 10 * PATIENCE; tenths++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            status=0
            wait "$pid" || status=$?
            ((status == 0)) && break  # already done
            tail -c +$((seen + 1)) "$log" | tail -n 20 >&2
            echo "training ended with status $status; all of its output is in $log" >&2
            exit "$status"
        fi
        tail -c +$((seen + 1)) "$log" | grep -q "$STARTED" && break
        sleep 0.1
    done
    echo "training runs in the background, process $pid"
    echo "log:  $log"
    echo "stop: kill $pid   (finishes the step at hand and saves; --resume True continues)"
}
