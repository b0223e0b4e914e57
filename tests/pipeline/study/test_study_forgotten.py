"""A post that is gone leaves the study: its vectors, and every cell of which nobody can tell what it learnt from."""

import pytest

from pipeline.privacy.forgotten import sweep_forgotten
from pipeline.privacy.gone import forget_pictures
from pipeline.privacy.leftovers import sweep_leftovers
from pipeline.study.cells import cells_folder
from tests.fakes.city import key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a town is built first


def tombstone(store, number: int) -> str:
    """Delete a post as its author would: the digest of its picture."""
    posts = store.tables.read("demo", "posts").to_pylist()
    (post,) = [post for post in posts if post["post_key"] == key("post", number)]
    (digest,) = post["image_digests"]
    store.tables.merge("demo", "posts", [{**post, "state": "deleted", "caption": "", "image_digests": []}])
    return digest


def vectors(store) -> set[str]:
    return set(store.tables.read("demo", "study_features")["digest"].to_pylist())


def test_vectors_of_a_gone_post_are_removed_and_the_others_stay(town):
    before = vectors(town)
    digest = tombstone(town, 1000)
    forget_pictures(town, "demo")
    sweep_leftovers(town)
    assert vectors(town) == before - {digest}
    assert not town.blobs.path("original", digest).exists()


def test_cells_go_with_the_sweep_and_with_nothing_gone_they_stay(town):
    cell = cells_folder(town, "demo") / "c"
    cell.mkdir(parents=True)
    sweep_forgotten(town, "demo")
    assert cell.exists()
    tombstone(town, 1000)
    forget_pictures(town, "demo")
    sweep_forgotten(town, "demo")
    assert not town.study_folder("demo").exists()


def test_older_versions_of_the_vectors_are_erased(town):
    digest = tombstone(town, 1000)
    forget_pictures(town, "demo")
    sweep_forgotten(town, "demo")
    left = [
        path for path in (town.root / "tables").rglob("*") if path.is_file() and digest.encode() in path.read_bytes()
    ]
    assert [path for path in left if "study_features" in str(path)] == []
