#!/usr/bin/env bash
# Trains on DEVICE_NUM devices, data parallel, in the background; log in LOGS_CKPT_DIR/distribute_train.log, each rank's in
# LOGS_CKPT_DIR/ranks, checkpoints in LOGS_CKPT_DIR. Further arguments are keys of default_config.yaml.
# DEVICE_TARGET=CPU trains with DEVICE_NUM processes.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

check_arguments 5 "DEVICE_NUM LOGS_CKPT_DIR MOBILENET_CKPT DATA_DIR BG_DIR" "$@"
logs=$(absolute "$2")

start_in_background "$logs/distribute_train.log" \
    "$PYTHON" -u -m ms_impl.launch "$1" "$logs/ranks" \
    --is_distributed True --device_target "$DEVICE_TARGET" --logs_dir "$logs" \
    --ckpt_url "$(absolute "$3")" --data_dir "$(absolute "$4")" --bg_dir "$(absolute "$5")" "${@:6}"
