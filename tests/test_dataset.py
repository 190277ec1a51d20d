"""Training samples: what is drawn from which files, that it is the same everywhere, and what bad files lead to."""
import logging
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from matting.compositing import composite_uint8, cover_background
from matting.dataset import composites, foreground_cache
from matting.dataset.columns import COLUMNS, columns
from matting.dataset.composites import OnlineComposites, TrainingComposite
from matting.dataset.data_list import TrainRow, read_rows
from matting.dataset.feed import TrainingBatches, TrainingFeed, reported_by_worker, worker_count
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError
from matting.images.reading import read_alpha, read_header, read_image
from matting.transforms import resize
from matting.trimap import TRIMAP_RULES
from tests.tiny_data import INPUT_SIZE, NUM_BGS_TRAIN, TRAIN, photograph, tiny_config

GREY_LEVEL = 1 / 255 + 1e-6


def samples_of(root, **changes):
    config = tiny_config(root, **changes)
    samples = TrainingSamples(config)
    return [samples.draw(0, index) for index in range(len(samples))]


def largest_difference(sample, other):
    return max(np.abs(pixels.astype(np.float32) - vars(other)[name]).max() for name, pixels in vars(sample).items())


def transcribed(config, epoch, index):
    """A training sample as the specification tells it, on whole images, from a prepared set -> float32 fields."""
    rng = np.random.default_rng((config.seed, epoch, index))
    data_dir = Path(config.data_dir)
    row = read_rows(data_dir / "train" / "data.txt", TrainRow)[index]
    image, alpha, original = (np.array(Image.open(data_dir / path)) for path in (row.merged, row.mask, row.original))
    background = np.array(Image.open(Path(config.bg_dir) / row.background).convert("RGB"))
    layers = [image, alpha, original, cover_background(background, *alpha.shape)]
    if min(alpha.shape) < 64:  # the rule of 320 and 500 at this size
        scale = 100 / min(alpha.shape)
        size = round(alpha.shape[1] * scale), round(alpha.shape[0] * scale)
        layers = [cv2.resize(layer, size, interpolation=cv2.INTER_CUBIC) for layer in layers]
    alpha = layers[1]

    radius = rng.integers(1, 20)
    unknown = distance_transform_edt((alpha == 0) | (alpha == 255)) <= radius
    trimap = np.where(unknown, 128, np.where(alpha == 255, 255, 0)).astype(np.uint8)
    sides = [side for side in (64, 96, 128) if side <= min(alpha.shape)]
    side = sides[rng.integers(len(sides))]
    rows, cols = np.nonzero(unknown)
    centre = rng.integers(len(rows))
    top, left = (int(np.clip(place[centre] - side // 2, 0, length - side))
                 for place, length in zip((rows, cols), alpha.shape, strict=True))
    flip = rng.random() < 0.5

    def finished(layer, interpolation=cv2.INTER_CUBIC):
        crop = cv2.resize(layer[top:top + side, left:left + side], (64, 64), interpolation=interpolation)
        return crop[:, ::-1] if flip else crop

    image, alpha, original, background = (finished(layer) / np.float32(255) for layer in layers)
    trimap = finished(trimap, cv2.INTER_NEAREST)
    return {"image": image, "trimap": trimap, "alpha": alpha, "foreground": original, "background": background}


def test_offline_samples_equal_the_transcribed_specification(prepared):
    config = tiny_config(prepared)
    samples = TrainingSamples(config)
    assert len(samples) == len(TRAIN) * NUM_BGS_TRAIN
    for epoch in range(2):
        for index in range(len(samples)):
            sample, expected = samples.draw(epoch, index), transcribed(config, epoch, index)
            for name in ("image", "trimap", "alpha", "foreground"):
                assert np.allclose(getattr(sample, name), expected[name], atol=1e-6), (name, index)
            assert np.abs(sample.background - expected["background"]).max() <= GREY_LEVEL


@pytest.mark.parametrize("composition", ["offline", "online"])
def test_samples_are_what_a_sample_promises(prepared, composition):
    for sample in samples_of(prepared, composition=composition):
        for name in ("image", "foreground", "background"):
            colours = getattr(sample, name)
            assert colours.shape == (INPUT_SIZE, INPUT_SIZE, 3) and colours.dtype == np.float32
            assert colours.min() >= 0 and colours.max() <= 1
        assert sample.alpha.shape == sample.trimap.shape == (INPUT_SIZE, INPUT_SIZE)
        assert sample.alpha.dtype == np.float32 and sample.trimap.dtype == np.uint8
        assert (sample.trimap == 128).any() and set(np.unique(sample.trimap)) <= {0, 128, 255}


@pytest.mark.parametrize("rule", TRIMAP_RULES)
def test_every_sample_of_mattes_with_one_soft_pixel_has_unknown_ones(prepared, rule):
    """d, the smallest, is enlarged before its crops are drawn."""
    for stem in TRAIN:
        path = prepared / "AIM-500" / "mask" / f"{stem}.png"
        alpha = read_alpha(path) | 255
        alpha[1, 1] = 254
        Image.fromarray(alpha).save(path)
    samples = TrainingSamples(tiny_config(prepared, composition="online", trimap_rule=rule))
    for epoch in range(20):
        for index in range(len(samples)):
            assert (samples.draw(epoch, index).trimap == 128).any(), (epoch, index)


def composed_both_ways(root, monkeypatch, scales):
    """Offline and online samples of the same foreground, background and random choices."""
    data_dir, bg_dir = root / "AIM-500", root / "train2014"
    rows = read_rows(data_dir / "train" / "data.txt", TrainRow)

    class SameComposites:
        def __init__(self, config):
            self.merged = config.composition == "offline"

        def __len__(self):
            return len(rows)

        def draw(self, index, rng):
            row = rows[index]
            return TrainingComposite(data_dir / row.original, data_dir / row.mask, bg_dir / row.background,
                          data_dir / row.merged if self.merged else None)

    for composition in composites.TRAINING_COMPOSITES:
        monkeypatch.setitem(composites.TRAINING_COMPOSITES, composition, SameComposites)
    return zip(rows, *(samples_of(root, composition=composition, scales=scales)
                       for composition in ("offline", "online")), strict=True)


def test_online_crops_equal_the_prepared_composites_crops(prepared, monkeypatch):
    """Crops of the input size are not resampled, so that each pixel is one of the composite's."""
    exact = 0
    for row, offline, online in composed_both_ways(prepared, monkeypatch, scales=[1]):
        (height, width, _), (background_height, background_width, _) = (
            read_header(prepared / "AIM-500" / row.mask), read_header(prepared / "train2014" / row.background))
        resampled = background_height < height or background_width < width
        exact += not resampled
        assert largest_difference(offline, online) <= (GREY_LEVEL if resampled else 0)
    assert 0 < exact < len(TRAIN) * NUM_BGS_TRAIN


def test_online_crops_stay_close_when_resized(prepared, monkeypatch):
    for _, offline, online in composed_both_ways(prepared, monkeypatch, scales=[1, 1.5, 2]):
        assert largest_difference(offline, online) <= 2 * GREY_LEVEL


def test_online_needs_no_prepared_files(unprepared):
    samples = samples_of(unprepared, composition="online")
    assert len(samples) == len(TRAIN) * NUM_BGS_TRAIN
    assert not (unprepared / "AIM-500" / "train").exists()


def test_online_never_reads_merged_images(prepared):
    expected = samples_of(prepared, composition="online")
    shutil.rmtree(prepared / "AIM-500" / "train" / "merged")
    assert all(largest_difference(a, b) == 0
               for a, b in zip(expected, samples_of(prepared, composition="online"), strict=True))


@pytest.mark.parametrize("state", ["prepared", "unprepared"])
def test_online_draws_what_preparation_gives_to_training(state, request):
    """... all of it in time, and the same whether or not the set was prepared."""
    root = request.getfixturevalue(state)
    online, rng = OnlineComposites(tiny_config(root, composition="online")), np.random.default_rng(0)
    drawn = [online.draw(index, rng) for _ in range(40) for index in range(len(online))]
    backgrounds = sorted(path.name for path in (root / "train2014").iterdir())
    assert {files.background.name for files in drawn} == set(backgrounds[:len(TRAIN) * NUM_BGS_TRAIN])
    assert [files.original.stem for files in drawn[:5]] == ["a", "b", "c", "d", "a"]
    assert all(files.original.stem == files.mask.stem and files.merged is None for files in drawn)


def test_a_sample_is_a_function_of_seed_epoch_and_index(prepared):
    config = tiny_config(prepared)
    first, second = TrainingSamples(config), TrainingSamples(config)
    reference = first.draw(1, 3)
    for index in (7, 0, 3):  # in another order
        again = second.draw(1, index)
    assert largest_difference(reference, again) == 0
    assert largest_difference(reference, first.draw(2, 3)) > 0
    assert largest_difference(reference, TrainingSamples(tiny_config(prepared, seed=1)).draw(1, 3)) > 0


def fed(root, shard=0, shards=1, start=0, **changes):
    """The bytes of each sample that a shard is fed."""
    feed = TrainingFeed(tiny_config(root, **changes), shard, shards, start)
    return [b"".join(column.tobytes() for column in feed[position]) for position in range(len(feed))]


def test_shards_share_out_every_batch(prepared):
    whole = fed(prepared, batch_size=4, epochs=2)
    assert len(set(whole)) == len(whole) == 32
    for shards in (2, 4):
        parts = [fed(prepared, shard, shards, batch_size=4 // shards, epochs=2) for shard in range(shards)]
        assert [sample for step in zip(*parts, strict=True) for sample in step] == whole


def test_every_epoch_trains_on_everything_in_a_new_order(prepared):
    samples = TrainingSamples(tiny_config(prepared))
    everything = [{b"".join(column.tobytes() for column in columns(samples.draw(epoch, index), tiny_config(prepared)))
                   for index in range(16)} for epoch in range(2)]
    whole = fed(prepared, epochs=2)
    assert [set(whole[:16]), set(whole[16:])] == everything
    feed = TrainingFeed(tiny_config(prepared))
    assert sorted(feed._order(0)) == sorted(feed._order(1)) and list(feed._order(0)) != list(feed._order(1))


def test_the_last_incomplete_batch_is_dropped(prepared):
    feed = TrainingFeed(tiny_config(prepared, batch_size=5))
    assert (feed.steps_per_epoch, feed.steps, len(feed)) == (3, 9, 45)


def test_a_later_start_continues_the_same_sequence(prepared):
    whole = fed(prepared, batch_size=4, epochs=2)
    assert fed(prepared, start=3, batch_size=4, epochs=2) == whole[12:]
    assert fed(prepared, start=3, batch_size=4, epochs=2, max_steps=5) == whole[12:20]
    assert fed(prepared, start=8, batch_size=4, epochs=2) == []


def test_too_few_samples_for_a_batch_say_so(prepared):
    with pytest.raises(UserError, match=r"has 16 training samples, less than a batch of 6 on 3 device\(s\)"):
        TrainingFeed(tiny_config(prepared, batch_size=6), shards=3)


def test_columns_are_what_the_losses_need(prepared):
    config = tiny_config(prepared)
    sample = TrainingSamples(config).draw(0, 1)
    batch = dict(zip(COLUMNS, columns(sample, config), strict=True))
    assert {name: column.shape[0] for name, column in batch.items()} == {
        "input": 4, "unknown": 1, "alpha": 1, "foreground": 3, "background": 3, "composite": 3}
    assert all(column.dtype == np.float32 and column.flags.c_contiguous for column in batch.values())
    assert np.array_equal(batch["composite"].transpose(1, 2, 0), sample.image)
    assert np.array_equal(batch["unknown"][0], sample.trimap == 128)
    assert np.array_equal(batch["input"][3], sample.trimap / np.float32(255))
    assert np.allclose(batch["input"][0] * 0.229 + 0.485, sample.image[:, :, 0], atol=1e-6)


def first_row(root):
    data_dir = root / "AIM-500"
    row = read_rows(data_dir / "train" / "data.txt", TrainRow)[0]
    return {"merged": data_dir / row.merged, "mask": data_dir / row.mask, "original": data_dir / row.original,
            "background": root / "train2014" / row.background}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def no_soft_pixel(path):
    Image.fromarray(np.where(read_alpha(path) > 127, 255, 0).astype(np.uint8)).save(path)


def another_size(path):
    with Image.open(path) as image:
        image.resize((33, 44)).save(path)


BAD_FILES = [
    *((field, Path.unlink, "no such file") for field in ("merged", "mask", "original", "background")),
    *((field, truncate, "cannot be read as an image") for field in ("merged", "mask", "original", "background")),
    ("merged", another_size, r"is 33x44, but .*/a.png is 200x150"),
    ("mask", another_size, r"is 33x44, but .*/a.jpg is 200x150"),
    ("mask", no_soft_pixel, "no partly transparent pixel, so there is nothing to learn from"),
]


@pytest.mark.parametrize(("field", "damage", "message"), BAD_FILES)
def test_a_bad_file_is_named_in_one_line(prepared, field, damage, message):
    path = first_row(prepared)[field]
    damage(path)
    with pytest.raises(UserError, match=message) as error:
        TrainingSamples(tiny_config(prepared)).draw(0, 0)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(("field", "damage", "message"), BAD_FILES)
def test_a_bad_file_is_replaced_by_the_next_sample(prepared, caplog, field, damage, message):
    samples = TrainingSamples(tiny_config(prepared, skip_bad_samples=True))
    damage(first_row(prepared)[field])
    with caplog.at_level(logging.WARNING):
        replacement = samples.draw(0, 0)
    assert str(first_row(prepared)[field]) in caplog.text and "another sample takes its place" in caplog.text
    usable = 1 if field in ("merged", "background") else NUM_BGS_TRAIN  # the first four rows share a foreground
    assert largest_difference(replacement, samples.draw(0, usable)) == 0


def test_nothing_but_bad_files_stops_training(prepared):
    shutil.rmtree(prepared / "train2014")
    with pytest.raises(UserError, match="no such file"):
        TrainingSamples(tiny_config(prepared, skip_bad_samples=True)).draw(0, 5)


def test_a_missing_background_ends_online_training_too(unprepared):
    samples = TrainingSamples(tiny_config(unprepared, composition="online"))
    shutil.rmtree(unprepared / "train2014")
    with pytest.raises(UserError, match=r"train2014/\d+\.(jpg|png): no such file"):
        samples.draw(0, 0)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda root: (root / "AIM-500/mask/b.png").unlink(), "mask: has no b; each stem needs an original and a mask"),
    (lambda root: (root / "AIM-500/original/b.jpg").unlink(), "original: has no b"),
    (lambda root: (root / "validation.txt").write_text("v\nabsent"), "has no absent of the validation list"),
    (lambda root: (root / "validation.txt").write_text("v\na\nb\nc\nd"), "every stem is in the validation list"),
    (lambda root: (root / "validation.txt").unlink(), "validation.txt: no such file"),
    (lambda root: [path.unlink() for path in sorted((root / "train2014").iterdir())[2:]],
     "holds 2 backgrounds, all of them wanted for validation"),
    (lambda root: shutil.rmtree(root / "train2014"), "train2014: no such folder"),
    (lambda root: shutil.rmtree(root / "AIM-500/original"), "original: no such folder"),
])
def test_an_unusable_unprepared_set_is_refused_at_the_start(unprepared, damage, message):
    damage(unprepared)
    with pytest.raises(UserError, match=message):
        TrainingFeed(tiny_config(unprepared, composition="online"))


def test_an_unprepared_set_cannot_train_offline(unprepared):
    with pytest.raises(UserError, match=r"data.txt: no such file; .*process_dataset"):
        TrainingFeed(tiny_config(unprepared))


def test_rotated_photographs_train_upright(prepared):
    expected = samples_of(prepared)
    row = first_row(prepared)
    rotated = Image.fromarray(np.rot90(read_image(row["original"]), 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    rotated.save(row["original"], exif=exif, quality=100, subsampling=0)
    difference = np.abs(samples_of(prepared)[0].foreground - expected[0].foreground).max()
    assert difference < 0.1  # JPEG's


def decodings(monkeypatch):
    counted = []
    decode = foreground_cache._decode
    monkeypatch.setattr(foreground_cache, "_decode", lambda *files: counted.append(files) or decode(*files))
    return counted


def test_foregrounds_are_decoded_once_for_all_runs(prepared, monkeypatch):
    counted = decodings(monkeypatch)
    expected = samples_of(prepared)
    assert len(counted) == len(TRAIN)
    again = samples_of(prepared)
    assert len(counted) == len(TRAIN)
    assert all(largest_difference(a, b) == 0 for a, b in zip(expected, again, strict=True))
    assert {path.name.split("-")[0] for path in (prepared / "AIM-500" / ".decoded").iterdir()} == set(TRAIN)


def test_a_changed_file_is_decoded_anew(prepared):
    before = samples_of(prepared)[0]
    path = first_row(prepared)["original"]
    Image.fromarray(photograph(150, 200, np.random.default_rng(9))).save(path)
    os.utime(path, ns=(1, 1))
    assert np.abs(samples_of(prepared)[0].foreground - before.foreground).max() > 0.1


def test_decoded_foregrounds_go_where_they_are_told(prepared, tmp_path):
    samples_of(prepared, cache_dir=str(tmp_path / "elsewhere"))
    assert len(list((tmp_path / "elsewhere").iterdir())) == len(TRAIN)
    assert not (prepared / "AIM-500" / ".decoded").exists()


def test_a_full_disk_means_decoding_every_time(prepared, monkeypatch, caplog):
    expected = samples_of(prepared, cache_dir=str(prepared / "roomy"))
    counted = decodings(monkeypatch)
    monkeypatch.setattr(foreground_cache, "KEPT_FREE", 10**18)
    again = samples_of(prepared)
    assert len(counted) == len(again) and "the disk is nearly full" in caplog.text
    assert all(largest_difference(a, b) == 0 for a, b in zip(expected, again, strict=True))


def test_an_unusable_cache_folder_is_named(prepared):
    (prepared / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot keep decoded foregrounds .*--cache_dir"):
        samples_of(prepared, cache_dir=str(prepared / "file"))


def test_pythons_own_fault_in_reading_a_header_is_outlived(prepared, monkeypatch):
    expected = samples_of(prepared)
    load, calls = np.load, []

    def failing_once(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise SystemError("AST constructor recursion depth mismatch (before=219, after=239)")
        return load(*arguments, **options)

    monkeypatch.setattr(np, "load", failing_once)
    again = samples_of(prepared)
    assert len(calls) > 1
    assert all(largest_difference(a, b) == 0 for a, b in zip(expected, again, strict=True))


def test_a_damaged_cache_file_is_named(prepared):
    samples_of(prepared)
    for path in (prepared / "AIM-500" / ".decoded").iterdir():
        truncate(path)
    with pytest.raises(UserError, match=r"\.decoded/a-.*\.npy: is damaged .*; delete it, it is made anew"):
        samples_of(prepared)


def test_processes_forked_from_one_that_used_opencvs_threads_do_not_wait_for_them(prepared):
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        cv2.resize(np.zeros((1000, 1000, 3), np.uint8), (1500, 1500), interpolation=cv2.INTER_CUBIC)  # starts them
        time.sleep(0.1)  # until they sleep
        feed = TrainingBatches(tiny_config(prepared)).feed
        process = multiprocessing.get_context("fork").Process(target=feed.__getitem__, args=(0,))
        process.start()
        process.join(30)
        process.kill()
        assert process.exitcode == 0
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize(("wanted", "sharing", "expected"), [(12, 1, 12), (12, 8, 2), (1, 8, 1), (12, 32, 1)])
def test_the_processes_of_a_machine_share_its_cores(wanted, sharing, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(16))
    assert worker_count(tiny_config("unused", num_workers=wanted), sharing) == expected


def test_devices_of_other_machines_take_none_of_these_cores(prepared, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(16))
    config = tiny_config(prepared, batch_size=1, num_workers=12)
    assert [TrainingBatches(config, 0, 4, sharing=sharing).workers for sharing in (2, 4)] == [8, 4]


def test_a_workers_error_is_found_in_a_frameworks_report():
    report = ("Caught UserError in worker 0.\nTraceback:\nmatting.errors.UserError: Traceback\n  raise UserError(x)\n"
              "matting.errors.UserError: a/b.jpg: no such file; get it\n\n---")
    assert str(reported_by_worker(RuntimeError(report))) == "a/b.jpg: no such file; get it"
    assert reported_by_worker(RuntimeError("out of memory")) is None


def test_enlarging_before_composing_would_be_noticed(prepared):
    """Small images are composed, then enlarged; the other order is not within a grey level of that."""
    row = read_rows(prepared / "AIM-500/train/data.txt", TrainRow)[-1]
    alpha, colours = read_alpha(prepared / "AIM-500" / row.mask), read_image(prepared / "AIM-500" / row.original)
    background = cover_background(read_image(prepared / "train2014" / row.background), *alpha.shape)
    composed_first = resize(composite_uint8(colours, background, alpha), (100, 180)).astype(int)
    enlarged_first = composite_uint8(*(resize(pixels, (100, 180)) for pixels in (colours, background, alpha)))
    assert min(alpha.shape) < INPUT_SIZE
    assert np.abs(composed_first - enlarged_first).max() > 2


@pytest.mark.parametrize("composition", ["offline", "online"])
def test_a_digest_tells_lists_of_data_apart_and_not_where_they_lie(prepared, tmp_path_factory, composition):
    def digest(root):
        return TrainingFeed(tiny_config(root, composition=composition)).digest()

    copy = shutil.copytree(prepared, tmp_path_factory.mktemp("elsewhere") / "copy")
    assert digest(copy) == digest(prepared)
    data_txt, = copy.rglob("train/data.txt")
    lines = data_txt.read_text().splitlines()
    data_txt.write_text("\n".join(lines[4:]) + "\n")
    assert digest(copy) != digest(prepared)
