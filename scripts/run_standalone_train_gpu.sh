#!/usr/bin/env bash
# Trains on one device in the background; log in LOGS_CKPT_DIR/standalone_train.log, checkpoints in LOGS_CKPT_DIR.
# Further arguments are keys of default_config.yaml, --resume True for one. On a machine without GPU: DEVICE_TARGET=CPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

check_arguments 5 "DEVICE_ID LOGS_CKPT_DIR MOBILENET_CKPT DATA_DIR BG_DIR" "$@"
logs=$(absolute "$2")

start_in_background "$logs/standalone_train.log" \
    "$PYTHON" -u -m ms_impl.train --device_target "$DEVICE_TARGET" --device_id "$1" --logs_dir "$logs" \
    --ckpt_url "$(absolute "$3")" --data_dir "$(absolute "$4")" --bg_dir "$(absolute "$5")" "${@:6}"
