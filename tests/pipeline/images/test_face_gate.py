"""The face gate: it finds the portrait, says where, and is what the settings ask for or an error."""

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import StageError
from pipeline.images.face_detectors import Box
from pipeline.images.face_gate import OFF, YUNET, choose_gate, load_gate
from pipeline.images.face_recall import FACE, Placing, compose, scene
from pipeline.images.whole_people import head
from pipeline.picture_bytes import decode_picture, encode_clean
from pipeline.store.digests import bytes_digest
from pipeline.weights import weights_store
from pipeline.weights.registry import REGISTRY, SELFIE, SHIPPED_FOLDER
from pipeline.weights.weights_store import WeightsFile, WeightsStore
from tests.fakes.face_gates import green_gate, with_green
from tests.fakes.pictures import pixels, portrait
from tests.fakes.yunet import yunet_bytes

SIZES = {"search_side_px": 640, "min_score": 0.5}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    from pipeline.store import Store

    return load_gate(choose_gate(Store(tmp_path_factory.mktemp("store")), "yunet", **SIZES))


def hits(box: Box, face: Box) -> bool:
    """Whether the middle of the face is in the box."""
    return (
        box.x <= face.x + face.width / 2 <= box.x + box.width
        and box.y <= face.y + face.height / 2 <= box.y + box.height
    )


def test_the_portrait_is_found_where_it_is(gate):
    (boxes,) = gate.find([portrait()])
    assert any(hits(box, FACE) for box in boxes)


@pytest.mark.fault("M6")
@pytest.mark.parametrize(
    "placing",
    [
        pytest.param(Placing(face=0.1, x=0.04), id="at the left edge"),
        pytest.param(Placing(face=0.1, x=0.96), id="at the right edge"),
        pytest.param(Placing(face=0.1, appearance="poster"), id="poster"),
        pytest.param(Placing(face=0.1, appearance="mirror", is_mirrored=True), id="mirror"),
        pytest.param(Placing(face=0.1, appearance="screen"), id="screen"),
        pytest.param(Placing(face=0.1, appearance="statue"), id="a statue's face is a face"),
        pytest.param(Placing(face=0.1, brightness=0.15), id="dark"),
        pytest.param(Placing(face=0.1, angle=180, y=0.5), id="upside down"),
        pytest.param(Placing(face=0.1, angle=90, y=0.5), id="lying"),
        pytest.param(Placing(face=0.1, angle=-45), id="turned"),
        pytest.param(Placing(face=0.022), id="fourteen pixels wide"),
    ],
)
def test_a_face_is_a_face_wherever_it_is(gate, placing):
    made = compose(2, (placing,), 640)
    assert any(hits(head(box), made.faces[0]) for box in gate.find([made.picture])[0])


@pytest.mark.fault("I45")
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_face_as_large_as_the_picture_is_found(gate, share):
    side = round(FACE.height / share)
    left, top = FACE.x + (FACE.width - side) // 2, FACE.y + (FACE.height - side) // 2
    close = np.asarray(Image.fromarray(portrait()[top : top + side, left : left + side]).resize((900, 900)))
    assert gate.find([close])[0]


@pytest.mark.fault("M6")
@pytest.mark.parametrize(
    "placing",
    [
        pytest.param(Placing(face=0.1, appearance="back_of_head"), id="the back of a head"),
        pytest.param(Placing(face=0.006), id="four pixels wide"),
    ],
)
def test_what_the_gate_cannot_see_is_known(gate, placing):
    made = compose(5, (placing,), 640)
    assert not any(hits(box, made.faces[0]) for box in gate.find([made.picture])[0])


def test_scenes_and_noise_without_people_are_left_alone(gate):
    assert gate.find([scene(number, 640) for number in (0, 1, 3)] + [pixels(size=(300, 200))]) == [[]] * 4


@pytest.mark.fault("I43")
@pytest.mark.parametrize(
    ("name", "faces"),
    [
        ("public_domain/astronaut.png", 1),
        ("u2net/input/boat.jpg", 1),  # 28 pixels of 1280
        ("u2net/input/sailboat3.jpg", 1),  # 18 pixels of 734
        ("public_domain/coffee.png", 0),
        ("public_domain/rocket.jpg", 0),
        ("u2net/input/horse.jpg", 0),
        ("u2net/input/whisk.png", 0),  # a meerkat's
    ],
)
def test_the_faces_of_photographs_are_counted_right(gate, shared_data, name, faces):
    assert len(gate.find([decode_picture((shared_data / "photos" / name).read_bytes())])[0]) == faces


@pytest.mark.fault("I45")
@pytest.mark.parametrize("size", [(16, 16), (17, 900), (1500, 40), (640, 31), (640, 1)], ids=str)
def test_any_size_can_be_looked_at(gate, size):
    assert gate.find([pixels(size=size)]) == [[]]


def test_pictures_do_not_depend_on_their_batch(gate):
    alone = gate.find([portrait()])
    assert gate.find([pixels(), portrait(), pixels(1)])[1:2] == alone


def test_boxes_are_in_pixels_of_the_picture_however_small_it_was_searched(gate):
    (boxes,) = gate.find([portrait(1280)])
    assert any(hits(box, FACE.scaled(5)) for box in boxes)


def test_yunets_answers_are_read(tmp_path):
    gate = load_gate(green_gate(tmp_path))
    picture = with_green(np.full((200, 320, 3), 120, dtype=np.uint8), 64, 96)
    assert gate.network == YUNET
    assert gate.find([picture]) == [[Box(64, 96, 32, 32)]]
    assert gate.find([np.full((333, 517, 3), 120, dtype=np.uint8)]) == [[]]


@pytest.mark.fault("M11")
def test_a_yunet_of_another_digest_never_reaches_opencv(tmp_path):
    choice = green_gate(tmp_path)
    choice.file.path.write_bytes(yunet_bytes() + b"\0")
    with pytest.raises(StageError, match="has the sha256"):
        load_gate(choice)


@pytest.mark.fault("M11")
def test_what_opencv_cannot_read_is_an_error_with_the_files_name(tmp_path):
    choice = green_gate(tmp_path)
    junk = b"\x08\x07 no network"
    choice.file.path.write_bytes(junk)
    object.__setattr__(choice.file, "weights_sha256", bytes_digest(junk))
    with pytest.raises(StageError, match=r"cannot read .*green\.onnx as YuNet"):
        load_gate(choice)


@pytest.mark.fault("I43")
def test_without_any_weights_the_gate_is_the_yunet_that_ships(store):
    choice = choose_gate(store, "yunet", **SIZES)
    assert (choice.network, choice.weights_sha256) == (YUNET, REGISTRY[YUNET].sha256)
    assert WeightsStore.of(store).fetch(YUNET) == choice.file, "fetching it asks no address"
    assert not store.root.exists() or not list(store.root.rglob("*.onnx"))


@pytest.mark.fault("I43")
@pytest.mark.parametrize("damage", ["another byte", "gone"])
@pytest.mark.parametrize("entry", [REGISTRY[YUNET], SELFIE], ids=lambda entry: entry.name)
def test_a_damaged_file_of_the_package_is_never_read(entry, damage, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_store, "SHIPPED_FOLDER", tmp_path)
    if damage == "another byte":
        (tmp_path / entry.file_name).write_bytes((SHIPPED_FOLDER / entry.file_name).read_bytes() + b"\0")
    with pytest.raises(StageError, match=f"{entry.file_name} .*: install this program again"):
        WeightsFile.shipped(entry).read()


@pytest.mark.parametrize("reason", ["", "  "])
def test_the_gate_is_off_only_with_a_reason(store, reason):
    with pytest.raises(StageError, match="face_gate_off_reason"):
        choose_gate(store, "off", off_reason=reason, **SIZES)


def test_a_gate_that_is_off_finds_nothing_and_says_why(store):
    choice = choose_gate(store, "off", off_reason="drawings only", **SIZES)
    assert (choice.network, choice.why) == (OFF, "drawings only")
    assert load_gate(choice).find([portrait()]) == [[]]


def test_what_changes_the_answers_changes_the_recipe(store):
    base = choose_gate(store, "yunet", **SIZES)
    smaller = choose_gate(store, "yunet", search_side_px=320, min_score=0.5)
    other_score = choose_gate(store, "yunet", search_side_px=640, min_score=0.9)
    assert len({str(each.recipe) for each in (base, smaller, other_score)}) == 3


def test_a_face_is_found_in_the_bytes_that_are_released_too(gate):
    assert gate.find([decode_picture(encode_clean(portrait()))])[0]
