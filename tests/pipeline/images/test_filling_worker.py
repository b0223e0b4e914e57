"""The worker: what becomes of one picture, whatever its batch, and that nothing with a face reaches the store.

The gate here takes pure green for a face, the inpainter paints holes in one colour.
"""

import numpy as np
import pytest

from pipeline.images.clean_images import FillWorker
from pipeline.images.face_detectors import Box
from pipeline.images.face_gate import load_gate
from pipeline.images.fillers import BuiltinFill
from pipeline.images.whole_people import PersonNetwork, with_people
from pipeline.picture_bytes import decode_picture, encode_clean, encode_mask
from pipeline.store.digests import bytes_digest
from tests.fakes.face_gates import GREEN, green_gate, with_green
from tests.fakes.painting import PaintingFill
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.slow

SIZE = (320, 256)
MADE_BY = {"inpainter": "painting", "weights_sha256": "ab" * 32, "recipe": "r"}
MAGENTA = (255, 0, 255)
FACE = Box(128, 128, 32, 32)
"""what the gate reports of a green square at (128, 128)"""


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A dull picture in which nothing is green."""
    return (pixels(seed, size) // 3 + 60).astype(np.uint8)


def hole(left: int = 64, top: int = 96, side: int = 48, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask with one square in it."""
    mask = np.zeros(size[::-1], dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def row(picture: np.ndarray, mask: np.ndarray | None = None, **changes: object) -> dict:
    """What the engine hands the worker."""
    data = encoded(picture, "PNG")
    ratio = float(mask.mean()) if mask is not None else 0.0
    png = encode_mask(mask) if mask is not None else None
    return {"digest": bytes_digest(data), "data": data, "portrait_ratio": ratio, "mask": png, **changes}


@pytest.fixture
def make(store, tmp_path):
    """Makes a worker on the store of this test."""
    choice = green_gate(tmp_path)

    def worker(inpainter=None, **changes) -> FillWorker:
        settings = {"max_portrait_ratio": 0.5, "jpeg_quality": 95, "num_at_once": 2, "num_threads": 2, **changes}
        return FillWorker(inpainter or PaintingFill(), choice, store.blobs, MADE_BY, **settings)

    return worker


def clean(store, result: dict) -> np.ndarray:
    """The released picture."""
    return decode_picture(store.blobs.get("clean", result["clean_digest"]))


def released(store) -> set[str]:
    """The names of all clean pictures in the store."""
    return {path.name for path in (store.root / "blobs" / "clean").rglob("*") if path.is_file()}


@pytest.mark.fault("M6")
@pytest.mark.parametrize("mask", [None, np.zeros(SIZE[::-1], dtype=np.bool_)], ids=["no mask", "an empty mask"])
def test_without_a_person_the_pixels_stay_and_nothing_is_masked(make, store, mask):
    inpainter, picture = PaintingFill(), scene()
    (result,) = make(inpainter)([row(picture, mask)])
    assert result["outcome"] == "unchanged"
    assert store.blobs.get("clean", result["clean_digest"]) == encode_clean(picture)
    assert inpainter.calls == []


@pytest.mark.fault("M6")
@pytest.mark.fault("M7")
@pytest.mark.parametrize(
    ("mask", "limit"),
    [
        pytest.param(hole(0, 0, 250), 0.5, id="everyone a person"),
        pytest.param(np.ones(SIZE[::-1], dtype=np.bool_), 0.5, id="all of it a person"),
        pytest.param(np.ones(SIZE[::-1], dtype=np.bool_), 1.0, id="all of it, where any share is allowed"),
    ],
)
def test_where_people_fill_the_picture_it_is_dropped(make, store, mask, limit):
    inpainter = PaintingFill()
    (result,) = make(inpainter, max_portrait_ratio=limit)([row(scene(), mask)])
    assert (result["outcome"], result["clean_digest"]) == ("mostly_person", None)
    assert inpainter.calls == []
    assert released(store) == set()


@pytest.mark.fault("M7")
def test_the_largest_share_of_people_is_still_filled(make):
    half = np.arange(SIZE[0]) < SIZE[0] // 2
    (result,) = make()([row(scene(), np.tile(half, (SIZE[1], 1)))])
    assert result["outcome"] == "filled"


@pytest.mark.fault("M7")
@pytest.mark.fault("M12")
@pytest.mark.parametrize(("room", "outcome"), [(0.0, "filled_again"), (-1e-6, "mostly_person")])
def test_so_is_the_largest_share_with_the_people_of_the_faces(make, room, outcome):
    picture = with_green(scene(), 128, 128)
    share = float(with_people(np.zeros(SIZE[::-1], dtype=np.bool_), picture, [FACE], PersonNetwork()).mean())
    (result,) = make(max_portrait_ratio=share + room)([row(picture)])
    assert result["outcome"] == outcome


@pytest.mark.fault("M6")
@pytest.mark.fault("M8")
@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(hole(0, 96), id="left edge"),
        pytest.param(hole(272, 208), id="lower right corner"),
        pytest.param(hole(side=1), id="one pixel"),
    ],
)
def test_outside_the_mask_the_encoded_pixels_are_the_originals(make, store, mask):
    picture = scene()
    (result,) = make()([row(picture, mask)])
    expected = np.where(mask[..., None], np.array([200, 0, 0], dtype=np.uint8), picture)
    assert result["outcome"] == "filled"
    assert store.blobs.get("clean", result["clean_digest"]) == encode_clean(expected)


@pytest.mark.fault("M8")
@pytest.mark.parametrize("size", [(31, 200), (257, 129), (333, 500)], ids=str)
def test_a_clean_picture_is_as_large_as_its_original(make, store, size):
    (result,) = make()([row(scene(size=size), hole(4, 4, 20, size))])
    assert clean(store, result).shape == (*size[::-1], 3)


@pytest.mark.fault("M7")
def test_a_mask_of_another_size_is_a_reason_and_not_the_end_of_the_batch(make, store):
    wrong = hole(size=(256, 320))
    results = make()([row(scene(1), hole()), row(scene(2), wrong), row(scene(3))])
    assert [result["outcome"] for result in results] == ["filled", "bad_mask", "unchanged"]
    assert results[1]["clean_digest"] is None


@pytest.mark.fault("M7")
@pytest.mark.parametrize("is_again", [False, True], ids=["first filling", "second filling"])
def test_an_answer_that_is_not_finite_is_a_reason_and_never_a_black_picture(make, store, is_again):
    poisoned = scene(2)
    poisoned[0, 0] = (1, 2, 3)
    first = row(with_green(poisoned, 128, 128)) if is_again else row(poisoned, hole())
    results = make(PaintingFill(poison=(1, 2, 3)))([first, row(scene(3), hole())])
    assert [result["outcome"] for result in results] == ["not_finite", "filled"]
    assert released(store) == {results[1]["clean_digest"]}


@pytest.mark.parametrize(
    ("mask", "outcome"),
    [
        pytest.param(None, "filled_again", id="no mask"),
        pytest.param(hole(240, 200), "filled", id="a mask elsewhere: the gate looks at the original too"),
    ],
)
@pytest.mark.fault("M6")
def test_a_face_that_is_left_is_masked_with_its_person(make, store, mask, outcome):
    picture, inpainter = with_green(scene(), 128, 128), PaintingFill()
    (result,) = make(inpainter)([row(picture, mask)])
    before = mask if mask is not None else np.zeros(SIZE[::-1], dtype=np.bool_)
    wide = with_people(before, picture, [FACE], PersonNetwork())
    expected = np.where(wide[..., None], np.array([200, 0, 0], dtype=np.uint8), picture)
    assert result["outcome"] == outcome
    assert store.blobs.get("clean", result["clean_digest"]) == encode_clean(expected)
    assert (inpainter.calls[-1][0] == wide).all()


def standing(face_x: int = 128, face_y: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Somebody with a green face and a body in magenta down to the lower edge, and where the body is."""
    picture, body = with_green(scene(), face_x, face_y), np.zeros(SIZE[::-1], dtype=np.bool_)
    body[face_y + 36 :, max(0, face_x - 30) : face_x + 62] = True
    picture[body] = MAGENTA
    return picture, body


@pytest.mark.fault("M12")
@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(None, id="nobody was found"),
        pytest.param(hole(240, 200, 20), id="somebody else was found"),
        pytest.param(hole(120, 46, 54), id="the head alone was found"),
        pytest.param(hole(128, 100, 40), id="a piece of the body was found"),
    ],
)
@pytest.mark.parametrize("face_x", [128, 0, 288], ids=["in the middle", "at the left edge", "at the right edge"])
def test_a_head_takes_the_body_below_it(make, store, mask, face_x):
    picture, body = standing(face_x)
    mask = None if mask is None else np.roll(mask, face_x - 128, axis=1)
    (result,) = make()([row(picture, mask)])
    left = (np.abs(clean(store, result).astype(int) - MAGENTA).max(axis=2) < 40) & body
    assert left.sum() <= 0.02 * body.sum()


@pytest.mark.fault("M12")
@pytest.mark.parametrize("mask", [None, hole(120, 46, 54)], ids=["nobody was found", "the head alone was found"])
def test_a_head_whose_body_leaves_too_little_drops_the_picture(make, store, mask):
    picture, body = standing()
    (result,) = make(max_portrait_ratio=float(body.mean()))([row(picture, mask)])
    assert (result["outcome"], result["clean_digest"]) == ("mostly_person", None)
    assert released(store) == set()


@pytest.mark.fault("M12")
def test_a_mask_that_knows_the_person_is_left_as_it_is(make):
    picture, body = standing()
    mask = body | hole(112, 46, 64)
    inpainter = PaintingFill()
    make(inpainter)([row(picture, mask)])
    assert [(call[0] == mask).all() for call in inpainter.calls] == [True]


@pytest.mark.fault("M6")
def test_twenty_people_are_masked_or_the_picture_is_dropped(make, store):
    picture = scene(size=(640, 512))
    for left in range(32, 640, 128):
        for top in range(64, 512, 128):
            picture = with_green(picture, left, top)
    (allowed, dropped) = [make(max_portrait_ratio=limit)([row(picture)])[0] for limit in (0.99, 0.5)]
    assert allowed["outcome"] == "filled_again"
    assert not (clean(store, allowed) == GREEN).all(axis=2).any()
    assert dropped["outcome"] == "mostly_person"


@pytest.mark.fault("M6")
def test_a_face_that_comes_back_drops_the_picture_and_reaches_no_disk(make, store):
    (result,) = make(PaintingFill(colour=GREEN))([row(scene(), hole(64, 64, 64))])
    assert (result["outcome"], result["clean_digest"]) == ("face_left", None)
    assert released(store) == set()


@pytest.mark.fault("M6")
def test_a_picture_of_which_the_second_mask_leaves_little_is_dropped(make, store):
    picture = with_green(scene(), 128, 128)
    mask = hole(0, 0, 120)
    assert mask.mean() < 0.2
    (result,) = make(max_portrait_ratio=0.2)([row(picture, mask)])
    assert result["outcome"] == "mostly_person"
    assert released(store) == set()


@pytest.mark.fault("M6")
def test_the_gate_finds_nothing_in_what_is_released(make, store, tmp_path):
    generator = np.random.default_rng(0)
    rows = []
    for number in range(8):
        picture = scene(number)
        for left, top in generator.integers(0, 8, (number % 4, 2)) * 32:
            picture = with_green(picture, left, top)
        rows.append(row(picture, hole() if number % 2 else None))
    results = make(num_at_once=5)(rows)
    gate, outcomes = load_gate(green_gate(tmp_path)), {result["outcome"] for result in results}
    assert outcomes >= {"unchanged", "filled", "filled_again"}
    kept = [result for result in results if result["clean_digest"] is not None]
    assert gate.find([clean(store, result) for result in kept]) == [[]] * len(kept)
    assert released(store) == {result["clean_digest"] for result in kept}


@pytest.mark.fault("M6")
def test_the_gate_judges_the_bytes_and_not_the_pixels_before_them(make, store, tmp_path):
    """Squares as green as the gate's threshold: what the encoder makes of them decides."""
    rows = []
    for number in range(0, 120, 13):
        picture = scene(number)
        picture[128:160, 128:160] = (55 + number % 12, 255 - number // 12, 55 + number % 12)
        rows.append(row(picture))
    results = make(jpeg_quality=50)(rows)
    assert {result["outcome"] for result in results} == {"unchanged", "filled_again"}
    gate = load_gate(green_gate(tmp_path))
    assert gate.find([clean(store, result) for result in results]) == [[]] * len(results)


@pytest.mark.fault("M1")
@pytest.mark.parametrize(("data", "reason"), [(None, "original_gone"), (b"<html>", "not_an_image")], ids=str)
def test_what_cannot_be_read_is_a_reason(make, data, reason):
    results = make()([row(scene(), data=data), row(scene(1))])
    assert [result["outcome"] for result in results] == [reason, "unchanged"]


@pytest.mark.fault("M9")
def test_a_row_does_not_depend_on_its_batch(make):
    rows = [
        row(scene(0)),
        row(scene(1), hole()),
        row(with_green(scene(2), 128, 128)),
        row(scene(3), data=None),
        row(with_green(scene(4), 64, 64), hole(200, 100)),
        row(scene(5), hole(0, 0, 250)),
        row(scene(6), hole(8, 8)),
    ]
    one_by_one = [make()([each])[0] for each in rows]
    for num_at_once in (1, 3, 7):
        assert make(num_at_once=num_at_once)(rows) == one_by_one
    assert make()([]) == []


@pytest.mark.fault("M5")
def test_pixels_under_the_mask_leave_no_trace(make, store):
    """Two originals that differ under the mask alone give the same bytes: what was there cannot be known any more."""
    mask = hole(64, 64, 96)
    pictures = [scene(), np.where(mask[..., None], scene(9), scene())]
    assert (pictures[0] != pictures[1]).any()
    results = [make(BuiltinFill())([row(picture, mask)])[0] for picture in pictures]
    assert results[0]["clean_digest"] == results[1]["clean_digest"]
    assert len(released(store)) == 1


def test_every_row_says_what_ran(make):
    for result in make()([row(scene()), row(scene(1), data=None)]):
        assert {name: result[name] for name in MADE_BY} == MADE_BY
