"""The drawn data set: exact alpha, true colours, and what each kind of object is there for."""
import hashlib
import importlib.util

import cv2
import numpy as np
import pytest

from data import process_dataset
from data.objects import KINDS, MORE_KINDS, SUPERSAMPLING, draw_object, reduce_by_area
from data.scenes import HELD_OUT, PHOTOGRAPHS, crop_photograph, draw_landscape, find_photographs, with_texture
from data.synthetic import main
from matting.images.listing import by_stem
from matting.images.reading import read_alpha, read_header, read_trimap


@pytest.fixture(scope="module")
def objects():
    """{kind: (alpha, colours)}"""
    return {kind: draw_object(kind, 240, 200, np.random.default_rng(3)) for kind in KINDS}


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """Six foregrounds of 96 pixels and twelve backgrounds, as the program writes them."""
    folder = tmp_path_factory.mktemp("synthetic") / "demo"
    main(options(folder))
    return folder


def options(folder, **changes):
    values = {"out": folder, "foregrounds": 6, "backgrounds": 12, "size": 96, "seed": 1} | changes
    return [token for name, value in values.items() for token in (f"--{name}", str(value))]


def contents(folder):
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


class TestReducing:
    def test_one_opaque_red_among_transparent_blue(self):
        alpha = np.zeros((SUPERSAMPLING, SUPERSAMPLING), np.float32)
        alpha[1, 2] = 1
        colours = np.zeros((SUPERSAMPLING, SUPERSAMPLING, 3), np.float32)
        colours[:, :, 2], colours[1, 2] = 1, (1, 0, 0)
        reduced_alpha, reduced_colours = reduce_by_area(alpha, colours)
        np.testing.assert_allclose(reduced_alpha, [[1 / SUPERSAMPLING**2]], rtol=1e-6)
        np.testing.assert_allclose(reduced_colours, [[[1, 0, 0]]], atol=1e-6)

    def test_colours_are_defined_where_alpha_is_zero(self):
        colours = np.full((SUPERSAMPLING, SUPERSAMPLING, 3), 0.25, np.float32)
        np.testing.assert_allclose(reduce_by_area(np.zeros_like(colours[:, :, 0]), colours)[1], 0.25)

    @pytest.mark.parametrize("kind", KINDS)
    def test_composing_before_or_after_reducing_is_the_same(self, kind):
        alpha, colours = KINDS[kind](60 * SUPERSAMPLING, 50 * SUPERSAMPLING, np.random.default_rng(0))
        background = np.array([0.9, 0.4, 0.1], np.float32)

        def over(alpha, colours):
            return alpha[:, :, None] * colours + (1 - alpha[:, :, None]) * background

        large = over(alpha, colours)
        expected = large.reshape(60, SUPERSAMPLING, 50, SUPERSAMPLING, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(over(*reduce_by_area(alpha, colours)), expected, atol=1e-5)
        unweighted = reduce_by_area(np.ones_like(alpha), colours)[1]
        assert np.abs(over(reduce_by_area(alpha, colours)[0], unweighted) - expected).max() > 1e-3


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_object_and_background_both_show(self, objects, kind):
        alpha, colours = objects[kind]
        assert alpha.shape == (240, 200)
        assert colours.shape == (240, 200, 3)
        assert alpha.dtype == colours.dtype == np.uint8
        assert 0.2 < (alpha == 0).mean() < 0.9
        assert colours[alpha > 0].std(axis=0).max() > 5  # textured

    def test_hair_is_thin(self, objects):
        alpha = objects["hair"][0]
        without_strands = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        assert ((alpha > 30) & (without_strands < 10)).sum() > 0.1 * (alpha > 30).sum()
        assert (alpha == 255).any()

    def test_defocus_is_soft_over_many_pixels(self, objects):
        assert deepest(soft(objects["defocus"][0])) > 8
        assert deepest(soft(objects["hair"][0])) < 6

    @pytest.mark.parametrize("kind", ["glass", "veil"])
    def test_translucent_objects_are_mostly_partly_transparent(self, objects, kind):
        alpha = objects[kind][0]
        assert ((alpha > 25) & (alpha < 250)).sum() > 0.7 * (alpha > 0).sum()

    @pytest.mark.parametrize("kind", ["net", "lace"])
    def test_perforated_objects_have_many_holes(self, objects, kind):
        assert holes(objects[kind][0]) > 30
        assert holes(objects["glass"][0]) == 0

    def test_other_seeds_draw_other_objects(self, objects):
        assert (draw_object("net", 240, 200, np.random.default_rng(4))[0] != objects["net"][0]).any()


@pytest.fixture(scope="module")
def more_objects():
    """{kind: (alpha, colours) of three}"""
    return {kind: [draw_object(kind, 240, 200, np.random.default_rng(seed)) for seed in (1, 2, 3)]
            for kind in MORE_KINDS}


class TestMoreKinds:
    @pytest.mark.parametrize("kind", MORE_KINDS)
    def test_object_and_background_both_show(self, more_objects, kind):
        for alpha, colours in more_objects[kind]:
            assert alpha.shape == (240, 200) and colours.shape == (240, 200, 3)
            assert alpha.dtype == colours.dtype == np.uint8
            assert (alpha < 128).mean() > 0.1 and (alpha > 20).mean() > 0.01
            assert soft(alpha).mean() > 0.01
            assert colours[alpha > 0].std(axis=0).max() > 2  # textured

    @pytest.mark.parametrize("kind", MORE_KINDS)
    def test_other_seeds_draw_other_objects_and_the_same_seed_the_same(self, more_objects, kind):
        (alpha, colours), (other, _) = more_objects[kind][:2]
        again = draw_object(kind, 240, 200, np.random.default_rng(1))
        assert np.array_equal(again[0], alpha) and np.array_equal(again[1], colours)
        assert (other != alpha).any()

    @pytest.mark.parametrize("kind", ["fur", "longhair", "fringe", "feather", "leaves", "twigs"])
    def test_strands_and_leaves_are_thin(self, more_objects, kind):
        """More than of a plain body, which loses its corners only."""
        assert np.mean([thin(alpha) for alpha, _ in more_objects[kind]]) > 0.004
        assert np.mean([thin(alpha) for alpha, _ in more_objects["solid"]]) < 0.002

    @pytest.mark.parametrize("kind", ["mesh", "spokes", "wicker"])
    def test_openwork_has_many_holes(self, more_objects, kind):
        assert np.median([holes(np.where(alpha > 64, 255, 0)) for alpha, _ in more_objects[kind]]) > 10

    def test_smoke_and_motion_are_soft_over_many_pixels(self, more_objects):
        depths = {kind: np.median([deepest(soft(alpha)) for alpha, _ in more_objects[kind]])
                  for kind in ("smoke", "motion", "solid")}
        assert min(depths["smoke"], depths["motion"]) > 8 > 6 > depths["solid"]

    def test_no_kind_has_two_names(self):
        assert not set(KINDS) & set(MORE_KINDS)

    def test_a_texture_keeps_a_photographs_colours_and_the_drawings_shading(self):
        """A white half is as light as in the photograph or lighter, a dark half darker; the mean light stays."""
        colours = np.full((20, 40, 3), 200, np.uint8)
        colours[:, 20:] = 100
        photograph = np.full((20, 40, 3), (120, 60, 30), np.uint8)
        textured = with_texture(np.full((20, 40), 255, np.uint8), colours, photograph, np.random.default_rng(0))
        light, dark = textured[5, 5].astype(float), textured[5, 30].astype(float)
        assert np.allclose(light / light[0], [1, 0.5, 0.25], atol=0.02) and (light > dark + 3).all()
        assert np.allclose((light + dark) / 2, [120, 60, 30], atol=1.5)


class TestScenes:
    def test_validation_photographs_are_not_trained_on(self):
        assert not set(PHOTOGRAPHS) & set(HELD_OUT)

    def test_photographs_come_inside_the_package(self):
        pytest.importorskip("skimage")
        paths = find_photographs(PHOTOGRAPHS + HELD_OUT)
        assert [path.name for path in paths] == [*PHOTOGRAPHS, *HELD_OUT]
        for path in paths:
            assert crop_photograph(path, 90, 120, np.random.default_rng(0)).shape == (90, 120, 3)

    def test_landscapes_do_without_the_package(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert find_photographs(PHOTOGRAPHS) == []
        scene = draw_landscape(90, 120, np.random.default_rng(0))
        assert scene.shape == (90, 120, 3)
        assert scene.std() > 10


class TestProgram:
    def test_layout_is_that_of_aim_500(self, data_set):
        root = data_set / "foregrounds"
        stems = [f"{kind}_000" for kind in KINDS]
        for role in ("original", "mask", "trimap"):
            assert list(by_stem(root / role)) == sorted(stems)
        assert (root / "validation.txt").read_text() == "lace_000\n"
        assert len(list((data_set / "backgrounds").glob("*.jpg"))) == 12
        assert not list(data_set.parent.glob(".*"))

    def test_trimaps_know_only_what_is_true(self, data_set):
        root = data_set / "foregrounds"
        for name, mask in by_stem(root / "mask").items():
            alpha, trimap = read_alpha(mask), read_trimap(root / "trimap" / f"{name}.png")
            assert (alpha[trimap == 0] == 0).all()
            assert (alpha[trimap == 255] == 255).all()

    def test_backgrounds_cover_every_foreground(self, data_set):
        for background in by_stem(data_set / "backgrounds").values():
            height, width, _ = read_header(background)
            assert height >= 96
            assert width >= 96

    def test_same_seed_same_files(self, data_set, tmp_path):
        main(options(tmp_path / "again"))
        assert contents(tmp_path / "again") == contents(data_set)
        main(options(tmp_path / "other", seed=2))
        other = contents(tmp_path / "other")
        assert [name for name, digest in contents(data_set).items() if other[name] == digest] == [
            "foregrounds/validation.txt"]

    def test_the_drawn_set_stays_what_it_was(self):
        """What the demo's figures rest on: mean alpha and colour of an object of each kind."""
        means = {kind: [layer.mean() for layer in draw_object(kind, 64, 80, np.random.default_rng(5))]
                 for kind in KINDS}
        for kind, expected in DRAWN.items():
            assert np.allclose(means[kind], expected, atol=0.06), (kind, means[kind])

    def test_more_kinds_and_textures(self, data_set, tmp_path):
        folder = tmp_path / "more"
        main([*options(folder, foregrounds=13, backgrounds=1), "--kinds", "more", "--textures",
              str(data_set / "backgrounds")])
        assert set(by_stem(folder / "foregrounds" / "original")) == {f"{kind}_000" for kind in MORE_KINDS}
        main([*options(tmp_path / "plain", foregrounds=13, backgrounds=1), "--kinds", "more"])
        textured, plain = contents(folder), contents(tmp_path / "plain")
        assert textured.keys() == plain.keys()
        same = [name for name in plain if name.startswith("foregrounds/original") and textured[name] == plain[name]]
        assert 0 < len(same) < 9  # about a third of the objects keep their drawn surface

    def test_process_dataset_prepares_it(self, data_set):
        root = data_set / "foregrounds"
        process = ["--data_dir", str(root), "--bg_dir", str(data_set / "backgrounds"), "--val_list",
                   str(root / "validation.txt"), "--num_bgs_train", "2", "--num_bgs_val", "2"]
        process_dataset.main(process)
        process_dataset.main([*process, "--verify"])
        assert len((root / "train" / "data.txt").read_text().splitlines()) == 10

    @pytest.mark.parametrize(("changes", "expected"), [
        ({"foregrounds": 1}, "--foregrounds 1: must be at least 2"),
        ({"backgrounds": 0}, "--backgrounds 0: must be at least 1"),
        ({"size": 10}, "--size 10: must be at least 64"),
        ({"seed": -1}, "--seed -1: must be at least 0"),
    ])
    def test_arguments_that_make_no_set(self, tmp_path, capsys, changes, expected):
        with pytest.raises(SystemExit, match="^1$"):
            main(options(tmp_path / "demo", **changes))
        assert capsys.readouterr().err == f"error: {expected}\n"
        assert not list(tmp_path.iterdir())

    def test_folders_in_use_are_left_alone(self, tmp_path, capsys):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(SystemExit, match="^1$"):
            main(options(tmp_path))
        assert "is not an empty folder; name a new one" in capsys.readouterr().err
        assert contents(tmp_path).keys() == {"mine.txt"}


DRAWN = {"hair": (131.3, 107.0), "defocus": (38.4, 95.9), "glass": (12.9, 147.7), "veil": (43.8, 193.3),
         "net": (23.9, 208.1), "lace": (63.5, 199.8)}


def soft(alpha):
    return (alpha > 0) & (alpha < 255)


def thin(alpha):
    """Share of what shows of the object that is narrower than five pixels."""
    without_thin = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return ((alpha > 40) & (without_thin < 20)).sum() / (alpha > 40).sum()


def deepest(region):
    """How far its innermost pixel lies from a region's border."""
    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5).max()


def holes(alpha):
    """Patches of pure background that the object encloses."""
    return cv2.connectedComponents((alpha == 0).astype(np.uint8), connectivity=4)[0] - 2
