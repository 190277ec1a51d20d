#!/usr/bin/env bash
# Predicts every validation composite into LOGS_DIR/*.png; metrics of each and their means in LOGS_DIR/eval.log.
# Further arguments are keys of default_config.yaml. On a machine without GPU: DEVICE_TARGET=CPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

check_arguments 4 "DEVICE_ID CKPT_URL DATA_DIR LOGS_DIR" "$@"
checkpoint=$(absolute "$2") data=$(absolute "$3") logs=$(absolute "$4")
mkdir -p "$logs"
cd "$ROOT"

"$PYTHON" -u -m ms_impl.eval --device_target "$DEVICE_TARGET" --device_id "$1" --ckpt_url "$checkpoint" \
    --data_dir "$data" --logs_dir "$logs" "${@:5}"
