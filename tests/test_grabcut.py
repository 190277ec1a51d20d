"""Masks from a box and from strokes: a red disc on green is found; marks are read, kept and never lost."""
import cv2
import numpy as np
import pytest

from matting.errors import UserError
from matting.trimap.grabcut import SIDE, Box, doubt_holes, mask_from_marks, tidy_mask
from matting.trimap.marks import UNMARKED, read_marks, resize_marks, with_marks

GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (0, 0, 255)


def disc(size=(90, 120), centre=(60, 45), radius=25):
    """(photograph, where the object is): a red disc on a green meadow, both with some noise."""
    where = np.zeros(size, np.uint8)
    cv2.circle(where, centre, radius, 1, -1)
    colours = np.where(where[:, :, None] > 0, np.array([200, 40, 40]), np.array([40, 150, 60]))
    noise = np.random.default_rng(0).normal(0, 6, colours.shape)
    return np.clip(colours + noise, 0, 255).astype(np.uint8), where > 0


def overlap(mask, where):
    found = mask > 0
    return np.count_nonzero(found & where) / np.count_nonzero(found | where)


def strokes(size=(90, 120)):
    marks = np.full(size, UNMARKED, np.uint8)
    marks[43:48, 50:70] = 255
    marks[5:10, :] = 0
    return marks


@pytest.mark.parametrize("inputs", [{"box": Box(30, 15, 62, 62)}, {"marks": strokes()},
                                    {"box": Box(30, 15, 62, 62), "marks": strokes()}])
def test_the_object_is_found(inputs):
    image, where = disc()
    image.flags.writeable = False
    mask = mask_from_marks(image, **inputs)
    assert set(np.unique(mask)) == {0, 255}
    assert overlap(mask, where) > 0.97
    assert overlap(mask[:, ::-1].copy(), np.roll(where, 20, 1)) < 0.6  # what the comparison says of another place


def test_what_looks_like_the_outside_is_background_in_a_box_too():
    """A disc under a patch of sky, most of which the box holds; without the look outside it would be object."""
    image, where = disc((140, 160), (60, 95), 30)
    image[10:60, 60:150] = np.clip(np.random.default_rng(1).normal((90, 140, 230), 6, (50, 90, 3)), 0, 255)
    assert overlap(mask_from_marks(image, Box(25, 12, 130, 118)), where) > 0.97


def test_a_box_that_cuts_a_little_of_the_object_off_finds_the_rest():
    """Two columns of the disc lie outside: its red is no colour of the background for that."""
    image, where = disc()
    assert overlap(mask_from_marks(image, Box(37, 16, 56, 58)), where) > 0.97


def test_an_object_of_the_colours_around_it_starts_as_all_of_the_box():
    image, _ = disc()
    grey = np.repeat(image[:, :, 1:2] // 8 + 100, 3, axis=2)
    assert mask_from_marks(grey, Box(30, 15, 62, 62)).any()


def test_equal_input_gives_equal_masks():
    image, _ = disc()
    cv2.setRNGSeed(99)
    first = mask_from_marks(image, Box(20, 5, 80, 80))
    np.testing.assert_array_equal(mask_from_marks(image, Box(20, 5, 80, 80)), first)


def test_a_large_photograph_is_cut_reduced():
    image, where = disc((1500, 2000), (900, 700), 400)
    mask = mask_from_marks(image, Box(450, 250, 900, 900))
    assert mask.shape == (SIDE * 3 // 4, SIDE)
    assert overlap(mask, cv2.resize(where.astype(np.uint8), mask.shape[::-1]) > 0) > 0.97


def test_what_is_marked_stays():
    """A stroke over meadow makes it object, though it looks like the rest."""
    image, _ = disc()
    marks = strokes()
    marks[80:84, 5:25] = 255
    assert (mask_from_marks(image, marks=marks)[80:84, 5:25] == 255).all()


def test_a_part_of_another_colour_is_found_though_no_stroke_marks_it():
    """A yellow ball on the disc, nearer to the background's stroke than to the object's."""
    image, where = disc((140, 120), (60, 90), 30)
    ball = np.zeros(where.shape, np.uint8)
    cv2.circle(ball, (60, 45), 18, 1, -1)
    image[ball > 0] = 230, 200, 40
    marks = np.full(where.shape, UNMARKED, np.uint8)
    marks[105:110, 50:70], marks[22:25] = 255, 0
    found = mask_from_marks(image, marks=marks)
    assert overlap(found, where | (ball > 0)) > 0.95
    assert overlap(found, where) < 0.85  # without the ball


def test_small_islands_and_holes_go_unless_they_are_marked():
    """An object of 50x60 less its holes; parts of 60 and 59 pixels, 2 % of it being 59.8; holes of 7 and 4, 0.2 % 6."""
    mask = np.zeros((80, 120), np.uint8)
    mask[10:60, 10:70] = 255
    mask[20, 20:27] = mask[30:32, 30:32] = 0
    mask[10:20, 80:86] = mask[30:40, 80:86] = 255
    mask[30, 80] = 0
    unmarked = np.full(mask.shape, UNMARKED, np.uint8)
    kept = np.array([255, 0, 0, 255])  # larger island, smaller one, larger hole, smaller one
    places = [15, 35, 20, 30], [82, 82, 20, 30]
    np.testing.assert_array_equal(tidy_mask(mask, unmarked)[places], kept)
    marked = unmarked.copy()
    marked[35, 82], marked[30, 30] = 255, 0
    np.testing.assert_array_equal(tidy_mask(mask, marked), mask)


def test_holes_that_may_be_either_are_left_to_the_network():
    """An object of 50x60 less its holes of 24 and 40 pixels, 1 % of it being 29; what is marked stays."""
    mask = np.zeros((80, 120), np.uint8)
    mask[10:60, 10:70] = 255
    mask[20:24, 20:26] = mask[30:35, 30:38] = 0
    unmarked = np.full(mask.shape, UNMARKED, np.uint8)
    doubted = doubt_holes(mask, unmarked)
    assert (doubted[20:24, 20:26] == 128).all() and np.count_nonzero(doubted != mask) == 24
    marked = unmarked.copy()
    marked[22, 22] = 0
    np.testing.assert_array_equal(doubt_holes(mask, marked), mask)


def test_strokes_of_one_kind_need_the_box():
    image, where = disc()
    only_object = np.where(strokes() == 0, np.uint8(UNMARKED), strokes())
    with pytest.raises(UserError, match="mark some of both"):
        mask_from_marks(image, marks=only_object)
    assert overlap(mask_from_marks(image, Box(30, 15, 62, 62), only_object), where) > 0.97


def test_no_object_is_one_line():
    """In a box over meadow alone, where nothing differs from what lies around."""
    image = np.full((60, 60, 3), 90, np.uint8)
    with pytest.raises(UserError, match="no object was found|mark some of both"):
        mask_from_marks(image, Box(20, 20, 20, 20))


def test_boxes_are_read():
    assert Box.parse("12,20,300,400") == Box.parse("12 20 300 400") == (12, 20, 300, 400)
    assert Box(-10, 5, 30, 100).inside((50, 80)) == (slice(5, 50), slice(0, 20))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,0,4", "1.5,2,3,4"])
def test_a_bad_box_is_named(text):
    with pytest.raises(UserError, match="expected X,Y,WIDTH,HEIGHT in pixels"):
        Box.parse(text)


@pytest.mark.parametrize(("box", "message"), [((90, 0, 10, 10), "lies outside the photograph of 80x50"),
                                              ((-5, -5, 200, 200), "leaves nothing of the photograph outside")])
def test_a_box_beside_the_photograph_is_named(box, message):
    with pytest.raises(UserError, match=message):
        Box(*box).inside((50, 80))


def painted(layer, colours):
    """A picture with one 2x2 mark of each colour along its diagonal."""
    for place, colour in enumerate(colours):
        layer[3 * place:3 * place + 2, 3 * place:3 * place + 2, :3] = colour
        if layer.shape[2] == 4:
            layer[3 * place:3 * place + 2, 3 * place:3 * place + 2, 3] = 255
    return layer


@pytest.mark.parametrize("ground", [40, 160, 235])
def test_colours_are_marks_on_any_photograph(ground):
    photograph = np.full((24, 24, 3), ground, np.uint8)
    marks = read_marks(painted(photograph[:12, :12].copy(), [GREEN, RED, BLUE]), photograph)
    expected = np.full((12, 12), UNMARKED)
    expected[0:2, 0:2], expected[3:5, 3:5], expected[6:8, 6:8] = 255, 0, 128
    np.testing.assert_array_equal(marks, expected)


def test_a_layer_may_be_painted_white_black_and_grey():
    layer = painted(np.zeros((18, 18, 4), np.uint8), [(255,) * 3, (0,) * 3, (128,) * 3, GREEN, RED, BLUE])
    marks = read_marks(layer, np.zeros((18, 18, 3), np.uint8))
    assert [marks[3 * place, 3 * place] for place in range(6)] == [255, 0, 128, 255, 0, 128]
    assert np.count_nonzero(marks != UNMARKED) == 6 * 4


def test_marks_survive_jpeg():
    photograph = np.full((64, 64, 3), 120, np.uint8)
    picture = photograph.copy()
    picture[8:16], picture[40:48] = GREEN, RED
    _, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    marks = read_marks(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[:, :, ::-1], photograph)
    assert (marks[10:14] == 255).all() and (marks[42:46] == 0).all() and (marks[24:32] == UNMARKED).all()


def test_a_picture_without_marks_is_refused():
    """Nor does a photograph of a red thing hold any."""
    tomato = np.full((20, 20, 3), (240, 20, 10), np.uint8)
    assert (read_marks(tomato, np.full((20, 20, 3), 90, np.uint8)) == 0).all()
    for photograph in (disc()[0], tomato):
        with pytest.raises(UserError, match="holds no marks; paint the object green"):
            read_marks(photograph, photograph)


def test_no_stroke_is_lost_in_a_reduced_picture():
    marks = np.full((80, 80), UNMARKED, np.uint8)
    marks[41], marks[17] = 255, 0
    small = resize_marks(marks, (10, 10))
    assert (small[5] == 255).all() and (small[2] == 0).all() and np.count_nonzero(small != UNMARKED) == 20
    np.testing.assert_array_equal(resize_marks(small, (20, 20)), np.kron(small, np.ones((2, 2), np.uint8)))


def test_marks_have_the_last_word():
    trimap = np.array([[0, 128, 255, 128]], np.uint8)
    marks = np.array([[255, 0, 128, UNMARKED]], np.uint8)
    np.testing.assert_array_equal(with_marks(trimap, marks), [[255, 0, 128, 128]])
