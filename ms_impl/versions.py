"""What differs between the versions of MindSpore that this runs on, 1.10.0 to 2.10.0."""
import inspect

import mindspore as ms
from mindspore import ops


def choose_device(target, number=0):
    """Compute on that device from now on; before ms.set_device came, the context told which."""
    if hasattr(ms, "set_device"):
        ms.set_device(target, number)
    else:
        ms.set_context(device_target=target, device_id=number)


def _split_by_number(x, size, axis):
    """x in parts of that size; MindSpore 1's ops.split takes the number of parts instead."""
    return ops.split(x, axis, x.shape[axis] // size)


split = _split_by_number if "output_num" in inspect.signature(ops.split).parameters else ops.split
