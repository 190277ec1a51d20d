"""make demo, make demo-dim: the commands they give, with a stand-in that leaves behind what the programs would."""
import json

import cv2
import numpy as np
import pytest

from matting.config import MODELS, config_parser, load_config, shipped
from matting.programs.prediction import add_arguments
from scripts import demo


class StandIn:
    """In place of demo.run: reads a program's flags as the program would, and writes what the demonstration reads."""

    def __init__(self, root):
        self.root = root
        self.trained, self.evaluated = [], []  # configurations; checkpoints
        self.predicted_with = set()
        self.photographed = []  # its arguments

    def __call__(self, program, *arguments):
        words = list(map(str, arguments))
        if program in ("data.synthetic", "scripts.photograph"):
            self.photographed += [words] * (program == "scripts.photograph")
            return
        if program == "data.process_dataset":
            for place in ("merged/a_0", "trimap/a", "mask/a"):
                self.write_picture(f"{words[1]}/validation/{place}.png")
            return
        parser = config_parser("")
        if program == "ms_impl.predict":
            add_arguments(parser)
        config, own = load_config(parser, words)
        if program == "ms_impl.train":
            self.trained.append(config)
            self.write(config.folder(config.stage) / f"{config.stage}-1_{len(self.trained)}.ckpt", "")
        if program == "ms_impl.eval":
            self.evaluated.append(config.ckpt_url)
            metrics = dict.fromkeys(demo.METRICS, len(self.evaluated))
            self.write(f"{config.logs_dir}/metrics.json", json.dumps(
                {"means": metrics, "half_matte": metrics, "images": ["a_0"], "protocol": "release"}))
        if program == "ms_impl.predict":
            self.predicted_with.add(config.ckpt_url)
            for kind in ("alpha", "composite"):
                self.write_picture(f"{own.output}/a_0_{kind}.png")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def write_picture(self, path):
        self.write(path, "")
        cv2.imwrite(str(self.root / path), np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(("model", "rows"), [("indexnet", ["trained"]),
                                             ("dim", ["encoder_decoder", "refine", "finetune"])])
def test_the_demonstration_trains_and_evaluates_every_stage(model, rows, tmp_path, monkeypatch, capsys):
    programs, demo_root = StandIn(tmp_path), demo.ROOT
    monkeypatch.setattr(demo, "run", programs)
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    if model == "indexnet":  # of the two, the one that finds weights in this test
        programs.write(shipped.SHIPPED.relative_to(demo_root), "")
    demo.main([model])

    stages = [config.stage for config in programs.trained[1:]]  # the first is the untrained network
    assert stages == (list(MODELS[model].stages) if model == "dim" else ["all"])
    assert {config.model for config in programs.trained} == {model}
    assert len({config.network.width_mult for config in programs.trained}) == 1
    last = f"{demo.DEMOS[model].folder}/trained/" + ("finetune/finetune-1_4" if model == "dim" else "all-1_2")
    assert programs.evaluated[-1] == f"{last}.ckpt" and len(set(programs.evaluated)) == 1 + len(rows)
    assert programs.predicted_with == {f"{last}.mindir"}
    assert (tmp_path / demo.DEMOS[model].folder / "demo.png").stat().st_size
    printed = capsys.readouterr().out
    for number, row in enumerate(rows, 2):
        assert f"| {row} | {number} | {number} | {number} | {number} |" in printed
    assert f"tensorboard --logdir {demo.DEMOS[model].folder}/trained\n" in printed
    assert programs.photographed == ([["-o", "build/demo/photograph"]] if model == "indexnet" else [])
    assert ("photograph:  build/demo/photograph/steps.png (" in printed) == (model == "indexnet")
