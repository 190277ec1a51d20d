"""Data parallel training: joining the processes that a launcher started, and what they agree on."""
import os

import mindspore as ms
from mindspore import nn, ops
from mindspore.communication import get_group_size, get_rank, init

from matting.training.messages import Follower, Leader
from matting.training.stage import SINGLE_PROCESS, ProcessGroup

HOST = "MS_SCHED_HOST"  # as every launcher of MindSpore's cluster tells it: the first machine's address
HERE = "LOCAL_WORLD_SIZE"  # processes on this machine, as ms_impl.launch tells it; msrun does not
# Seconds that a sum on CPU waits for a slow process, 30 by default: less than machines may differ in at the first step.
PATIENCE, SECONDS = "MS_CPU_COMM_OP_TIMEOUT", "300"


def join(config):
    """Join the other processes of a distributed run, the device being set."""
    if not config.is_distributed:
        return SINGLE_PROCESS
    os.environ.setdefault(PATIENCE, SECONDS)
    init()
    ms.set_auto_parallel_context(parallel_mode=ms.ParallelMode.DATA_PARALLEL, gradients_mean=True)
    add, rank, size = Total(), get_rank(), get_group_size()

    def total(number):
        return float(add(ms.Tensor(number, ms.float32)).asnumpy())

    lines = _lines(rank, size, total)
    here = int(os.environ.get(HERE, size))
    return ProcessGroup(rank, size, lambda truth: total(truth) > 0, lines.gather, lines.share, here)


def _lines(rank, size, total):
    """This process's end of the lines between all, whose port the processes learn by a sum."""
    host = os.environ.get(HOST, "127.0.0.1")
    if rank:
        return Follower(host, int(total(0)), rank)
    leader = Leader(host, size)
    total(leader.port)
    return leader.join()


class Total(nn.Cell):
    """A number of each process -> the sum of all; on CPU MindSpore has no other reduction."""

    def __init__(self):
        super().__init__()
        self.reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def construct(self, number):
        return self.reduce(number)
