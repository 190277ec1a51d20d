"""What differs between the versions of MindSpore that this runs on, 2.0.0 to 2.10.0."""
import mindspore as ms


def choose_device(target, number=0):
    """Compute on that device from now on; before ms.set_device came, the context told which."""
    if hasattr(ms, "set_device"):
        ms.set_device(target, number)
    else:
        ms.set_context(device_target=target, device_id=number)
