"""The person around a face: where it is, what of it a mask has to know, and that the drawn one is covered."""

import numpy as np
import pytest

from pipeline.demo.pictures import PictureSpec, draw
from pipeline.images.face_detectors import Box
from pipeline.images.face_recall import Placing, compose
from pipeline.images.whole_people import PersonNetwork, body, head, is_masked, with_people
from tests.fakes.pictures import pixels, portrait

FACE = Box(100, 40, 30, 30)
SIZE = (260, 220)
RECORDED = [
    [0.00000, 0.00000, 0.00000, 1.00000, 0.00000, 0.00000, 0.00000, 0.00000],
    [0.00000, 0.00000, 1.00000, 1.00000, 1.00000, 0.00000, 0.00000, 0.00000],
    [0.00000, 0.00000, 1.00000, 1.00000, 0.00000, 0.00000, 0.00000, 0.00000],
    [0.00000, 1.00000, 1.00000, 1.00000, 1.00000, 0.00000, 0.00000, 0.00000],
    [0.00001, 1.00000, 1.00000, 1.00000, 1.00000, 0.61071, 0.00000, 0.00000],
    [1.00000, 1.00000, 1.00000, 1.00000, 0.77282, 1.00000, 1.00000, 0.00000],
    [1.00000, 1.00000, 1.00000, 1.00000, 1.00000, 1.00000, 1.00000, 1.00000],
    [1.00000, 1.00000, 1.00000, 0.98442, 1.00000, 1.00000, 1.00000, 1.00000],
]


@pytest.fixture(scope="module")
def network() -> PersonNetwork:
    return PersonNetwork()


def nothing(size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask, width x height, with nobody in it."""
    return np.zeros(size[::-1], dtype=np.bool_)


def masked(*boxes: Box) -> np.ndarray:
    """A mask of these boxes."""
    mask = nothing()
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def test_a_head_is_more_than_its_face():
    assert head(Box(100, 100, 40, 40)) == Box(86, 78, 68, 76)


def test_a_body_hangs_below_its_face_and_reaches_down_eight_faces():
    assert body(Box(100, 100, 40, 40), 3) == Box(60, 140, 120, 280)


@pytest.mark.fault("M12")
@pytest.mark.parametrize(
    "face",
    [
        pytest.param(FACE, id="in the middle"),
        pytest.param(Box(-10, 30, 30, 30), id="over the left border"),
        pytest.param(Box(240, 40, 30, 30), id="over the right border"),
        pytest.param(Box(100, -12, 30, 30), id="over the upper border"),
        pytest.param(Box(100, 205, 30, 30), id="at the lower border"),
        pytest.param(Box(100, 40, 3, 3), id="tiny"),
        pytest.param(Box(20, 20, 200, 190), id="as large as the picture"),
    ],
)
@pytest.mark.parametrize("picture", [pixels(1, SIZE), np.full((*SIZE[::-1], 3), 90, np.uint8)], ids=["noise", "plain"])
def test_head_and_column_below_a_face_are_masked_whatever_the_picture_shows(network, picture, face):
    before = masked(Box(0, 200, 9, 9))
    wide = with_people(before, picture, [face], network)
    for x, y, width, height in (head(face), body(face, 3)):
        assert wide[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)].all()
    assert wide[before].all()
    assert before.sum() == 81, "the mask that was given stays as it is"


@pytest.mark.fault("M12")
@pytest.mark.parametrize("size", [(16, 16), (17, 300), (300, 17)], ids=str)
def test_any_size_of_picture_and_any_box_can_be_asked_for(network, size):
    for face in (Box(3, 2, 8, 8), Box(-100, -100, 5, 5), Box(900, 2, 5, 5), Box(0, 0, 0, 0)):
        assert with_people(nothing(size), pixels(1, size), [face], network).shape == size[::-1]
    assert not with_people(nothing(size), pixels(1, size), [Box(-100, -300, 5, 5)], network).any()
    assert not with_people(nothing(size), pixels(1, size), [], network).any()


@pytest.mark.fault("M12")
@pytest.mark.parametrize(
    ("mask", "known"),
    [
        pytest.param(masked(head(FACE), body(FACE, 3)), True, id="all of the person"),
        pytest.param(masked(FACE, Box(100, 70, 30, 100)), True, id="a slim person"),
        pytest.param(masked(head(FACE)), False, id="the head alone"),
        pytest.param(masked(body(FACE, 3)), False, id="the body alone"),
        pytest.param(nothing(), False, id="nothing"),
    ],
)
def test_a_mask_knows_a_person_by_head_and_chest(mask, known):
    assert is_masked(mask, FACE) == known


def test_what_is_outside_the_picture_is_asked_of_no_mask():
    low = Box(100, 195, 30, 30)
    assert is_masked(masked(Box(100, 195, 30, 25)), low)
    assert is_masked(nothing(), Box(-200, -200, 10, 10))


@pytest.mark.fault("M12")
@pytest.mark.parametrize("side", [96, 256])
def test_of_a_drawn_person_nearly_nothing_is_left_open(network, side):
    for number in range(4):
        drawn = draw(PictureSpec(key=(12, number), place=number, portrait="side"), side)
        rows, columns = np.nonzero(drawn.face)
        face = Box(columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        square = Box(*map(int, (face.x, face.y + (face.height - face.width) / 2, face.width, face.width)))
        wide = with_people(np.zeros_like(drawn.mask), drawn.pixels, [square], network)
        assert wide[drawn.face].all()
        assert wide[drawn.mask].mean() > 0.93
        assert wide.mean() < 0.5


@pytest.mark.fault("I44")
@pytest.mark.parametrize("face", [0.03, 0.06, 0.12])
def test_a_small_person_is_seen_in_the_surroundings_of_the_face(network, face):
    made = compose(3, (Placing(face=face),), 640)
    found = network.around(made.picture, made.faces)
    (x, y, width, height) = made.faces[0]
    assert found[y : y + height, x : x + width].mean() > 0.9
    assert found[y + 2 * height : y + 3 * height, x : x + width].mean() > 0.9, "the chest"
    assert found.mean() < 80 * face**2, "and little else"


def test_the_surroundings_of_nobody_show_nobody(network):
    assert not network.around(pixels(1, SIZE), []).any()


@pytest.mark.fault("I44")
def test_the_networks_answers_are_those_that_mediapipes_own_reader_gives(network):
    """Recorded with the package mediapipe 0.10.21: SelfieSegmentation(model_selection=0) on the demo's portrait."""
    found = network.probabilities(portrait())
    rows, columns = np.mgrid[16:256:32, 16:256:32]
    assert found[rows, columns] == pytest.approx(np.array(RECORDED), abs=1e-4)
