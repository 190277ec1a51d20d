"""Augmented training samples, grown unknown regions and training lists, from files; and that all is off by default."""
import shutil

import numpy as np
import pytest
from PIL import Image

from matting.augmentation import OF_FOREGROUNDS
from matting.compositing import composite_uint8
from matting.dataset.composites import OnlineComposites
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError
from matting.images.reading import read_alpha, read_image
from matting.trimap import TRIMAP_RULES
from tests.tiny_data import INPUT_SIZE, TRAIN, tiny_config

STRONG = {"composition": "online", "augmentation": "strong"}


def samples_of(root, epochs=1, **changes):
    samples = TrainingSamples(tiny_config(root, **changes))
    return [samples.draw(epoch, index) for epoch in range(epochs) for index in range(len(samples))]


def same(sample, other):
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(sample).items())


def to_uint8(pixels):
    return np.rint(255 * pixels).astype(np.uint8)


@pytest.mark.parametrize("regions", ["band", "varied"])
def test_augmented_samples_are_what_a_sample_promises(unprepared, regions):
    for sample in samples_of(unprepared, 3, unknown_regions=regions, **STRONG):
        for colours in (sample.image, sample.foreground, sample.background):
            assert colours.shape == (INPUT_SIZE, INPUT_SIZE, 3) and colours.dtype == np.float32
            assert colours.min() >= 0 and colours.max() <= 1
        assert sample.alpha.shape == sample.trimap.shape == (INPUT_SIZE, INPUT_SIZE)
        assert sample.alpha.dtype == np.float32 and sample.trimap.dtype == np.uint8
        assert (sample.trimap == 128).any() and set(np.unique(sample.trimap)) <= {0, 128, 255}
        assert (sample.alpha[sample.trimap == 0] == 0).all() and (sample.alpha[sample.trimap == 255] == 1).all()
        layers = [to_uint8(layer) for layer in (sample.foreground, sample.background, sample.alpha)]
        assert np.array_equal(to_uint8(sample.image), composite_uint8(*layers))


def test_the_same_sample_whoever_draws_it_and_another_in_each_epoch(unprepared):
    config = tiny_config(unprepared, unknown_regions="varied", **STRONG)
    first, second = TrainingSamples(config), TrainingSamples(config)
    for index in range(6):
        assert same(first.draw(1, index), second.draw(1, index))
        assert not same(first.draw(1, index), first.draw(2, index))


def test_grown_regions_change_nothing_but_the_trimap(prepared):
    changed = 0
    for drawn, grown in zip(samples_of(prepared), samples_of(prepared, unknown_regions="varied"), strict=True):
        changed += not np.array_equal(drawn.trimap, grown.trimap)
        assert (grown.trimap[drawn.trimap == 128] == 128).all()
        for name in ("image", "alpha", "foreground", "background"):
            assert np.array_equal(getattr(drawn, name), getattr(grown, name))
    assert changed > 4


def test_some_samples_hold_two_foregrounds(unprepared, monkeypatch):
    """... of which the one behind adds to alpha: with it always there the mean alpha is higher."""
    means = []
    for share in (0, 1):
        monkeypatch.setattr("matting.dataset.augmented.JOINED", share)
        means.append(np.mean([sample.alpha.mean() for sample in samples_of(unprepared, 4, **STRONG)]))
    assert means[1] > means[0] + 0.1


@pytest.mark.parametrize("rule", TRIMAP_RULES)
def test_every_augmented_sample_of_mattes_with_one_soft_pixel_has_unknown_ones(unprepared, rule):
    for stem in TRAIN:
        path = unprepared / "AIM-500" / "mask" / f"{stem}.png"
        alpha = read_alpha(path) | 255
        alpha[1, 1] = 254
        Image.fromarray(alpha).save(path)
    for sample in samples_of(unprepared, 20, trimap_rule=rule, **STRONG):
        assert (sample.trimap == 128).any()


class TestOwnBackgrounds:
    def give(self, root, change=lambda pixels: pixels):
        """Every foreground its own colours as background: where both are treated alike they stay equal."""
        folder = root / "AIM-500" / "background"
        folder.mkdir()
        for stem in TRAIN:
            pixels = read_image(root / "AIM-500" / "original" / f"{stem}.jpg")
            Image.fromarray(change(pixels)).save(folder / f"{stem}.png")

    def test_half_of_the_samples_are_one_photograph(self, unprepared, monkeypatch):
        self.give(unprepared)
        monkeypatch.setattr("matting.dataset.augmented.OF_FOREGROUNDS", OF_FOREGROUNDS[:1])  # no noise
        equal = [np.array_equal(sample.foreground, sample.background) for sample in samples_of(unprepared, 8, **STRONG)]
        assert 0.35 < np.mean(equal) < 0.65

    def test_they_are_left_alone_where_nothing_is_augmented(self, unprepared):
        before = samples_of(unprepared, composition="online")
        self.give(unprepared)
        assert all(same(a, b) for a, b in zip(before, samples_of(unprepared, composition="online"), strict=True))

    def test_one_of_another_size_is_named(self, unprepared):
        self.give(unprepared, change=lambda pixels: pixels[:20, :30])
        with pytest.raises(UserError, match=r"background/.\.png: is 30x20, but .*/original/.\.jpg is "):
            samples_of(unprepared, 3, **STRONG)


class TestTrainingLists:
    def stems(self, root, *names):
        (root / "train.txt").write_text("\n".join(names))
        config = tiny_config(root, composition="online", train_list=str(root / "train.txt"), num_bgs_train=2)
        composites = OnlineComposites(config)
        return [composites.draw(index, np.random.default_rng(0)).original.stem for index in range(len(composites))]

    @pytest.mark.parametrize("layout", ["prepared", "unprepared"])
    def test_each_foreground_is_drawn_as_often_as_it_is_named(self, layout, request):
        assert self.stems(request.getfixturevalue(layout), "b", "a", "b") == ["b", "a", "b"] * 2

    @pytest.mark.parametrize(("names", "message"), [
        (["a", "v"], "names v, not among the foregrounds to train on in"),
        (["a", "absent"], "names absent, not among the foregrounds"),
        ([], "is empty; write one training stem a line"),
    ])
    def test_what_cannot_be_trained_on_is_named(self, unprepared, names, message):
        with pytest.raises(UserError, match=message):
            self.stems(unprepared, *names)

    def test_a_missing_list_is_named(self, unprepared):
        with pytest.raises(UserError, match="nowhere.txt: no such file; --train_list names a file with one training"):
            OnlineComposites(tiny_config(unprepared, composition="online", train_list="nowhere.txt"))


@pytest.mark.parametrize(("changes", "message"), [
    ({"augmentation": "strong"}, "augmentation strong composes each sample anew; use it with composition online"),
    ({"train_list": "a.txt"}, "train_list 'a.txt' chooses foregrounds to compose; use it with composition online"),
    ({"augmentation": "some"}, "augmentation 'some' is not one of none, strong"),
    ({"unknown_regions": "wide"}, "unknown_regions 'wide' is not one of band, varied"),
])
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(UserError) as error:
        tiny_config("unused", **changes)
    assert str(error.value) == message


def test_a_missing_background_is_named(unprepared):
    shutil.rmtree(unprepared / "train2014")
    with pytest.raises(UserError, match="train2014: no such folder"):
        samples_of(unprepared, **STRONG)
