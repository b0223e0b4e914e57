"""Who is left of the drawn people: counted in clean pictures made by hand, and nobody after the real stages."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.cities import City
from pipeline.demo.archive import picture_path
from pipeline.demo.pictures import draw, encode
from pipeline.demo.posts import DemoPlan, Kind
from pipeline.images.clean_images import FillWorker
from pipeline.images.face_gate import choose_gate
from pipeline.images.fillers import BuiltinFill
from pipeline.images.maskers import BuiltinPortraits
from pipeline.images.people_left import MAX_SHARE_LEFT, PeopleLeft, people_left, share_left
from pipeline.images.portrait_masks import MaskWorker
from pipeline.picture_bytes import decode_picture, encode_clean
from pipeline.store import Store
from pipeline.store.digests import bytes_digest
from tests.pipeline.demo.demo_trees import CENTRE, RADIUS_KM, plan, small, write

CITY = City(
    key="demo", name="Demo", latitude=CENTRE[0], longitude=CENTRE[1], radius_km=RADIUS_KM, is_synthetic=True, demo={}
)
SETTINGS = small(num_posts=120, image_side=128)
SIDE = 256


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Path, list[tuple[bytes, np.ndarray, np.ndarray]]]:
    """A store with a small demo city's archive; of each picture with a person at its side the file and the masks."""
    root = tmp_path_factory.mktemp("store")
    city = write(root / "archives" / "demo", SETTINGS)
    people = []
    for post in plan(SETTINGS).posts:
        if Kind.PORTRAIT_SIDE in post.kinds:
            picture = draw(post.pictures[0], SETTINGS.image_side)
            people.append((picture_path(city.archive, post, 0).read_bytes(), picture.mask, picture.face))
    return root, people


def released(root: Path, pictures: list[tuple[bytes, np.ndarray | None]], quality: int = 95) -> tuple[Store, set[str]]:
    """The store after `clean_images`: each original with its clean picture, or None for one that was dropped."""
    store, rows = Store(root), []
    for data, clean in pictures:
        clean_digest = store.blobs.put("clean", encode_clean(clean, quality)) if clean is not None else None
        rows.append(
            {
                "digest": bytes_digest(data),
                "outcome": "filled" if clean_digest else "face_left",
                "recipe": "r",
                "clean_digest": clean_digest,
                "inpainter": "n",
                "weights_sha256": "",
            }
        )
    store.tables.replace("demo", "clean_images", rows)
    return store, {str(row["digest"]) for row in rows}


def without(data: bytes, mask: np.ndarray) -> np.ndarray:
    """The picture filled under this mask."""
    (filled,) = BuiltinFill()([decode_picture(data)], [mask])
    assert filled is not None
    return filled


@pytest.mark.slow
@pytest.mark.fault("M14")
@pytest.mark.parametrize("quality", [95, 75])
def test_whole_person_headless_body_nobody_and_dropped_are_distinguished(drawn, quality):
    root, people = drawn
    (whole, *_), (headless, mask, face), (empty, gone, _), (dropped, *_) = people[:4]
    head = mask.copy()
    head[np.flatnonzero(face.any(axis=1))[-1] + 1 :] = False
    pictures = [
        (whole, decode_picture(whole)),
        (headless, without(headless, head)),
        (empty, without(empty, gone)),
        (dropped, None),
    ]
    store, digests = released(root, pictures, quality)
    found = people_left(store, CITY, digests)
    assert found == PeopleLeft(num_pictures=4, num_dropped=1, num_face_left=1, num_body_left=2)
    assert found.percents == {"people_left_face_percent": "25.0", "people_left_body_percent": "50.0"}
    assert PeopleLeft.of_counts(found.counts) == found


@pytest.mark.fault("M14")
def test_a_face_alone_is_no_body_and_a_person_of_plain_colour_is_no_person(drawn):
    root, people = drawn
    (first, mask, face), (second, other, _) = people[:2]
    plain = np.where(other[..., None], np.array([70, 120, 60], np.uint8), decode_picture(second))
    store, digests = released(root, [(first, without(first, mask & ~face)), (second, plain)])
    assert people_left(store, CITY, digests) == PeopleLeft(
        num_pictures=2, num_dropped=0, num_face_left=1, num_body_left=0
    )


@pytest.mark.fault("M14")
def test_where_nobody_knows_who_is_there_nothing_is_stated(drawn, store):
    root, people = drawn
    left, digests = released(root, [(people[0][0], decode_picture(people[0][0]))])
    assert people_left(left, CITY, {"0" * 64}) is None, "no picture with a drawn person"
    assert people_left(left, CITY.model_copy(update={"demo": None}), digests) is None, "a city that is not drawn"
    assert people_left(store, CITY, digests) is None, "no archive of the generator"
    assert PeopleLeft.of_counts({"pictures": 3}) is None


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_the_share_that_is_left_is_the_share_that_nobody_filled(drawn, share):
    for data, mask, _ in drawn[1][:3]:
        rows = np.flatnonzero(mask.any(axis=1))
        filled = mask.copy()
        filled[rows[int(len(rows) * (1 - share)) :]] = False
        clean = decode_picture(encode_clean(without(data, filled)))
        expected = (mask & ~filled).sum() / mask.sum()
        assert share_left(decode_picture(data), clean, mask) == pytest.approx(expected, abs=0.12)
    assert share_left(decode_picture(data), clean, np.zeros_like(mask)) == 0.0


@pytest.fixture(scope="module")
def demo_plan() -> DemoPlan:
    """The demo city itself, before it is files."""
    from pipeline.demo import DemoSettings

    return plan(DemoSettings())


@pytest.mark.slow
@pytest.mark.fault("M15")
def test_of_the_demos_people_no_face_and_no_body_is_left_by_the_built_in_stages(demo_plan, tmp_path):
    """The first of its posts, with the demo's settings."""
    specs = [post.pictures[0] for post in demo_plan.posts[:200] if Kind.PORTRAIT_SIDE in post.kinds]
    assert len(specs) > 20
    store = Store(tmp_path)
    originals = [encode(spec, SIDE) for spec in specs]
    rows = [{"digest": bytes_digest(data), "data": data} for data in originals]
    masker = MaskWorker(BuiltinPortraits(find_bodies=False), {}, dilation_ratio=0.02, num_at_once=4, num_threads=1)
    gate = choose_gate(store, "yunet", search_side_px=640, min_score=0.5)
    filler = FillWorker(BuiltinFill(), gate, store.blobs, {}, max_portrait_ratio=0.5, jpeg_quality=95, num_at_once=4)
    masked = masker(rows)
    assert not any(row["outcome"] == "no_person" for row in masked)
    results = filler([{**row, "data": data} for row, data in zip(masked, originals, strict=True)])
    faces, bodies = [], []
    for spec, data, result in zip(specs, originals, results, strict=True):
        if result["clean_digest"] is not None:
            clean, original = decode_picture(store.blobs.get("clean", result["clean_digest"])), decode_picture(data)
            shown = draw(spec, SIDE)
            faces.append(share_left(original, clean, shown.face))
            bodies.append(share_left(original, clean, shown.mask))
    assert len(faces) > 0.9 * len(specs), "the pictures are filled, not dropped"
    assert max(faces) <= MAX_SHARE_LEFT
    assert sum(share > MAX_SHARE_LEFT for share in bodies) <= 0.02 * len(specs)
