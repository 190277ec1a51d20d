"""Folders of photographs: a bad one is passed over, steps overlap, nothing is read twice or held, runs can go on."""
import argparse
import re
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from matting import workers
from matting.config import Config
from matting.errors import UserError
from matting.images import photo
from matting.images.writing import write_png
from matting.overlap import map_ahead
from matting.programs import batch, inputs, trimaps
from matting.programs.batch import run
from matting.programs.inputs import find_sources
from matting.programs.prediction import Job, add_arguments, predict
from matting.runtimes.network import Network
from tests.tiny_images import photograph, trimap_of, write_pair

CONFIG = Config()


def arguments_for(folder, *flags):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = folder / "images", folder / "trimaps", "-o", folder / "out", *flags
    return parser.parse_args([str(word) for word in words])


def job_for(folder, *flags):
    return Job.of(arguments_for(folder, *flags))


def network(seen=None):
    """A network that knows nothing, and notes in `seen` that it was called."""
    def predict_half(batch_of_one):
        if seen is not None:
            seen.append(batch_of_one)
        return np.full_like(batch_of_one[:, :1], 0.5)

    return lambda: Network(predict_half, CONFIG)


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*_alpha.png"))


def spoil(path):
    path.write_bytes(path.read_bytes()[:-60])


def test_a_bad_file_is_named_and_passed_over(tmp_path, caplog):
    """One photograph is cut off, one trimap is known everywhere, which --strict_trimap refuses; two are good."""
    for stem in "abcd":
        write_pair(tmp_path, stem)
    spoil(tmp_path / "images" / "b.png")
    Image.fromarray(np.zeros((45, 70), np.uint8)).save(tmp_path / "trimaps" / "c.png")
    with pytest.raises(UserError) as caught:
        run(job_for(tmp_path, "--strict_trimap"), network())
    first, second, summary = str(caught.value).splitlines()
    assert "b.png: cannot be read" in first and "c.png: has no unknown pixel" in second
    assert summary == "2 of 4 photographs passed over, 2 matted"
    assert [message.split(":")[0] for message in caplog.messages if "passed over" in message] == ["passed over"] * 2
    assert written(tmp_path / "out") == ["a_alpha.png", "d_alpha.png"]


def test_a_folder_without_bad_files_says_how_many(tmp_path, caplog):
    caplog.set_level("INFO")
    for stem in "ab":
        write_pair(tmp_path, stem)
    run(job_for(tmp_path), network())
    assert caplog.messages[-1] == "2 photographs: 2 matted"


def test_a_trimap_that_is_known_everywhere_stops_no_other(tmp_path, caplog):
    """Its matte is itself, the network sees the others only, and a line says so."""
    for stem in "abc":
        write_pair(tmp_path, stem)
    known = np.zeros((45, 70), np.uint8)
    known[:, 30:] = 255
    Image.fromarray(known).save(tmp_path / "trimaps" / "b.png")
    seen = []
    run(job_for(tmp_path), network(seen))
    assert len(seen) == 2 and written(tmp_path / "out") == ["a_alpha.png", "b_alpha.png", "c_alpha.png"]
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out" / "b_alpha.png")), known)
    assert [message for message in caplog.messages if "b.png: is known everywhere" in message]


@pytest.mark.parametrize(("flags", "told"), [((), True), (("--depth", "16"), False)])
def test_16_bits_that_are_written_in_8_are_told(tmp_path, caplog, flags, told):
    caplog.set_level("INFO")
    pair = write_pair(tmp_path, "a")
    write_png(pair.image, photograph(45, 70).astype(np.uint16) * np.uint16(257))
    run(job_for(tmp_path, *flags), network())
    line = f"{pair.image}: has 16 bits a channel, written in 8; --depth 16 keeps them"
    assert (line in caplog.messages) == told


def test_progress_says_how_many_a_second(tmp_path, caplog, monkeypatch):
    """Where no bar is shown: a line every 30 seconds, here after each photograph."""
    caplog.set_level("INFO")
    monkeypatch.setattr(workers, "SECONDS_BETWEEN_LOG_LINES", 0)
    for stem in "ab":
        write_pair(tmp_path, stem)
    run(job_for(tmp_path), network())
    lines = [message for message in caplog.messages if re.fullmatch(r"[12] of 2 photos, \d+\.\d+/s", message)]
    assert [line[0] for line in lines] == ["1", "2"]


def test_one_photograph_alone_has_its_own_line_and_needs_no_network(tmp_path):
    write_pair(tmp_path, "a")
    spoil(tmp_path / "images" / "a.png")
    with pytest.raises(UserError) as caught:
        predict(CONFIG, arguments_for(tmp_path), lambda config: pytest.fail("loaded"))
    assert "a.png: cannot be read" in str(caught.value) and "passed over" not in str(caught.value)


def test_a_network_that_fails_on_one_photograph_goes_on_with_the_next(tmp_path):
    for stem in "ab":
        write_pair(tmp_path, stem)
    outputs = iter([np.nan, 0.5])
    loaded = Network(lambda given: np.full_like(given[:, :1], next(outputs)), CONFIG)
    with pytest.raises(UserError, match="not finite(.|\n)*1 of 2 photographs passed over, 1 matted"):
        run(job_for(tmp_path), lambda: loaded)
    assert written(tmp_path / "out") == ["b_alpha.png"]


def test_weights_that_cannot_be_loaded_end_the_run(tmp_path):
    """They are no fault of any photograph."""
    for stem in "ab":
        write_pair(tmp_path, stem)

    def missing():
        raise UserError("best.ckpt: no such file")

    with pytest.raises(UserError) as caught:
        run(job_for(tmp_path), missing)
    assert str(caught.value) == "best.ckpt: no such file"


def test_an_interrupted_run_goes_on(tmp_path, caplog):
    """What has all three results is left out; what lacks one is done again."""
    caplog.set_level("INFO")
    for stem in "abc":
        write_pair(tmp_path, stem)
    run(job_for(tmp_path), network())
    (tmp_path / "out" / "b_composite.png").unlink()
    before = (tmp_path / "out" / "a_alpha.png").stat().st_mtime_ns
    seen = []
    run(job_for(tmp_path, "--skip_existing"), network(seen))
    assert len(seen) == 1 and (tmp_path / "out" / "b_composite.png").exists()
    assert (tmp_path / "out" / "a_alpha.png").stat().st_mtime_ns == before
    assert caplog.messages[-1] == "3 photographs: 1 matted, 2 already there"
    run(job_for(tmp_path, "--skip_existing"), lambda: pytest.fail("loaded"))
    assert caplog.messages[-1] == "3 photographs: 0 matted, 3 already there"
    run(job_for(tmp_path), network(seen))
    assert len(seen) == 1 + 3


def test_sub_folders_and_names_are_kept(tmp_path):
    names = ["plain", "with spaces", "猫/白 猫", "Ёлка/été/ñandú"]
    for name in names:
        for kind, pixels in (("images", photograph(45, 70)), ("trimaps", trimap_of(45, 70))):
            path = tmp_path / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    run(job_for(tmp_path), network())
    assert written(tmp_path / "out") == sorted(f"{name}_alpha.png" for name in names)
    sources = find_sources(tmp_path / "images", tmp_path / "trimaps")
    trimaps.write_trimaps(sources, inputs.Rules(), tmp_path / "again")
    assert sorted(path.relative_to(tmp_path / "again").as_posix() for path in (tmp_path / "again").rglob("*.png")) == (
        sorted(f"{name}.png" for name in names))


def test_what_lies_in_the_other_folders_is_no_photograph(tmp_path):
    """Trimaps and results inside the folder of photographs, and what a hidden folder holds."""
    root = tmp_path / "images"
    for stem in "ab":
        write_pair(tmp_path, stem)
    (tmp_path / "trimaps").rename(root / "trimaps")
    for folder in ("out", ".thumbnails"):
        (root / folder).mkdir()
        Image.fromarray(photograph(9, 9)).save(root / folder / "a_alpha.png")
    sources = find_sources(root, root / "trimaps", output=root / "out")
    assert [source.name for source in sources] == ["a", "b"]
    with pytest.raises(UserError, match="has no out/a_alpha"):
        find_sources(root, root / "trimaps")


def test_files_are_read_once(tmp_path, monkeypatch):
    for stem in "ab":
        write_pair(tmp_path, stem)
    read, once = [], photo.read_photo
    monkeypatch.setattr(inputs, "read_photo", lambda path: read.append(path.name) or once(path))
    run(job_for(tmp_path), network())
    assert read == ["a.png", "b.png"]


def test_reading_and_writing_overlap_with_the_network(tmp_path, monkeypatch):
    """The network waits, at the second photograph, for the third to be read and the first to be written."""
    for stem in "abc":
        write_pair(tmp_path, stem)
    third_read, first_written = threading.Event(), threading.Event()
    read, write = batch.read_input, batch._write

    def reading(source, rules):
        given = read(source, rules)
        if source.name == "c":
            third_read.set()
        return given

    def writing(job, step):
        done = write(job, step)
        first_written.set()
        return done

    monkeypatch.setattr(batch, "read_input", reading)
    monkeypatch.setattr(batch, "_write", writing)
    calls = []

    def waiting(given):
        calls.append(given)
        if len(calls) == 2:
            assert third_read.wait(20) and first_written.wait(20)
        return np.full_like(given[:, :1], 0.5)

    run(job_for(tmp_path), lambda: Network(waiting, CONFIG))
    assert len(calls) == 3


def test_few_photographs_are_held_at_a_time(tmp_path, monkeypatch):
    """One that is read, one that waits, one that the network sees, one that waits, one that is written."""
    for number in range(16):
        write_pair(tmp_path, f"{number:02}")
    read, held, most = batch.read_input, [], []

    def reading(source, rules):
        given = read(source, rules)
        held.append(weakref.ref(given.trimap))
        most.append(sum(trimap() is not None for trimap in held))
        return given

    monkeypatch.setattr(batch, "read_input", reading)
    run(job_for(tmp_path), network())
    assert len(most) == 16 and max(most) <= 5


def test_results_come_in_order_whatever_runs_ahead():
    with ThreadPoolExecutor(3) as pool:
        assert list(map_ahead(pool, lambda number: number * number, iter(range(9)), 4)) == [
            number * number for number in range(9)]


def test_work_goes_ahead_as_far_as_asked_and_no_farther():
    begun, taken = [], []

    def items():
        for number in range(6):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, begun.append, items(), most=2)
        next(results)
        assert taken == [0, 1, 2]
        results.close()
    assert set(begun) <= {0, 1, 2}


def test_what_came_before_a_failing_item_is_given_first():
    def items():
        yield from (1, 2, 3)
        raise OSError("the fourth")

    def slowly(number):
        time.sleep(0.01)
        return number

    given = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match="the fourth"):
        for number in map_ahead(pool, slowly, items(), most=8):
            given.append(number)
    assert given == [1, 2, 3]


def test_what_waits_is_not_begun_once_a_step_fails():
    begun = []

    def fail(number):
        begun.append(number)
        time.sleep(0.1 if number == 1 else 0.005)  # so that all others have been taken by then
        if number == 1:
            raise OSError(number)

    with ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match="1"):
        list(map_ahead(pool, fail, range(1, 90), most=80))
    assert len(begun) < 80
