"""What is kept of networks in int8: a city has one, with its verdict, until what it depends on changes."""

import pytest

from pipeline.int8 import KeptInt8, drawn
from pipeline.store import Store


def written(content):
    """A maker that writes a network of this content."""

    def make(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.with_suffix(".bin").write_bytes(b"weights")
        return "nncf 1, openvino 2"

    return make


def says(is_good):
    return lambda path: (is_good, "mean IoU 0.98")


def never(path):
    raise AssertionError("made again")


@pytest.fixture
def kept(tmp_path):
    return KeptInt8(Store(tmp_path / "data"), "demo", "portrait_masks", ["ab", 0.5])


@pytest.mark.fault("I50")
def test_a_network_that_passed_is_found_again_as_it_was_made(kept):
    assert kept.find() is None
    made = kept.make(["a", "b"], written("net"), says(True))
    assert made.path == kept.path and made.sha256
    assert made.about == "int8 is on: mean IoU 0.98"
    assert kept.find() == made


@pytest.mark.fault("I52")
def test_of_a_network_that_did_not_pass_the_verdict_alone_is_kept(kept):
    made = kept.make(["a"], written("net"), says(False))
    assert (made.path, made.sha256, made.about) == (None, "", "int8 is off: mean IoU 0.98")
    assert kept.find() == made
    assert [path.suffix for path in kept.path.parent.iterdir()] == [".json"]


@pytest.mark.fault("I53")
@pytest.mark.parametrize("ending", [".xml", ".bin", ".json"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")])
def test_a_file_that_is_gone_or_damaged_means_that_none_was_made(kept, ending, damage):
    kept.make(["a"], written("net"), says(True))
    damage(kept.path.with_suffix(ending))
    assert kept.find() is None


def test_another_network_has_another_digest_and_what_it_depends_on_another_place(kept, tmp_path):
    first = kept.make(["a"], written("net"), says(True))
    assert kept.make(["a"], written("other"), says(True)).sha256 != first.sha256
    store = Store(tmp_path / "data")
    for other in (["ab", 0.6], ["cd", 0.5]):
        assert KeptInt8(store, "demo", "portrait_masks", other).find() is None
    assert KeptInt8(store, "other", "portrait_masks", ["ab", 0.5]).find() is None


def test_pictures_are_drawn_in_the_order_of_their_digests_and_lost_ones_are_left_out(tmp_path):
    store = Store(tmp_path / "data")
    digests = [store.blobs.put("original", bytes([number])) for number in range(5)]
    store.blobs.remove("original", digests[2])
    found = list(drawn(store, "original", digests))
    assert [digest for digest, _ in found] == sorted(set(digests) - {digests[2]})
    assert {data for _, data in found} == {bytes([number]) for number in (0, 1, 3, 4)}
