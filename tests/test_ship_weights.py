"""Shipping weights: the bar, what is read of a training, what pages get, and that nothing is changed where it fails."""
import json

import numpy as np
import pytest

from benchmarks.quality import Result
from matting.config import Config, save_config, shipped
from matting.errors import UserError
from matting.metrics import METRICS, PROTOCOLS
from scripts import ship_weights
from scripts.ship_weights import GROUPS, NAME, check_bar, compare, fill, tables, training_facts
from tests.test_runtimes import write_first_channel


def results(own, other, bar=(2.0, 1.0)):
    """Of two images, one over its own background and one over another, by the weights and by closed-form matting."""
    def result(image, method, sad):
        return Result(image, method, 1.0, {protocol: {name: sad / (10 if name == "mse" else 1) for name in METRICS}
                                           for protocol in PROTOCOLS})

    return [result(f"a_{number}", method, sad) for method, sads in ((NAME, (own, other)), ("closed_form", bar))
            for number, sad in enumerate(sads)]


def test_the_bar_is_closed_form_in_sad_and_mse_over_each_kind_of_background():
    check_bar(results(1.9, 0.9))
    for own, other, missed in ((2.0, 0.9, "SAD 2 over own backgrounds, closed_form 2; MSE 0.2 over own"),
                               (0.1, 1.1, "SAD 1.1 over other backgrounds, closed_form 1; MSE 0.11 over other")):
        with pytest.raises(UserError, match=f"^{NAME}: not shipped, since it does not beat closed_form: {missed}"):
            check_bar(results(own, other))


def test_the_bar_is_not_an_average_of_the_figures():
    rows = results(0.1, 0.1)
    rows[0].metrics["adobe"]["mse"] = 0.3
    with pytest.raises(UserError, match="closed_form: MSE 0.3 over own backgrounds, closed_form 0.2$"):
        check_bar(rows)


def test_a_table_for_each_kind_of_background():
    lines = list(tables(results(1.5, 0.5), GROUPS))
    own, other = (lines.index(f"1 images over {words} (`{pattern}`):") for words, pattern in GROUPS.items())
    assert f"| adobe | {NAME} | 1.500 | 0.15000 | 1.500 | 1.500 | 1.00 |" in lines[own:other]
    assert f"| adobe | {NAME} | 0.500 | 0.05000 | 0.500 | 0.500 | 1.00 |" in lines[other:]


def test_steps_and_hours_are_those_of_the_best_checkpoint(tmp_path):
    save_config(Config(batch_size=8, learning_rate=0.003, backbone_lr_mult=3, milestones=(5,)), tmp_path)
    records = [{"step": 50, "step_ms": 1000}, {"step": 100, "step_ms": 2000}, {"step": 100, "validation": {"sad": 2}},
               {"step": 600, "step_ms": 7200}, {"step": 600, "validation": {"sad": 1}},
               {"step": 900, "step_ms": 9000}, {"step": 900, "validation": {"sad": 3}}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    lines = list(training_facts(tmp_path / "best.pth"))
    assert "| steps, samples | 600, 4,800 |" in lines
    assert "| time | 1.0 hours of one CPU core, beside other work |" in lines  # 50 s, 100 s, 500 steps of 7.2 s
    assert "| learning rate | 0.003, the encoder's 0.001; times 0.1 after epochs 5 |" in lines


def test_pages_get_what_stands_between_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- one -->\nold\n<!-- end -->\ntext\n<!-- two -->\n<!-- end -->\n")
    for _ in range(2):  # the second time changes nothing
        fill(page, {"one": [r"| `\1` |", "b"], "two": ["c"], "three": ["d"]})
        assert page.read_text() == ("# A\n<!-- one -->\n| `\\1` |\nb\n<!-- end -->\ntext\n<!-- two -->\nc\n"
                                    "<!-- end -->\n")


def test_a_conversion_that_differs_is_found(tmp_path, monkeypatch):
    graph = write_first_channel(tmp_path / "a.onnx")
    assert compare(graph, {".onnx": graph}) == {".onnx": 0}
    load = ship_weights.load

    def load_changed(path):
        network = load(path)
        if path == graph:
            return network
        return type(network)(lambda batch: network.predict(batch) + np.float32(0.01), network.config)

    monkeypatch.setattr(ship_weights, "load", load_changed)
    with pytest.raises(UserError, match=r"b\.onnx: differs from .*a\.onnx by 2\..e-03 of the maximum"):
        compare(graph, {".onnx": write_first_channel(tmp_path / "b.onnx")})


@pytest.mark.parametrize("beaten", [True, False])
def test_one_command_writes_file_terms_figures_and_pictures_or_nothing(beaten, tmp_path, monkeypatch, capsys):
    """With stand-ins for export, measurement and conversion."""
    for folder in ("docs", "matting/weights", "out/photograph", "out/drawn"):
        (tmp_path / folder).mkdir(parents=True)
    for made in ship_weights.PICTURES:
        (tmp_path / "out" / made).write_text(made)
    empty = "".join(f"<!-- {name} -->\n<!-- end -->\n" for name in ("training", "validation", "drawn", "conversions"))
    for page in ship_weights.PAGES:
        (tmp_path / page).write_text(empty)
    graph, ran = write_first_channel(tmp_path / "half.onnx"), []
    for name, value in {"ROOT": tmp_path, "export_half": lambda *_: graph, "draw": lambda folder: folder,
                        "training_facts": lambda _: ["facts"], "convert": lambda *_: {".ckpt": graph},
                        "measure": lambda *_, **__: results(1 if beaten else 3, 0.5),
                        "run": lambda *words: ran.append(words)}.items():
        monkeypatch.setattr(ship_weights, name, value)
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / NAME)
    arguments = ["best.pth", "--data_dir", "set", "-o", str(tmp_path / "out")]
    if not beaten:
        with pytest.raises(SystemExit, match="^1$"):
            ship_weights.main(arguments)
        assert "not shipped" in capsys.readouterr().err
        assert not (tmp_path / NAME).exists() and (tmp_path / ship_weights.PAGES[0]).read_text() == empty
        return
    ship_weights.main(arguments)
    assert (tmp_path / NAME).read_bytes() == graph.read_bytes()
    assert "research only" in (tmp_path / NAME).with_suffix(".txt").read_text()
    assert [words[0] for words in ran] == ["scripts.photograph"]
    for page in ship_weights.PAGES:
        text = (tmp_path / page).read_text()
        assert "\nfacts\n" in text and f"| adobe | {NAME} | 1.000 |" in text and "| `.ckpt` | 0.0e+00 |" in text
    for made, picture in ship_weights.PICTURES.items():
        assert (tmp_path / picture).read_text() == made
