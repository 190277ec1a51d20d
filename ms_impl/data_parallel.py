"""Data parallel training: joining the processes that a launcher started, and what they agree on."""
import os
from dataclasses import replace

import mindspore as ms
from mindspore import nn, ops
from mindspore.communication import get_group_size, get_rank, init

from matting.training.stage import SINGLE_PROCESS, ProcessGroup

LOCAL_RANK = ("DEVICE_ID", "OMPI_COMM_WORLD_LOCAL_RANK")  # as ms_impl.launch and msrun tell it, and mpirun


def with_own_device(config):
    """The configuration of this process: of a distributed run each has a device of its own, from device_start up."""
    if not config.is_distributed:
        return config
    local_rank = next((int(os.environ[name]) for name in LOCAL_RANK if name in os.environ), 0)
    return replace(config, device_id=config.device_start + local_rank)


def join(config):
    """Join the other processes of a distributed run, the device being set."""
    if not config.is_distributed:
        return SINGLE_PROCESS
    init()
    ms.set_auto_parallel_context(parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True)
    total = Total()
    return ProcessGroup(get_rank(), get_group_size(), lambda truth: float(total(ms.Tensor(truth, ms.float32))) > 0)


class Total(nn.Cell):
    """A number of each process -> the sum of all; on CPU MindSpore has no other reduction."""

    def __init__(self):
        super().__init__()
        self.reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, number):
        return self.reduce(number)
