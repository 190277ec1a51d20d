#!/usr/bin/env bash
# Trains on DEVICE_NUM devices, data parallel, in the background; log in LOGS_CKPT_DIR/distribute_train.log, each rank's in
# LOGS_CKPT_DIR/ranks, checkpoints in LOGS_CKPT_DIR. Further arguments are keys of default_config.yaml.
# DEVICE_TARGET=CPU trains with DEVICE_NUM processes.
# NODES=2 NODE_RANK=K MASTER_ADDR=A MASTER_PORT=P trains on DEVICE_NUM devices of each of two machines: the same command on
# each, with K 0 on the one whose address A is and which writes checkpoints; the logs of machine 1 are in
# LOGS_CKPT_DIR/machine_1.
set -euo pipefail
own_folder=.
if [[ ${NODES:-1} != 1 ]]; then
    PATIENCE=${PATIENCE:-180}  # machines wait for each other first (matting/training/machines.py)
    [[ ${NODE_RANK:-0} == 0 ]] || own_folder=machine_$NODE_RANK  # so that they may share LOGS_CKPT_DIR
fi
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

check_arguments 5 "DEVICE_NUM LOGS_CKPT_DIR MOBILENET_CKPT DATA_DIR BG_DIR" "$@"
logs=$(absolute "$2")
own_logs=$(absolute "$logs/$own_folder")

start_in_background "$own_logs/distribute_train.log" \
    "$PYTHON" -u -m ms_impl.launch "$1" "$own_logs/ranks" \
    --is_distributed True --device_target "$DEVICE_TARGET" --logs_dir "$logs" \
    --ckpt_url "$(absolute "$3")" --data_dir "$(absolute "$4")" --bg_dir "$(absolute "$5")" "${@:6}"
