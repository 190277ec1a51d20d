#!/usr/bin/env bash
# run_ranks.sh COUNT LOG_DIR ARGUMENT...: `python -m ms_impl.train ARGUMENT...` as COUNT processes that train together,
# launched by msrun, or by mpirun where there is no msrun. Prints rank 0's output; the failure of one ends all.
# SIGTERM and SIGINT are passed on to every rank, which then saves and stops.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

count=$1 log_dir=$2
shift 2
mkdir -p "$log_dir"
cd "$ROOT"
PATH="$(dirname "$(command -v "$PYTHON")"):$PATH"  # msrun lies beside the interpreter, and starts whatever `python` is
program=(python -u -m ms_impl.train "$@")

free_port() {
    python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

if command -v msrun >/dev/null; then
    msrun --worker_num "$count" --local_worker_num "$count" --master_addr 127.0.0.1 --master_port "$(free_port)" \
        --join True --log_dir "$log_dir" --tail_worker_log 0 "${program[@]}" &
elif command -v mpirun >/dev/null; then
    mpirun -n "$count" --output-filename "$log_dir" "${program[@]}" &
else
    echo "error: neither msrun (it comes with MindSpore) nor mpirun is on the PATH" >&2
    exit 1
fi
launcher=$!

stop_ranks() {
    local process
    for process in $(pgrep -P "$launcher"); do
        grep -qz '^RANK_ID=\|^OMPI_COMM_WORLD_RANK=' "/proc/$process/environ" &&
            ! grep -qz '^MS_ROLE=MS_SCHED' "/proc/$process/environ" && kill -TERM "$process"
    done
}
trap stop_ranks TERM INT

status=0
wait "$launcher" || status=$?
while kill -0 "$launcher" 2>/dev/null; do  # a signal had ended the wait
    status=0
    wait "$launcher" || status=$?
done
if ((status)); then
    grep -h '^error: ' "$log_dir"/*.log >&2 || true  # said once by each rank that failed
fi
exit "$status"
