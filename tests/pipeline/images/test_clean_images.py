"""The stage `clean_images`: what it chooses, what makes it work anew, what it reports; nothing hidden stays."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.face_gate import YUNET, GateChoice
from pipeline.images.fillers import BuiltinFill, FillerChoice, choose_filler, fill_recipe
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.picture_bytes import encode_mask
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.contact_sheets import clean_sheet_png, masks_sheet_png
from pipeline.store import Store
from pipeline.store.digests import bytes_digest
from pipeline.store.store import StageRecord
from pipeline.weights.registry import REGISTRY
from pipeline.weights.weights_store import WeightsFile, WeightsStore
from tests.fakes.city import CITY, curated_post, fill_city, finish, poi, put_city
from tests.fakes.face_gates import short_recall
from tests.fakes.pictures import PORTRAIT, encoded, pixels, portrait
from tests.fakes.short_lama import one_block

pytestmark = pytest.mark.slow

REASON = "these pictures are drawn"
CLEAN = CleanImagesSettings(weights="builtin", face_gate="off", face_gate_off_reason=REASON, num_workers=1)
MASKS = PortraitMasksSettings(weights="builtin", find_bodies=False, num_workers=1)


def write_masks(store: Store, digests: list[str], *, recipe: str = "r", side: int = 30) -> None:
    """Masks as `portrait_masks` would have left: every other picture has a person."""
    rows = []
    for number, digest in enumerate(digests):
        mask = np.zeros((96, 96), dtype=np.bool_)
        mask[20 : 20 + side, 20:60] = True
        rows.append(
            {
                "digest": digest,
                "outcome": ("person", "no_person")[number % 2],
                "network": "n",
                "weights_sha256": "",
                "portrait_ratio": float(mask.mean()) if number % 2 == 0 else 0.0,
                "recipe": recipe,
                "mask": encode_mask(mask) if number % 2 == 0 else None,
            }
        )
    store.tables.replace("demo", "portrait_masks", rows)
    store.write_stage_record("demo", StageRecord(stage="portrait_masks", digest=recipe, outputs={}, versions={}))


def put_pictures(store: Store, number: int) -> list[str]:
    """A city of so many posts with a picture each, masked."""
    digests = [store.blobs.put("original", encoded(pixels(seed, (96, 96)), "PNG")) for seed in range(number)]
    put_city(store, [poi(0)], [curated_post(seed, 0, seed, [digest]) for seed, digest in enumerate(digests)])
    write_masks(store, digests)
    return digests


# what is chosen


@pytest.fixture
def own_weights(store, monkeypatch):
    """A store whose registry knows LaMa and YuNet, with no address to fetch them from."""
    registry = {name: replace(entry, addresses=()) for name, entry in REGISTRY.items()}
    weights_store = WeightsStore(WeightsStore.of(store).folder, registry=registry)
    monkeypatch.setattr(WeightsStore, "of", classmethod(lambda cls, store: weights_store))
    return store


def test_without_weights_the_built_in_way_is_taken_aloud(own_weights):
    put_pictures(own_weights, 2)
    report = build_clean_images(own_weights, CITY, CLEAN.model_copy(update={"weights": "auto"}))
    (note, _) = report.record.notes
    assert "not by LaMa" in note
    assert "big_lama" in note, "why it fell back"
    rows = own_weights.tables.read("demo", "clean_images").to_pylist()
    assert {row["inpainter"] for row in rows} == {BuiltinFill.network}


def test_weights_that_are_required_and_not_there_are_an_error(own_weights):
    with pytest.raises(StageError, match="weights: require was chosen"):
        choose_filler(own_weights, CLEAN.model_copy(update={"weights": "require"}))


def test_weights_of_another_network_are_refused(own_weights):
    with pytest.raises(StageError, match="which are of vgg19"):
        choose_filler(own_weights, CLEAN.model_copy(update={"weights": "auto", "network": "vgg19"}))


def test_the_package_that_runs_a_files_program_gets_the_published_file_only(own_weights, tmp_path, monkeypatch):
    file = WeightsFile(
        name="mine", architecture="big_lama", path=tmp_path / "x", source=tmp_path / "mine.pt", weights_sha256="0" * 64
    )
    monkeypatch.setattr("pipeline.images.fillers.choose_weights", lambda *_: file)
    settings = CLEAN.model_copy(update={"weights": "require", "filler": "simple_lama"})
    with pytest.raises(StageError, match=r"mine\.pt is not the published one"):
        choose_filler(own_weights, settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_portrait_ratio", 0.0), ("jpeg_quality", 10), ("gate_search_side_px", 10), ("face_gate", "no"), ("x", 1)],
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValidationError):
        CleanImagesSettings(**{name: value})


# what makes a picture be cleaned anew

GATE = GateChoice(network=YUNET, weights_sha256="c" * 64, search_side_px=640, min_score=0.6)
FILE = WeightsFile(name="big_lama", architecture="big_lama", path=Path("x"), source=Path("y"), weights_sha256="a" * 64)
LAMA = FillerChoice(network="big_lama", weights_sha256="a" * 64, gate=GATE, file=FILE)
BUILTIN = FillerChoice(network=BuiltinFill.network, weights_sha256="", gate=GATE)


def recipe(choice: FillerChoice = LAMA, masks: list[str] | None = None, **changes: object) -> str:
    return fill_recipe(CleanImagesSettings(**changes), choice, "clean_images", "2", masks or ["m"])


@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(recipe(replace(LAMA, weights_sha256="b" * 64)), id="other weights"),
        pytest.param(recipe(replace(LAMA, network="simple_lama"), filler="simple_lama"), id="the package"),
        pytest.param(recipe(BUILTIN), id="the built-in way"),
        pytest.param(recipe(replace(LAMA, gate=replace(GATE, weights_sha256="d" * 64))), id="another gate"),
        pytest.param(recipe(replace(LAMA, gate=replace(GATE, search_side_px=512))), id="another search size"),
        pytest.param(recipe(precision="fp32"), id="precision"),
        pytest.param(recipe(frame="full"), id="frame"),
        pytest.param(recipe(max_crop_side_px=512), id="size of crops"),
        pytest.param(recipe(max_portrait_ratio=0.4), id="largest share"),
        pytest.param(recipe(jpeg_quality=90), id="quality"),
        pytest.param(recipe(masks=["other"]), id="masks"),
    ],
)
def test_what_comes_out_otherwise_is_made_anew(changed):
    assert changed != recipe()


@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "torch"},
        {"device": "cpu"},
        {"batch_size": 3},
        {"num_workers": 1},
        {"commit_every": 9},
        {"weights": "require"},
        {"weights_file": Path("elsewhere.pt")},
        {"face_gate_off_reason": "none"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_how_the_work_is_done_makes_nothing_anew(changes):
    assert recipe(**changes) == recipe()


def test_what_only_the_network_uses_does_not_touch_the_built_in_way():
    assert recipe(BUILTIN, precision="fp32", frame="full", max_crop_side_px=128) == recipe(BUILTIN)


def test_an_unchanged_city_is_reused_however_it_would_be_run(store):
    put_pictures(store, 4)
    build_clean_images(store, CITY, CLEAN)
    per_run = {"runtime": "torch", "batch_size": 2, "num_workers": 2, "commit_every": 3, "device": "cpu"}
    assert build_clean_images(store, CITY, CLEAN.model_copy(update=per_run)).is_reused


@pytest.mark.fault("S9")
def test_new_pictures_cost_themselves_and_other_masks_cost_all(store):
    digests = put_pictures(store, 6)
    assert build_clean_images(store, CITY, CLEAN).counts["new"] == 6
    more = store.blobs.put("original", encoded(pixels(99, (96, 96)), "PNG"))
    posts = [curated_post(seed, 0, seed, [digest]) for seed, digest in enumerate([*digests, more])]
    put_city(store, [poi(0)], posts)
    write_masks(store, [*digests, more])
    assert build_clean_images(store, CITY, CLEAN).counts["new"] == 1
    write_masks(store, [*digests, more], recipe="other", side=31)
    assert build_clean_images(store, CITY, CLEAN).counts["new"] == 7


@pytest.mark.fault("S1")
def test_a_killed_run_loses_at_most_one_commit_and_goes_on(store, tmp_path):
    """SIGKILL after the second commit; the rerun does the rest only and ends with the table of an unbroken run."""
    put_pictures(store, 20)
    other = Store(tmp_path / "unbroken")
    put_pictures(other, 20)
    child = textwrap.dedent(f"""
        import os, pathlib, signal
        from pipeline.images.clean_images import build_clean_images
        from pipeline.store import Store
        from pipeline.store.tables import Tables
        from tests.fakes.city import CITY
        from tests.pipeline.images.test_clean_images import CLEAN
        append, calls = Tables.append, []
        def append_then_die(self, city, name, rows):
            append(self, city, name, rows)
            calls.append(name)
            if calls.count("clean_images") == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        Tables.append = append_then_die
        settings = CLEAN.model_copy(update={{"commit_every": 4}})
        build_clean_images(Store(pathlib.Path({str(store.root)!r})), CITY, settings)
    """)
    ended = subprocess.run([sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGKILL
    num_kept = store.tables.read("demo", "clean_images").num_rows
    assert 8 <= num_kept < 20
    assert build_clean_images(store, CITY, CLEAN).counts["new"] == 20 - num_kept
    build_clean_images(other, CITY, CLEAN)
    assert store.tables.digest("demo", "clean_images") == other.tables.digest("demo", "clean_images")


# what is recorded


def test_a_gate_that_is_off_stands_in_notes_and_in_the_releases_record(store):
    fill_city(store, posts_per_poi=12)
    build_portrait_masks(store, CITY, MASKS)
    report = build_clean_images(store, CITY, CLEAN)
    assert any(REASON in note for note in report.record.notes)
    assert report.record.about["face_gate"] == "off"
    city = CITY.model_copy(update={"stages": {"curated_posts": {"min_posts_per_poi": 1}}})
    build_dataset(store, city, DatasetSettings())
    stated = latest_release(store, "demo").manifest.about["face_gate"]
    assert stated == {"face_gate": "off", "face_gate_sha256": "", "face_gate_off_reason": REASON}


@pytest.mark.fault("M6")
def test_the_face_that_the_masks_missed_is_found_by_the_gate(store):
    """The whole stage with the gate that ships: a portrait that nobody masked is filled, the recall recorded."""
    scene = pixels(3, (320, 256)).copy() // 4 + 90
    scene[96:, 160:] = portrait(160)
    digests = [store.blobs.put("original", encoded(picture, "PNG")) for picture in (scene, pixels(5, (96, 96)))]
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])
    nobody = {"outcome": "no_person", "portrait_ratio": 0.0, "mask": None, "network": "n", "weights_sha256": ""}
    rows = [{"digest": digest, "recipe": "r", **nobody} for digest in digests]
    store.tables.replace("demo", "portrait_masks", rows)
    finish(store, "portrait_masks")
    on = CleanImagesSettings(weights="builtin", num_workers=1)
    with short_recall():
        report = build_clean_images(store, CITY, on)
    assert report.counts["pictures/filled_again"] == report.counts["pictures/unchanged"] == 1
    about = report.record.about
    assert about["face_gate"] == YUNET
    assert len(about["face_gate_sha256"]) == 64
    assert about["face_recall"].startswith("upright ") and about["face_recall"].endswith(" of 2")
    assert "one woman" in about["face_recall_shows_not"]


# what is left


def with_metadata(picture: np.ndarray) -> bytes:
    """A JPEG with a canary in every place for metadata, a thumbnail of the picture among them."""
    thumbnail = encoded(np.asarray(Image.fromarray(picture).resize((48, 48))), quality=60)
    exif = Image.Exif()
    exif[0x010F], exif[0x9286] = "CANARY-maker", "CANARY-note"
    exif.get_ifd(0x8825)[29] = "CANARY-gps"
    hidden = {"comment": b"CANARY-comment @someone", "xmp": b"<x>CANARY-xmp</x>", "icc_profile": b"CANARY-icc" * 9}
    data = encoded(picture, exif=exif, **hidden)
    return data + b"CANARY-after-the-end" + thumbnail


def scanned(data: bytes) -> list[bytes]:
    """Pieces of the coded pixels of a JPEG and of the thumbnail behind it, without the tables that all JPEGs share."""
    parts = data.split(b"CANARY-after-the-end")
    coded = [part[part.index(b"\xff\xda") + 14 :] for part in parts]
    return [part[start : start + 24] for part in coded for start in range(0, len(part) - 24, 97)]


@pytest.mark.fault("M5")
def test_of_an_original_nothing_is_left_in_store_metadata_or_previews(store):
    """Byte search: neither a canary of its metadata nor 24 bytes of its picture or thumbnail outside the original."""
    originals = [with_metadata(np.asarray(Image.open(PORTRAIT).convert("RGB"))[:, : 240 - 8 * n]) for n in range(2)]
    digests = [store.blobs.put("original", data) for data in originals]
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])
    build_portrait_masks(store, CITY, MASKS)
    build_clean_images(store, CITY, CLEAN.model_copy(update={"max_portrait_ratio": 0.99}))
    assert set(store.tables.read("demo", "clean_images")["outcome"].to_pylist()) == {"filled"}
    left = {
        str(path): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and "original" not in path.parts
    }
    left |= {"masks": masks_sheet_png(store, "demo"), "clean": clean_sheet_png(store, "demo")}
    assert any("clean" in Path(name).parts for name in left)
    pieces = [b"CANARY", *(piece for data in originals for piece in scanned(data))]
    assert len(pieces) > 100
    assert [(name, piece) for name, data in left.items() for piece in pieces if piece in data] == []


@pytest.mark.fault("M5")
def test_the_store_does_not_depend_on_what_was_under_the_mask(store, tmp_path):
    """Two cities whose pictures differ under the masks alone: equal clean pictures, equal sheets."""
    other = Store(tmp_path / "other")
    sheets, clean = [], []
    for number, each in enumerate((store, other)):
        picture = pixels(0, (96, 96)).copy()
        picture[20:50, 20:60] = pixels(50 + number, (40, 30))
        digest = each.blobs.put("original", encoded(picture, "PNG"))
        put_city(each, [poi(0)], [curated_post(0, 0, 0, [digest])])
        write_masks(each, [digest])
        build_clean_images(each, CITY, CLEAN)
        clean.append({path.name for path in (each.root / "blobs" / "clean").rglob("*") if path.is_file()})
        sheets.append(clean_sheet_png(each, "demo"))
    assert clean[0] == clean[1]
    assert sheets[0] == sheets[1]


@pytest.mark.fault("M5")
def test_a_dropped_picture_leaves_no_clean_one(store):
    digests = put_pictures(store, 4)
    write_masks(store, digests, side=70)
    report = build_clean_images(store, CITY, CLEAN.model_copy(update={"max_portrait_ratio": 0.1}))
    assert report.counts["pictures/mostly_person"] == 2
    clean = [path for path in (store.root / "blobs" / "clean").rglob("*") if path.is_file()]
    assert len(clean) == report.counts["pictures/unchanged"] == 2
    assert {bytes_digest(path.read_bytes()) for path in clean} == {path.name for path in clean}


# the network itself


@pytest.fixture
def random_lama(tmp_path) -> Iterator[Path]:
    """Random weights of Big-LaMa with one block, in the names of our module."""
    import torch
    from safetensors.torch import save_file

    from models.vision.lama_weights import expected_shapes

    drawn = torch.Generator().manual_seed(0)
    state = {}
    with one_block():
        for name, shape in expected_shapes().items():
            is_scale = name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight"))
            spread = max(1, int(np.prod(shape[1:]))) ** -0.5
            state[name] = (
                torch.ones(shape) if is_scale else torch.randn(shape, generator=drawn) * spread * (len(shape) > 1)
            )
        path = tmp_path / "random-lama.safetensors"
        save_file(state, path)
        yield path


@pytest.mark.fault("S9")
def test_lama_runs_and_stands_in_every_row(store, random_lama):
    put_pictures(store, 3)
    lama = CLEAN.model_copy(
        update={"weights": "require", "weights_file": random_lama, "precision": "fp32", "runtime": "torch"}
    )
    report = build_clean_images(store, CITY, lama)
    assert report.counts["pictures/filled"] == 2
    assert report.record.about["running"].startswith("torch fp32")
    rows = store.tables.read("demo", "clean_images").to_pylist()
    assert {row["weights_sha256"] for row in rows} == {bytes_digest(random_lama.read_bytes())}
    assert not any("LaMa" in note for note in report.record.notes)
    assert build_clean_images(store, CITY, lama.model_copy(update={"runtime": "auto"})).is_reused
    assert build_clean_images(store, CITY, CLEAN).counts["new"] == 3
