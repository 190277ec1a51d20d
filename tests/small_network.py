"""A small IndexNet with every part of the default one, for tests that train it."""
import json

from matting.config import IndexNetConfig

NETWORK = {  # in the form that compiles fastest
    "index_kind": "holistic", "use_context": False, "decoder_kernel_size": 3, "encoder_bn": "frozen",
    "device_target": "CPU",
    "inverted_residual_setting": [[min(expansion, 2), into, out, 1, stride, dilation] for
                                  expansion, into, out, _, stride, dilation in
                                  IndexNetConfig().inverted_residual_setting],
}


def network_flags(network):
    """{key: value} as the words of a command line."""
    return [word for key, value in network.items() for word in (f"--{key}", json.dumps(value).strip('"'))]
