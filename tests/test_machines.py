"""Training on two machines, each with folders of its own, through MindSpore's msrun: what one process learns."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matting.config import config_parser, load_config
from matting.training.stage import SINGLE_PROCESS
from ms_impl.src.utils import set_device
from tests import scaled_training
from tests.machines import ADDRESSES, two_machines
from tests.test_scale import PROGRAM, ROOT, TIMEOUT, TOLERANCE, flags, largest_difference, learned, losses

PORT = "29500"  # of MindSpore's scheduler, on the first machine


@pytest.mark.full
def test_two_machines_without_a_shared_folder_learn_what_one_process_does(tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with two_machines() as machines:
        if not machines:
            pytest.skip("making network namespaces needs root and iproute2")
        running = [subprocess.Popen(
            ["ip", "netns", "exec", machine, "msrun", "--worker_num", "2", "--local_worker_num", "1",
             "--node_rank", str(rank), "--master_addr", ADDRESSES[0], "--master_port", PORT, "--join", "True",
             "--log_dir", str(tmp_path / f"ranks{rank}"), "python3", "-u", str(PROGRAM),
             *flags(folder, 2, "--is_distributed", "True", "--sync_batch_norm", "True")],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for rank, (machine, folder) in enumerate(zip(machines, folders, strict=True))]
        outputs = [process.communicate(timeout=TIMEOUT)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs[0][-3000:] + outputs[1][-3000:]
    assert not folders[1].exists()
    config, _ = load_config(config_parser(""), flags(tmp_path / "alone", 1))
    set_device(config)
    scaled_training.train(config, SINGLE_PROCESS)
    np.testing.assert_allclose(losses(folders[0]), losses(tmp_path / "alone"), rtol=1e-5)
    assert largest_difference(learned(folders[0]), learned(tmp_path / "alone")) < TOLERANCE
