"""Lost pictures: a worker is handed none that is damaged, and folders are listed only where something has changed."""

import os

import pyarrow.compute as pc
import pytest

from pipeline import lost_pictures as module
from pipeline.lost_pictures import WholePictures, damaged_pictures, lost_pictures
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.digests import bytes_digest


def image(digest: str, outcome: str = "ok") -> dict[str, object]:
    return {"digest": digest, "width": 1, "height": 1, "format": "JPEG", "num_bytes": 1, "outcome": outcome}


@pytest.mark.fault("S28")
@pytest.mark.parametrize(("data", "seen"), [(b"picture", b"picture"), (b"picturf", None), (b"", None), (None, None)])
def test_a_worker_sees_a_picture_as_it_was_stored_or_none(data, seen):
    worker = WholePictures(lambda: list)
    row = {"digest": "d", "data": data, "blob": bytes_digest(b"picture")}
    assert worker([row]) == [{"digest": "d", "data": seen}]


def lost(store: Store) -> set[str]:
    return lost_pictures(store, "demo", "original", "images", "digest", pc.field("outcome") == "ok")


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """The kinds of pictures that were listed."""
    kinds, real = [], Blobs.listed
    monkeypatch.setattr(Blobs, "listed", lambda self, kind: (kinds.append(kind), real(self, kind))[1])
    return kinds


@pytest.mark.fault("S28")
def test_folders_are_listed_where_something_has_changed_and_not_else(store, listed, monkeypatch):
    digests = [store.blobs.put("original", bytes([number])) for number in range(3)]
    store.tables.append("demo", "images", [*map(image, digests), image("f" * 64, "not_an_image")])
    for folder in store.blobs.folders("original"):
        os.utime(folder, (1, 1))
    assert lost(store) == lost(store) == set()
    assert len(listed) == 1
    store.blobs.remove("original", digests[0])
    assert lost(store) == lost(store) == {digests[0]}
    assert len(listed) == 3
    store.blobs.put("original", bytes([0]))
    store.tables.append("demo", "images", [image("e" * 64)])
    assert lost(store) == {"e" * 64}


def test_a_folder_that_has_just_changed_is_listed_again(store, listed):
    store.tables.append("demo", "images", [image(store.blobs.put("original", b"a"))])
    assert lost(store) == lost(store) == set()
    assert len(listed) == 2
    assert module.SETTLED_S > 1


@pytest.mark.fault("S28")
def test_a_deep_look_removes_what_is_damaged_and_names_what_is_gone(store):
    whole, flipped, gone = (store.blobs.put("clean", data) for data in (b"whole", b"flipped", b"gone"))
    store.blobs.path("clean", flipped).write_bytes(b"flippee")
    store.blobs.remove("clean", gone)
    assert damaged_pictures(store, "clean", {whole, flipped, gone}) == sorted([flipped, gone])
    assert store.blobs.listed("clean")[0] == {whole}
