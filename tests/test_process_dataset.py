"""python -m data.process_dataset: what it writes, what it refuses, and what survives a kill."""
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.process_dataset import main
from matting.compositing import composite_uint8
from matting.dataset.composites import compose
from matting.errors import UserError
from matting.images.reading import read_alpha, read_image, read_trimap
from matting.programs.evaluation import validate, validation_composites
from matting.trimap import make_trimap
from matting.workers import run_in_processes
from tests.tiny_data import tiny_config

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = ROOT.parent / "shared" / "data"


def arguments(root, *more):
    return ["--data_dir", f"{root}/AIM-500", "--bg_dir", f"{root}/train2014", "--val_list", f"{root}/validation.txt",
            "--num_bgs_train", "4", "--num_bgs_val", "2", "--num_workers", "2", *more]


def prepare(root, *more):
    main(arguments(root, *more))
    return root / "AIM-500"


def refusal(capsys, root, *more):
    """The one line that a run ends with, and proof that it wrote nothing."""
    before = contents(root)
    with pytest.raises(SystemExit, match="^1$"):
        prepare(root, *more)
    assert contents(root) == before
    return last_line(capsys)


def last_line(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def contents(folder):
    """{relative path: SHA-256} of every file below a folder."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def prepared_contents(data_dir):
    return {name: digest for name, digest in contents(data_dir).items() if name.startswith(("train/", "validation/"))}


class TestOnlineValidation:
    """`--composition online` validates, unprepared, on exactly what preparation writes."""

    def test_composites_are_equal(self, raw):
        composed = validation_composites(tiny_config(raw, composition="online"))
        prepare(raw)
        prepared = validation_composites(tiny_config(raw))
        assert [files.name for files in composed] == [files.name for files in prepared] == ["v_0", "v_1"]
        for files, written in zip(composed, prepared, strict=True):
            image = compose(read_image(files.original), read_alpha(files.mask), files.background)
            assert files.merged is None and np.array_equal(image, read_image(written.merged))

    def test_metrics_are_equal(self, raw):
        def red(network_input):
            return network_input[:, :1]

        online, offline = tiny_config(raw, composition="online"), tiny_config(raw)
        means = validate(red, validation_composites(online), online)
        prepare(raw)
        assert means == validate(red, validation_composites(offline), offline)

    def test_a_stem_without_a_trimap_is_named(self, raw):
        (raw / "AIM-500" / "trimap" / "b.png").unlink()
        with pytest.raises(UserError, match="trimap: has no b; each stem needs an original and a mask and a trimap"):
            validation_composites(tiny_config(raw, composition="online"))


class TestWhatItWrites:
    def test_folders_and_lists_are_as_documented(self, raw):
        data_dir = prepare(raw)
        assert (data_dir / "train" / "data.txt").read_text().splitlines()[:5] == [
            "train/merged/a_0.png|train/mask/a.png|train/original/a.jpg|0.jpg",
            "train/merged/a_1.png|train/mask/a.png|train/original/a.jpg|1.jpg",
            "train/merged/a_2.png|train/mask/a.png|train/original/a.jpg|10.jpg",
            "train/merged/a_3.png|train/mask/a.png|train/original/a.jpg|11.jpg",
            "train/merged/b_0.png|train/mask/b.png|train/original/b.jpg|12.jpg",
        ]
        assert (data_dir / "validation" / "data.txt").read_text() == (
            "validation/merged/v_0.png|validation/mask/v.png|validation/trimap/v.png\n"
            "validation/merged/v_1.png|validation/mask/v.png|validation/trimap/v.png\n")
        expected = {f"train/{role}/{stem}.{suffix}" for stem in "abcd" for role, suffix in
                    (("original", "jpg"), ("mask", "png"))}
        expected |= {f"train/merged/{stem}_{k}.png" for stem in "abcd" for k in range(4)}
        expected |= {"validation/original/v.jpg", "validation/mask/v.png", "validation/trimap/v.png",
                     "validation/merged/v_0.png", "validation/merged/v_1.png", "train/data.txt", "validation/data.txt"}
        assert set(prepared_contents(data_dir)) == expected

    def test_every_background_is_used_once_in_sorted_order_train_first(self, raw):
        manifest = json.loads((prepare(raw) / "manifest.json").read_text())
        order = [f"train/merged/{stem}_{k}.png" for stem in "abcd" for k in range(4)]
        order += ["validation/merged/v_0.png", "validation/merged/v_1.png"]
        names = sorted(path.name for path in (raw / "train2014").iterdir())
        assert list(manifest["composites"].items()) == list(zip(order, names, strict=True))

    def test_composites_are_truncated_not_rounded(self, raw):
        """alpha 204/255 = 0.8: 0.8 * 200 + 0.2 * 109 = 181.8 -> 181; 0.2 * 200 + 0.8 * 103 = 122.4 -> 122."""
        solid(raw / "AIM-500" / "original" / "a.png", (8, 8, 3), 200)
        (raw / "AIM-500" / "original" / "a.jpg").unlink()
        alpha = np.repeat(np.array([[255, 204, 51, 0]], np.uint8), 8, axis=0).repeat(2, axis=1)
        Image.fromarray(alpha).save(raw / "AIM-500" / "mask" / "a.png")
        Image.fromarray(make_trimap(alpha, 1)).save(raw / "AIM-500" / "trimap" / "a.png")
        (raw / "train2014" / "0.jpg").unlink()
        (raw / "train2014" / "1.jpg").unlink()
        solid(raw / "train2014" / "0.png", (8, 8, 3), 109)
        solid(raw / "train2014" / "1.png", (8, 8, 3), 103)
        data_dir = prepare(raw)
        assert read_image(data_dir / "train/merged/a_0.png")[3, ::2, 1].tolist() == [200, 181, 127, 109]
        assert read_image(data_dir / "train/merged/a_1.png")[3, ::2, 1].tolist() == [200, 180, 122, 103]

    def test_small_backgrounds_are_enlarged_to_cover(self, raw):
        """Written out once more, from the specification: a is 150 x 200, background 1.jpg 90 x 120."""
        data_dir = prepare(raw)
        background = np.array(Image.open(raw / "train2014" / "1.jpg").convert("RGB"))
        scale = max(200 / 120, 150 / 90)
        background = cv2.resize(background, (math.ceil(120 * scale), math.ceil(90 * scale)),
                                interpolation=cv2.INTER_CUBIC)[:150, :200].astype(np.float32)
        alpha = np.array(Image.open(raw / "AIM-500/mask/a.png"))[:, :, None].astype(np.float32) / 255
        foreground = np.array(Image.open(raw / "AIM-500/original/a.jpg")).astype(np.float32)
        expected = (alpha * foreground + (1 - alpha) * background).astype(np.uint8)
        np.testing.assert_array_equal(read_image(data_dir / "train/merged/a_1.png"), expected)

    def test_the_users_files_stay_as_they_are(self, raw):
        before = contents(raw)
        prepare(raw)
        after = contents(raw)
        assert {name: after[name] for name in before} == before

    def test_prepared_files_share_nothing_with_the_users(self, raw):
        data_dir = prepare(raw)
        assert not (data_dir / "train/original/a.jpg").samefile(data_dir / "original/a.jpg")
        assert contents(data_dir)["train/original/a.jpg"] == contents(data_dir)["original/a.jpg"]

    def test_worker_count_changes_no_byte(self, raw, tmp_path):
        other = shutil.copytree(raw, tmp_path / "other", ignore=shutil.ignore_patterns("other"))
        assert prepared_contents(prepare(raw)) == prepared_contents(prepare(other, "--num_workers", "1"))

    def test_compression_changes_no_pixel(self, raw, tmp_path):
        other = shutil.copytree(raw, tmp_path / "other", ignore=shutil.ignore_patterns("other"))
        fast, small = prepare(raw), prepare(other, "--png_compression", "small")
        for path in (fast / "train" / "merged").iterdir():
            np.testing.assert_array_equal(read_image(path), read_image(small / "train" / "merged" / path.name))

    def test_grey_background_is_composed(self, raw):
        with Image.open(raw / "train2014" / "4.jpg") as background:
            assert background.mode == "L"
        data_dir = prepare(raw)
        row = next(row for row in (data_dir / "train/data.txt").read_text().splitlines() if row.endswith("|4.jpg"))
        merged, mask = row.split("|")[:2]
        outside = read_image(data_dir / merged)[read_alpha(data_dir / mask) == 0]
        assert (outside == outside[:, :1]).all()

    @pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".png", ".webp"])
    def test_originals_of_other_formats_keep_their_names(self, raw, suffix):
        source = raw / "AIM-500" / "original" / "a.jpg"
        Image.open(source).save(source.with_suffix(suffix))
        source.unlink()
        assert f"|train/original/a{suffix}|" in (prepare(raw) / "train" / "data.txt").read_text()

    def test_rotated_originals_are_prepared_upright(self, raw):
        """Readers that ignore EXIF must see the picture that was composed."""
        source = raw / "AIM-500" / "original" / "a.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.open(source).transpose(Image.Transpose.ROTATE_90).save(source, quality=100, exif=exif)
        upright = read_image(source)
        data_dir = prepare(raw)
        np.testing.assert_array_equal(np.array(Image.open(data_dir / "train/original/a.png")), upright)
        assert "train/merged/a_0.png|train/mask/a.png|train/original/a.png|0.jpg" in (
            data_dir / "train" / "data.txt").read_text()
        inside = read_alpha(data_dir / "train/mask/a.png") == 255
        np.testing.assert_array_equal(read_image(data_dir / "train/merged/a_0.png")[inside], upright[inside])

    def test_estimated_foreground_has_no_halo(self, raw):
        """A red object photographed in front of green: its soft edge is yellow before, red after."""
        alpha = read_alpha(raw / "AIM-500" / "mask" / "a.png")
        red, green = np.zeros((2, *alpha.shape, 3), np.uint8)
        red[:, :, 0], green[:, :, 1] = 220, 220
        (raw / "AIM-500" / "original" / "a.jpg").unlink()
        Image.fromarray(composite_uint8(red, green, alpha)).save(raw / "AIM-500" / "original" / "a.png")
        data_dir = prepare(raw, "--estimate_foreground", "--num_workers", "1")
        soft = (alpha > 60) & (alpha < 200)
        assert read_image(raw / "AIM-500" / "original" / "a.png")[soft].mean(axis=0)[1] > 80
        assert read_image(data_dir / "train" / "original" / "a.png")[soft].mean(axis=0)[1] < 5
        assert "|train/original/b.png|" in (data_dir / "train" / "data.txt").read_text()
        main(arguments(raw, "--num_workers", "1", "--verify"))

    def test_manifest_holds_the_hashes_of_the_inputs(self, raw):
        data_dir = prepare(raw)
        manifest = json.loads((data_dir / "manifest.json").read_text())
        assert manifest["sources"]["mask/a.png"] == contents(data_dir)["mask/a.png"]
        assert manifest["backgrounds"] == contents(raw / "train2014")
        assert manifest["settings"]["num_bgs_train"] == 4

    @pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="the photographs in ../shared/data are not here")
    def test_real_photographs(self, tmp_path):
        data_dir = shutil.copytree(PHOTOGRAPHS / "photo-matting", tmp_path / "photo-matting")
        real = ["--data_dir", str(data_dir), "--bg_dir", str(PHOTOGRAPHS / "coco-train2014"), "--val_list",
                str(data_dir / "validation.txt"), "--num_bgs_train", "1", "--num_bgs_val", "1", "--num_workers", "2"]
        main(real)
        main([*real, "--verify"])
        for row in (data_dir / "validation" / "data.txt").read_text().splitlines():
            merged, mask, trimap = (data_dir / field for field in row.split("|"))
            assert read_image(merged).shape[:2] == read_alpha(mask).shape == read_trimap(trimap).shape


class TestCompositeUint8:
    def test_equals_whole_image_float32_for_every_value_of_alpha_foreground_and_background(self):
        values = np.arange(256, dtype=np.uint8)
        foreground, background = (np.repeat(plane[:, :, None], 3, axis=2) for plane in np.meshgrid(values, values))
        for alpha in range(256):
            share = np.float32(alpha) / np.float32(255)
            expected = (share * foreground.astype(np.float32) + (1 - share) * background.astype(np.float32))
            actual = composite_uint8(foreground, background, np.full((256, 256), alpha, np.uint8))
            np.testing.assert_array_equal(actual, expected.astype(np.uint8))


class TestInterruptions:
    @pytest.fixture
    def long(self, raw):
        """Enough work to be interrupted: 96 composites of each foreground."""
        for path in list((raw / "train2014").iterdir()):
            for k in range(24):
                shutil.copy(path, path.with_name(f"{k:02}_{path.name}"))
        return raw

    def start(self, root):
        command = [sys.executable, "-m", "data.process_dataset", *arguments(root, "--num_bgs_train", "96")]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        while not list((root / "AIM-500").glob("train/merged/*_3.png")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        return process

    def wait_until_workers_are_gone(self, process):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        pytest.fail("a worker outlived its parent")

    def test_nothing_finished_is_lost_by_kill_9(self, long):
        data_dir = long / "AIM-500"
        with self.start(long) as process:
            process.kill()
        self.wait_until_workers_are_gone(process)
        finished = {path: path.stat().st_mtime_ns for path in data_dir.glob("*/merged/*.png")
                    if not path.name.startswith(".")}
        assert 0 < len(finished) < 4 * 96 + 2
        for path in finished:
            read_image(path)
        assert not list(data_dir.glob("*/data.txt"))
        (data_dir / "train" / "merged" / ".a_9.1.partial.png").write_bytes(b"half a file")

        prepare(long, "--num_bgs_train", "96")
        assert {path: path.stat().st_mtime_ns for path in finished} == finished
        assert not list(data_dir.rglob(".*"))
        prepare(long, "--num_bgs_train", "96", "--verify")

    def test_ctrl_c_ends_the_workers_and_says_one_line(self, long):
        with self.start(long) as process:
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=20) == 130
            assert process.stderr.read().splitlines() == ["interrupted; what was finished is kept"]
        self.wait_until_workers_are_gone(process)
        assert not list((long / "AIM-500").rglob(".*"))

    def test_killed_worker_is_reported_not_waited_for(self):
        with pytest.raises(UserError, match="a worker process was killed"):
            run_in_processes(signal.raise_signal, [signal.SIGKILL], 1, lambda item, result: None)

    def test_a_full_disk_is_one_line_and_the_same_command_continues(self, raw, capsys):
        merged = prepare(raw) / "train" / "merged"
        before = prepared_contents(raw / "AIM-500")
        shutil.rmtree(merged)
        merged.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(merged)]).returncode:
            pytest.skip("mounting a small file system needs root")
        try:
            with pytest.raises(SystemExit, match="^1$"):
                prepare(raw)
            assert not list(merged.glob(".*"))
        finally:
            subprocess.run(["umount", str(merged)], check=True)
        assert last_line(capsys).endswith("the disk is full; free some space and run the same command again")
        assert prepared_contents(prepare(raw)) == before

    def test_second_run_makes_only_what_is_missing(self, raw):
        data_dir = prepare(raw)
        before = prepared_contents(data_dir)
        kept, lost = data_dir / "train/merged/a_0.png", data_dir / "train/merged/a_1.png"
        written = kept.stat().st_mtime_ns
        lost.unlink()
        (data_dir / "validation" / "data.txt").unlink()
        assert prepared_contents(prepare(raw)) == before
        assert kept.stat().st_mtime_ns == written


class TestRefusals:
    def test_missing_folders(self, raw, capsys):
        assert refusal(capsys, raw, "--data_dir", f"{raw}/none") == f"error: {raw}/none/original: no such folder"
        assert refusal(capsys, raw, "--bg_dir", f"{raw}/none") == f"error: {raw}/none: no such folder"

    def test_missing_stems_are_named(self, raw, capsys):
        (raw / "AIM-500" / "mask" / "b.png").unlink()
        (raw / "AIM-500" / "mask" / "c.png").unlink()
        assert "AIM-500/mask: has no b, c; each stem needs" in refusal(capsys, raw)

    def test_two_originals_of_one_stem(self, raw, capsys):
        Image.open(raw / "AIM-500/original/a.jpg").save(raw / "AIM-500/original/a.webp")
        assert "a.webp: has the same stem as" in refusal(capsys, raw)

    def test_sizes_that_differ(self, raw, capsys):
        solid(raw / "AIM-500" / "mask" / "b.png", (20, 30), 255)
        assert "b.png: is 30x20, but" in refusal(capsys, raw)

    def test_too_few_backgrounds_says_how_many(self, raw, capsys):
        assert ("holds 18 backgrounds, but 42 are needed (4 train foregrounds x 10 + 1 validation foregrounds x 2)"
                in refusal(capsys, raw, "--num_bgs_train", "10"))

    def test_too_little_space_says_how_much(self, raw, capsys, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
        assert "GB are needed, 0.0 GB are free; free some space" in refusal(capsys, raw)

    def test_validation_stems_that_are_absent(self, raw, capsys):
        (raw / "validation.txt").write_text("v\nnobody\n")
        assert "has no nobody of the validation list" in refusal(capsys, raw)
        assert "o_0530e2e7" in refusal(capsys, raw, "--val_list", "")

    def test_trimaps_that_are_none(self, raw, capsys):
        solid(raw / "AIM-500" / "trimap" / "v.png", (90, 120), 100)
        assert "v.png: has the values 100; a trimap holds 0" in refusal(capsys, raw)
        solid(raw / "AIM-500" / "trimap" / "v.png", (90, 120), 255)
        assert "v.png: has no unknown pixel" in refusal(capsys, raw)

    def test_names_that_data_txt_cannot_hold(self, raw, capsys):
        (raw / "train2014" / "0.jpg").rename(raw / "train2014" / "0|1.jpg")
        assert "0|1.jpg: data.txt cannot hold a name with '|'" in refusal(capsys, raw)

    def test_files_that_are_no_images(self, raw, capsys):
        (raw / "AIM-500" / "original" / "c.jpg").write_bytes(b"not an image")
        assert "c.jpg: cannot be read as an image" in refusal(capsys, raw)

    def test_folder_that_something_else_prepared(self, raw, capsys):
        (raw / "AIM-500" / "train").mkdir()
        assert "AIM-500/train: exists, but" in refusal(capsys, raw)

    @pytest.mark.parametrize(("flags", "expected"), [
        (["--num_bgs_train", "3"], "num_bgs_train 4, not 3"),
        (["--num_bgs_val", "1"], "num_bgs_val 2, not 1"),
        (["--estimate_foreground"], "estimate_foreground False, not True"),
    ])
    def test_other_settings_for_a_set_once_begun(self, raw, capsys, flags, expected):
        prepare(raw)
        assert f"the set was begun with {expected}; use the same again, or delete" in refusal(capsys, raw, *flags)

    def test_other_inputs_for_a_set_once_begun(self, raw, capsys):
        prepare(raw)
        shutil.copy(raw / "train2014" / "5.jpg", raw / "train2014" / "05.jpg")
        assert "a_1.png was to be composed over 1.jpg, now it is 05.jpg" in refusal(capsys, raw)
        (raw / "train2014" / "05.jpg").unlink()
        (raw / "validation.txt").write_text("d\n")
        assert "the set was begun with another validation list" in refusal(capsys, raw)
        (raw / "validation.txt").write_text("v\n")
        shutil.copy(raw / "AIM-500/original/a.jpg", raw / "a.jpg")
        Image.open(raw / "a.jpg").save(raw / "AIM-500/original/a.jpg", quality=50)
        assert "original/a.jpg: has changed since the set was begun" in refusal(capsys, raw)

    def test_unknown_flags(self, raw, capsys):
        assert ("unknown flag --num_bg_train; did you mean --num_bgs_train?"
                in refusal(capsys, raw, "--num_bg_train", "3"))

    def test_damaged_manifest(self, raw, capsys):
        (prepare(raw) / "manifest.json").write_text("{")
        assert "manifest.json: is damaged" in refusal(capsys, raw)
        (raw / "AIM-500" / "manifest.json").write_text("[]")
        assert "manifest.json: is not the manifest of a prepared set" in refusal(capsys, raw)

    def test_damaged_background_is_named_and_can_be_replaced(self, raw, capsys):
        background = raw / "train2014" / "11.jpg"
        whole = background.read_bytes()
        background.write_bytes(whole[:len(whole) // 2])
        with pytest.raises(SystemExit, match="^1$"):
            prepare(raw)
        assert "11.jpg: cannot be read as an image" in last_line(capsys)
        background.write_bytes(whole)
        prepare(raw)

    def test_transparent_original(self, raw, capsys):
        source = raw / "AIM-500" / "original" / "a.jpg"
        pixels = np.dstack([read_image(source), np.full((150, 200), 100, np.uint8)])
        source.unlink()
        Image.fromarray(pixels).save(source.with_suffix(".png"))
        assert "a.png: has transparent pixels" in refusal(capsys, raw)


class TestVerify:
    def test_unprepared_and_unfinished_sets(self, raw, capsys):
        assert "manifest.json: is missing; run the same command without --verify" in refusal(capsys, raw, "--verify")
        manifest = prepare(raw) / "manifest.json"
        begun = json.loads(manifest.read_text())
        del begun["backgrounds"]
        manifest.write_text(json.dumps(begun))
        assert "manifest.json: is unfinished; run the same command" in refusal(capsys, raw, "--verify")

    def test_a_good_set_is_good(self, raw, capsys):
        prepare(raw)
        before = contents(raw)
        prepare(raw, "--verify")
        assert "18 composites are what the rule gives" in capsys.readouterr().out
        assert contents(raw) == before

    def test_every_fault_is_found_and_mended_by_deleting_what_is_named(self, raw, capsys, caplog):
        data_dir = prepare(raw)
        good = prepared_contents(data_dir)
        pixels = read_image(data_dir / "train/merged/a_0.png")
        pixels[70, 80, 2] ^= 1
        Image.fromarray(pixels).save(data_dir / "train/merged/a_0.png")
        (data_dir / "train/merged/b_0.png").write_bytes(b"truncated")
        (data_dir / "validation/merged/v_1.png").unlink()
        shutil.copy(data_dir / "train/mask/b.png", data_dir / "train/mask/c.png")
        shutil.copy(data_dir / "train/merged/a_1.png", data_dir / "train/merged/a_4.png")
        (data_dir / "train/data.txt").write_text("")
        with pytest.raises(SystemExit, match="^1$"):
            prepare(raw, "--verify")
        assert "6 files are not as they should be" in last_line(capsys)
        for fault in ("a_0.png: 1 values are not", "b_0.png: cannot be read", "v_1.png: no such file",
                      "mask/c.png: is not a copy", "a_4.png: does not belong", "train/data.txt: is missing or"):
            assert sum(fault in message for message in caplog.messages) == 1
        for name in ("train/merged/a_0.png", "train/merged/b_0.png", "train/mask/c.png", "train/merged/a_4.png"):
            (data_dir / name).unlink()
        assert prepared_contents(prepare(raw)) == good

    def test_changed_background_is_found(self, raw, capsys, caplog):
        prepare(raw)
        solid(raw / "train2014" / "0.jpg", (240, 260, 3), 90)
        with pytest.raises(SystemExit, match="^1$"):
            prepare(raw, "--verify")
        assert any("0.jpg: has changed since it was composed over" in message for message in caplog.messages)


def solid(path, shape, value):
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)
