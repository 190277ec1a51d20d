"""ONNX files, run by ONNX Runtime alone, which is imported when the first one is opened."""
import os
from pathlib import Path

from matting.errors import UserError, unreadable
from matting.runtimes.network import Network, of_one_size

PROVIDERS = {"CPU": "CPUExecutionProvider", "GPU": "CUDAExecutionProvider", "Ascend": "CANNExecutionProvider"}
FATAL = 4  # of the severities of ONNX Runtime's log
CHANNELS = 4  # of a network's input


def load_network(config):
    """The Network of config.ckpt_url, an .onnx; raises UserError where it, or the configured device, is unusable."""
    path = config.ckpt_url
    session = open_session(path, config.device_target, config.device_id)
    size = fixed_size(session)
    version = silent_runtime().__version__
    return Network(of_one_size(predictor(session), path, size), config, size, {"onnxruntime": version})


def silent_runtime():
    """The package. Left alone it writes down how it is used, in the home folder, and sends that to its maker."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def open_session(path, device_target="CPU", device_id=0):
    """An exported graph as an InferenceSession; raises UserError where it, or the device, is unusable."""
    onnxruntime = silent_runtime()
    from onnxruntime.capi.onnxruntime_pybind11_state import (
        Fail,
        InvalidGraph,
        InvalidProtobuf,
        NotImplemented,
        RuntimeException,
    )

    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; write one with python export.py --file_format ONNX "
                        "--ckpt_url CHECKPOINT")
    provider = PROVIDERS[device_target]
    if provider not in onnxruntime.get_available_providers():
        raise _no_device(device_target, device_id)
    silent = onnxruntime.SessionOptions()
    silent.log_severity_level = FATAL  # what is less is raised, too
    options = {} if device_target == "CPU" else {"device_id": device_id}
    try:
        session = onnxruntime.InferenceSession(path, silent, providers=[(provider, options)])
    except (Fail, InvalidGraph, InvalidProtobuf, NotImplemented, RuntimeException) as error:
        raise unreadable(path, "an ONNX file", error) from None
    if provider not in session.get_providers():  # computes on the CPU where it does not find the device
        raise _no_device(device_target, device_id)
    taken = [entry.shape for entry in session.get_inputs()]
    if len(taken) != 1 or len(taken[0]) != 4 or taken[0][1] != CHANNELS:
        raise UserError(f"{path}: is not a matting network, which takes (B, {CHANNELS}, H, W), but one that takes "
                        f"{', '.join(map(str, taken)) or 'nothing'}")
    return session


def load_graph(path):
    """An exported graph as a function from arrays to arrays, on the CPU; raises what open_session raises."""
    return predictor(open_session(path))


def fixed_size(session):
    """(height, width) of the only images that a session takes; None for a dynamic one."""
    sides = tuple(session.get_inputs()[0].shape[2:])
    return sides if all(isinstance(side, int) for side in sides) else None  # a dynamic side has a name instead


def predictor(session):
    """A session as a function from arrays to arrays."""
    name = session.get_inputs()[0].name

    def predict(batch):
        return session.run(None, {name: batch})[0]

    return predict


def _no_device(device_target, device_id):
    return UserError(f"no usable {device_target} device {device_id} here for ONNX Runtime; run with --device_target "
                     "CPU, or install the onnxruntime that is built for the device (onnxruntime-gpu for GPU)")
