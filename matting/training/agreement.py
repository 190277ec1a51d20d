"""What processes that train together must have in common, checked before their first step."""
import json
import socket

from matting.compat import zip_equal
from matting.config import text_for_weights
from matting.errors import UserError


def check_same_start(digest, config, group):
    """Raise UserError in every process where one was started otherwise than the first.

    digest: of the list of training data, hexadecimal. config: of which paths and devices may differ.
    """
    own = {"host": socket.gethostname(), "data": digest, "settings": text_for_weights(config).splitlines()}
    gathered = group.gather(json.dumps(own).encode())
    told = b"" if gathered is None else json.dumps([json.loads(found) for found in gathered]).encode()
    first, *others = json.loads(group.share(told))
    for rank, other in enumerate(others, 1):
        name, leader = f"process {rank} on {other['host']}", f"process 0 on {first['host']}"
        for setting, expected in zip_equal(other["settings"], first["settings"]):
            if setting != expected:
                raise UserError(f"{name} was started with {setting}, {leader} with {expected}; give every machine the "
                                "same")
        if other["data"] != first["data"]:
            raise UserError(f"{name} has other training data than {leader} (digests of the list: {other['data'][:12]}, "
                            f"{first['data'][:12]}); give every machine the same data_dir and bg_dir")
