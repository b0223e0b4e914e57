"""The gate's recall: counted on pictures of known faces, the same each time, kept, and shown with its limits."""

import json

import numpy as np
import pytest

from pipeline.images.face_detectors import Box
from pipeline.images.face_gate import OFF, GateChoice, choose_gate, load_gate
from pipeline.images.face_recall import (
    FACE,
    KINDS,
    NOT_SHOWN,
    Composite,
    Found,
    Placing,
    compose,
    measure_recall,
    num_found,
    read_recall_text,
    recall_of,
    recall_text,
    scene,
)
from pipeline.images.fillers import CleanImagesSettings
from pipeline.store import Store
from tests.fakes.face_gates import green_gate

FEWER = {"turned 30 to 45°": 2, "lying": 1, "twenty small": 1, "small": 3, "dark": 2, "squeezed": 2}
"""kinds that the cascades of earlier versions missed or that are hard, every so many of their composites"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> dict[str, Found]:
    """What the gate finds as a stage takes it by default, in some composites of a kind."""
    settings = CleanImagesSettings()
    choice = choose_gate(
        Store(tmp_path_factory.mktemp("store")),
        settings.face_gate,
        search_side_px=settings.gate_search_side_px,
        min_score=settings.gate_min_score,
    )
    with pytest.MonkeyPatch.context() as patch:
        asked = {kind: KINDS[kind][::step] for kind, step in {**FEWER, "back of the head": 1}.items()}
        patch.setattr("pipeline.images.face_recall.KINDS", asked)
        return {found.kind: found for found in measure_recall(load_gate(choice))}


@pytest.mark.slow
@pytest.mark.fault("I43")
@pytest.mark.parametrize("kind", FEWER)
def test_small_turned_lying_and_dark_faces_are_all_found(counted, kind):
    assert counted[kind].num_found == counted[kind].num_faces > 0


@pytest.mark.slow
@pytest.mark.fault("M6")
def test_what_the_gate_misses_is_counted_too(counted):
    assert counted["back of the head"].num_found == 0


@pytest.fixture(scope="module")
def green(tmp_path_factory) -> GateChoice:
    """A gate that sees no faces; what it finds is counted once."""
    return green_gate(tmp_path_factory.mktemp("green"))


@pytest.mark.slow
def test_every_kind_is_counted_whole_and_a_detector_that_sees_no_faces_has_found_none(store, green):
    counted = recall_of(store, green)
    assert {found.kind: found.num_faces for found in counted} == {
        kind: sum(map(len, groups)) for kind, groups in KINDS.items()
    }
    assert {found.num_found for found in counted} == {0}


@pytest.mark.slow
def test_it_is_counted_once_for_each_detector_and_setting(store, green):
    choice = green
    first = recall_of(store, choice)
    (file,) = (store.root / "face_recall").iterdir()
    file.write_text(json.dumps([vars(Found(kind="upright", num_found=7, num_faces=7))]))
    assert recall_of(store, choice) == [Found(kind="upright", num_found=7, num_faces=7)] != first
    other = GateChoice(
        network=OFF, weights_sha256="other", search_side_px=choice.search_side_px, min_score=choice.min_score
    )
    assert other.recipe != choice.recipe


@pytest.mark.fault("S30")
@pytest.mark.parametrize(
    "damage", [b"", b'[{"kind": 1}]', b'{"a": [1]}', None], ids=["empty", "shape", "keys", "flip"]
)
def test_a_kept_count_that_is_damaged_is_made_again(store, green, monkeypatch, caplog, damage):
    counted = (Found(kind="upright", num_found=1024, num_faces=2048),)
    monkeypatch.setattr("pipeline.images.face_recall._counted", lambda choice: counted)
    assert recall_of(store, green) == list(counted)
    (file,) = (store.root / "face_recall").iterdir()
    file.write_bytes(file.read_bytes().replace(b"1024", b"1025") if damage is None else damage)
    for _ in range(2):
        assert recall_of(store, green) == list(counted)
    assert caplog.text.count("is damaged") == 1


def test_equal_placings_give_equal_pictures():
    placings = (Placing(face=0.1, x=0.3), Placing(face=0.05, x=0.7, angle=20))
    first, second = (compose(4, placings, 320) for _ in range(2))
    assert (first.picture == second.picture).all()
    assert first.faces == second.faces


@pytest.mark.parametrize("face", [0.02, 0.05, 0.2])
def test_a_composite_says_where_its_face_is(face):
    made = compose(4, (Placing(face=face),), 640)
    (box,) = made.faces
    assert box.width == pytest.approx(640 * face, abs=1)
    assert box.x + box.width / 2 == pytest.approx(320, abs=1)
    changed = (made.picture != scene(4, 640)).any(axis=2)
    assert changed[box.y : box.y + box.height, box.x : box.x + box.width].mean() > 0.95


def test_a_face_over_the_border_counts_as_far_as_it_is_in_the_picture():
    (box,) = compose(4, (Placing(face=0.1, x=0.0),), 640).faces
    assert (box.x, box.width) == (0, 32)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([Box(100, 100, 40, 40)], 1, id="the face itself"),
        pytest.param([Box(100, 100, 40, 40)] * 2, 1, id="twice is once"),
        pytest.param([], 0, id="nothing"),
        pytest.param([Box(300, 100, 40, 40)], 0, id="elsewhere"),
        pytest.param([Box(112, 112, 4, 4)], 0, id="an eye"),
    ],
)
def test_a_face_is_found_where_masking_would_hide_it(boxes, expected):
    made = Composite(np.zeros((400, 400, 3), dtype=np.uint8), [Box(100, 100, 45, 55)])
    assert num_found(made, boxes) == expected


def test_the_line_of_the_record_is_read_back():
    found = [Found(kind="turned 10 to 20°", num_found=3, num_faces=8), Found(kind="dark", num_found=0, num_faces=9)]
    assert read_recall_text(recall_text(found)) == found
    assert read_recall_text("") == []


@pytest.mark.parametrize("what", ["one woman", "skin tone", "crowds", "statues", "hidden", "lower by an unknown"])
def test_what_it_does_not_show_is_said(what):
    assert what in NOT_SHOWN


def test_the_face_of_the_portrait_is_where_it_is_said_to_be():
    from tests.fakes.pictures import portrait

    skin = portrait()[FACE.y + 20 : FACE.y + 40, FACE.x + 10 : FACE.x + 35].astype(int)
    assert (skin[..., 0] > skin[..., 2] + 20).mean() > 0.9, "red over blue, unlike her suit's collar and the wall"
