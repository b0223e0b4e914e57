"""The store of weights: what it gives out was compared with its digests; damage is reported, and mended by a fetch."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.errors import StageError
from pipeline.store.files import shared_lock
from pipeline.weights.fetching import WeightsUnavailableError
from pipeline.weights.records import DamagedWeightsError
from pipeline.weights.registry import REGISTRY
from pipeline.weights.weights_store import WeightsFile, WeightsStore
from tests.fakes.http_server import Answer, changed
from tests.pipeline.weights.conftest import QUICK, drawn_u2netp, entry_for


@pytest.fixture
def entry(server, u2netp_pth):
    """Weights that the server has."""
    return entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth))


@pytest.fixture
def weights_store(weights_store_of, entry):
    """An empty store of weights that knows one file."""
    return weights_store_of(entry)


@pytest.fixture
def filled(weights_store, entry):
    """The store of weights, with that file."""
    weights_store.fetch(entry.name)
    return weights_store


@pytest.mark.slow
def test_what_was_fetched_is_found_with_what_belongs_to_it(filled, entry, u2netp_pth):
    found = filled.find("small_net")
    assert found == filled.fetch("small_net")
    assert (found.name, found.architecture, found.weights_sha256) == ("small_net", "u2netp", entry.sha256)
    assert found.source.read_bytes() == u2netp_pth
    assert found.source.name == f"{entry.sha256}.pth"
    assert found.path.suffix == ".safetensors"
    record = json.loads((filled.folder / "records" / "small_net.json").read_text())
    assert record["converted_sha256"] == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert (record["published"], record["num_bytes"]) == (f"sha256 {entry.sha256}", len(u2netp_pth))
    assert not list(filled.folder.glob("*.part*"))


def test_a_file_that_is_here_is_not_asked_for_again(filled, server):
    for _ in range(2):
        filled.fetch("small_net")
        filled.find("small_net")
    assert server.count() == 1


@pytest.mark.fault("M11")
def test_what_is_missing_is_not_found(weights_store):
    assert weights_store.find("small_net") is None
    assert weights_store.verify("small_net") is None


def test_unknown_weights_are_told_with_those_that_are_known(weights_store):
    with pytest.raises(StageError, match="no weights 'large_net': take one of small_net"):
        weights_store.find("large_net")


@pytest.mark.fault("M11")
@pytest.mark.parametrize("which", ["path", "source"])
def test_a_damaged_file_is_not_used_and_fetching_mends_it(filled, which, entry, server):
    found = filled.find("small_net")
    path = getattr(found, which)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    actual, expected = hashlib.sha256(path.read_bytes()).hexdigest(), hashlib.sha256(whole).hexdigest()
    for ask in (filled.find, filled.verify):
        with pytest.raises(DamagedWeightsError, match="run `mrlf weights fetch small_net`") as raised:
            ask("small_net")
        assert f"expected sha256 {expected}, got {actual}" in str(raised.value)
    assert filled.fetch("small_net") == found
    assert path.read_bytes() == whole
    assert server.count() == (1 if which == "path" else 2)


@pytest.mark.parametrize("which", ["path", "source"])
def test_a_file_that_was_removed_is_told_and_mended(filled, which):
    found = filled.find("small_net")
    getattr(found, which).unlink()
    with pytest.raises(DamagedWeightsError, match="is missing: run `mrlf weights fetch small_net`"):
        filled.find("small_net")
    assert filled.fetch("small_net") == found


@pytest.mark.slow
def test_a_record_that_cannot_be_read_is_told_and_mended(filled):
    found = filled.find("small_net")
    (filled.folder / "records" / "small_net.json").write_text('{"name": "small')
    with pytest.raises(DamagedWeightsError, match="cannot be read"):
        filled.find("small_net")
    assert filled.fetch("small_net") == found


@pytest.mark.slow
@pytest.mark.fault("M11")
def test_a_program_that_wants_a_newer_file_does_not_take_the_old_one(filled, entry, server, tmp_path):
    body = drawn_u2netp(1)
    newer = entry_for(body, server.put("/newer.pth", body))
    weights_store = WeightsStore(filled.folder, registry={"small_net": newer}, limits=QUICK)
    assert weights_store.find("small_net") is None
    assert weights_store.fetch("small_net").weights_sha256 == newer.sha256 != entry.sha256


def test_a_newer_converter_converts_again_without_a_download(filled, server, monkeypatch):
    before = filled.find("small_net")
    before.path.write_bytes(before.path.read_bytes())
    monkeypatch.setattr("pipeline.weights.weights_store.CONVERTER_VERSION", "next")
    assert filled.find("small_net") == before
    record = json.loads((filled.folder / "records" / "small_net.json").read_text())
    assert record["converter"] == "next"
    assert server.count() == 1


@pytest.mark.fault("M11")
def test_weights_of_another_architecture_get_no_record(weights_store_of, server, u2netp_pth):
    entry = entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth), architecture="u2net")
    weights_store = weights_store_of(entry)
    with pytest.raises(ValueError, match="is not u2net"):
        weights_store.fetch("small_net")
    assert weights_store.find("small_net") is None
    assert not list((weights_store.folder / "converted").iterdir())


def test_a_broken_download_goes_on_the_next_time(weights_store_of, entry, server, u2netp_pth):
    server.fail("small", change=changed(ending="cut"))
    weights_store = weights_store_of(entry, limits=replace(QUICK, max_tries=1))
    with pytest.raises(WeightsUnavailableError, match="of it are kept"):
        weights_store.fetch("small_net")
    assert (weights_store.folder / "small.pth.part").stat().st_size == len(u2netp_pth) // 2
    weights_store.fetch("small_net")
    assert server.ranges() == [None, f"bytes={len(u2netp_pth) // 2}-"]


@pytest.mark.slow
def test_two_that_fetch_a_file_fetch_it_once(weights_store, entry, server, u2netp_pth):
    """Two stores in two threads: the lock is one of open files, so they are to it as two processes."""
    server.fail("small", Answer(body=u2netp_pth, delay_s=0.8))
    patient = replace(QUICK, silence_s=10, answer_s=10, patience_s=30)

    def fetch(_number: int) -> WeightsFile:
        return WeightsStore(weights_store.folder, registry={entry.name: entry}, limits=patient).fetch(entry.name)

    with ThreadPoolExecutor(2) as both:
        fetched = [file.weights_sha256 for file in both.map(fetch, range(2))]
    assert fetched == [entry.sha256] * 2
    assert server.count() == 1


def test_a_process_that_hangs_on_a_file_is_not_waited_for_without_end(weights_store_of, entry):
    weights_store = weights_store_of(entry, limits=replace(QUICK, patience_s=0.2))
    with shared_lock(weights_store.folder / "locks" / "small.pth.lock"):
        with pytest.raises(StageError, match=r"another process has been at small\.pth for more than"):
            weights_store.fetch("small_net")


# files that a person brings


@pytest.mark.parametrize("name", [pytest.param("small.pth", id="its name"), pytest.param("x.bin", id="another name")])
def test_a_published_file_is_known_by_its_digest(weights_store, tmp_path, u2netp_pth, name, server):
    path = tmp_path / name
    path.write_bytes(u2netp_pth)
    assert weights_store.add(path) == weights_store.find("small_net")
    assert path.exists()
    assert server.count() == 0


def test_a_file_that_is_published_by_md5_is_kept_by_sha256(weights_store_of, tmp_path, u2netp_pth):
    entry = entry_for(u2netp_pth, sha256=None, md5=hashlib.md5(u2netp_pth, usedforsecurity=False).hexdigest())
    weights_store = weights_store_of(entry)
    path = tmp_path / "small.pth"
    path.write_bytes(u2netp_pth)
    assert weights_store.add(path).weights_sha256 == hashlib.sha256(u2netp_pth).hexdigest()
    weights_store.find("small_net").path.write_bytes(b"")
    assert weights_store.fetch("small_net").path.stat().st_size > 0


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("body", "raised"),
    [
        pytest.param(b"<html>", "a web page came", id="HTML"),
        pytest.param(b"\x80\x02half", "its sha256 is .*, 6 bytes; small_net has sha256 ", id="another file"),
        pytest.param(b"", "an empty file came", id="nothing"),
    ],
)
def test_an_unknown_file_is_refused_with_what_was_expected(weights_store, tmp_path, entry, body, raised):
    path = tmp_path / "small.pth"
    path.write_bytes(body)
    with pytest.raises(StageError, match=raised) as error:
        weights_store.add(path)
    for words in (entry.sha256, hashlib.sha256(body).hexdigest(), "--name my_net --architecture"):
        assert words in str(error.value)
    assert [path.name for path in weights_store.folder.iterdir()] == []


@pytest.fixture
def own(tmp_path):
    """A file that nobody published."""
    path = tmp_path / "trained.pth"
    path.write_bytes(drawn_u2netp(5))
    return path


@pytest.mark.slow
def test_own_weights_are_taken_under_their_own_name(weights_store, own):
    found = weights_store.add(own, "my_net", "u2netp")
    assert found == weights_store.find("my_net") == weights_store.add(own)
    assert (found.name, found.architecture) == ("my_net", "u2netp")
    again = WeightsStore(weights_store.folder, registry=weights_store.registry)
    assert again.find("my_net") == found
    assert list(again.entries()) == ["small_net", "my_net"]
    assert again.entry("my_net").used_by == "portrait_masks"


def test_damaged_own_weights_say_what_to_do(weights_store, own):
    found = weights_store.add(own, "my_net", "u2netp")
    found.source.write_bytes(b"")
    with pytest.raises(DamagedWeightsError, match="damaged"):
        weights_store.find("my_net")
    with pytest.raises(WeightsUnavailableError, match=r"bring trained\.pth .*`mrlf weights add trained\.pth`"):
        weights_store.fetch("my_net")
    assert weights_store.add(own) == found


@pytest.mark.parametrize(
    ("name", "architecture", "raised"),
    [
        pytest.param("small_net", "u2netp", "is not small_net: expected sha256 .*, got sha256", id="a shipped name"),
        pytest.param("my_net", None, "is not known", id="no architecture"),
        pytest.param("my_net", "u3net", "no architecture 'u3net'", id="an unknown architecture"),
        pytest.param("my_net", "u2net", "is not u2net", id="another architecture"),
        pytest.param("../my_net", "u2netp", "cannot be a name", id="a path"),
        pytest.param("My Net", "u2netp", "cannot be a name", id="capitals"),
    ],
)
def test_own_weights_that_are_refused_leave_nothing(weights_store, own, name, architecture, raised):
    with pytest.raises(StageError, match=raised) as error:
        weights_store.add(own, name, architecture)
    assert str(own) in str(error.value)
    assert list(weights_store.entries()) == ["small_net"]
    assert not [path for path in weights_store.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.slow
def test_a_name_of_ones_own_is_not_given_twice(weights_store, own, tmp_path):
    weights_store.add(own, "my_net", "u2netp")
    other = tmp_path / "other.pth"
    other.write_bytes(drawn_u2netp(6))
    with pytest.raises(StageError, match=r"other\.pth is not my_net: expected sha256"):
        weights_store.add(other, "my_net", "u2netp")
    with pytest.raises(StageError, match="is known, it is my_net"):
        weights_store.add(own, "her_net", "u2netp")


def test_a_name_that_a_later_version_ships_shadows_nothing(weights_store, own):
    weights_store.add(own, "my_net", "u2netp")
    shipped = replace(weights_store.registry["small_net"], name="my_net")
    later = WeightsStore(weights_store.folder, registry={"my_net": shipped})
    assert later.entries()["my_net"] is shipped
    with pytest.raises(StageError, match="give yours another name"):
        later.find("my_net")


def test_a_list_of_own_weights_that_cannot_be_read_is_reported(weights_store, own):
    weights_store.add(own, "my_net", "u2netp")
    weights_store.own_path.write_text('{"my_net": {}}')
    with pytest.raises(StageError, match=r"own\.json cannot be read"):
        weights_store.entries()


@pytest.mark.parametrize("is_there", [pytest.param(True, id="a folder"), pytest.param(False, id="nothing")])
def test_what_is_no_file_is_reported(weights_store, tmp_path, is_there):
    with pytest.raises(StageError, match="there is no file"):
        weights_store.add(tmp_path if is_there else tmp_path / "absent.pth")


def test_a_file_that_is_too_large_is_not_copied(weights_store, tmp_path):
    path = tmp_path / "huge.pth"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(StageError, match="none of these networks has so many"):
        weights_store.add(path)


def test_the_store_has_the_weights_store_of_the_shipped_weights(store):
    assert WeightsStore.of(store).folder == store.root / "weights"
    assert WeightsStore.of(store).entries() == dict(REGISTRY)
    assert WeightsStore.of(store).find("u2netp") is None
