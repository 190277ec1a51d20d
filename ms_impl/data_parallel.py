"""Data parallel training: joining the processes that a launcher started, and what they agree on."""
import mindspore as ms
from mindspore import nn, ops
from mindspore.communication import get_group_size, get_rank, init

from matting.training.stage import SINGLE_PROCESS, ProcessGroup


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
