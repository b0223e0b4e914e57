"""Fetching: the published file from the first address that has it, else each address and why."""

import hashlib

import pytest

from pipeline.weights import fetching
from pipeline.weights.addresses import UnreachableError
from pipeline.weights.fetching import WeightsUnavailableError, fetch_part
from pipeline.weights.registry import SHIPPED
from tests.fakes.http_server import Answer, changed
from tests.pipeline.weights.conftest import QUICK, entry_for

BODY = b"\x80\x02" + b"weights" * 5000
NEWER = b"\x80\x02" + b"Weights" * 5000


@pytest.fixture
def part(tmp_path):
    """Where the file is to come."""
    return tmp_path / "small.pth.part"


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(Answer(status=404), id="gone"),
        pytest.param(Answer(status=503), id="down"),
        pytest.param(Answer(ending="reset"), id="resets"),
        pytest.param(Answer.html("<html>quota exceeded</html>"), id="a web page"),
        pytest.param(Answer(body=NEWER), id="a newer version"),
        pytest.param(Answer(body=BODY[: len(BODY) // 2]), id="half a file"),
        pytest.param(Answer.redirect("http://example.invalid/small.pth"), id="leads elsewhere"),
    ],
)
def test_the_second_address_is_asked_where_the_first_fails(server, part, first):
    server.fail("/one", first, times=None)
    entry = entry_for(BODY, f"{server.url}/one", server.put("/two", BODY))
    assert fetch_part(entry, part, QUICK).sha256 == entry.sha256
    assert part.read_bytes() == BODY


@pytest.mark.fault("M11")
def test_a_wrong_digest_is_told_with_both_and_nothing_stays(server, part):
    entry = entry_for(BODY, server.put("/one", NEWER), server.put("/two", NEWER[::-1]))
    with pytest.raises(WeightsUnavailableError) as raised:
        fetch_part(entry, part, QUICK)
    for body, place in ((NEWER, "/one"), (NEWER[::-1], "/two")):
        assert f"{server.url}{place}: another file came, or a newer version of it" in str(raised.value)
        assert f"expected sha256 {entry.sha256}, got sha256 {hashlib.sha256(body).hexdigest()}" in str(raised.value)
    assert list(part.parent.iterdir()) == []


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("body", "raised"),
    [
        pytest.param(b"\n<!DOCTYPE html><html>limit reached</html>", "a web page came", id="HTML said to be a file"),
        pytest.param(b'{"message": "no"}', "a message in JSON came", id="JSON"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer came", id="a pointer"),
        pytest.param(b"", "an empty file came", id="nothing"),
    ],
)
def test_what_came_in_place_of_the_file_is_said(server, part, body, raised):
    entry = entry_for(BODY, server.put("/one", body), num_bytes=None)
    with pytest.raises(WeightsUnavailableError, match=raised):
        fetch_part(entry, part, QUICK)


def test_every_address_and_why_stand_in_the_message_and_what_to_do(server, part):
    server.fail("/two", Answer(status=500), times=None)
    one, two, nobody, four = (
        *(f"{server.url}/{n}" for n in ("one", "two")),
        "https://127.0.0.1:1/x",
        f"{server.url}/4",
    )
    entry = entry_for(BODY, one, two, nobody, four)
    with pytest.raises(WeightsUnavailableError) as raised:
        fetch_part(entry, part, QUICK)
    assert f"({one} and {four}: status 404 (not there); {two}: status 500, " in str(raised.value)
    assert f"; {nobody}: no connection). " in str(raised.value)
    for words in ("`mrlf weights fetch small_net`", "`mrlf weights add small.pth`", entry.digest):
        assert words in str(raised.value)


@pytest.mark.fault("S36")
def test_a_host_that_cannot_be_reached_is_asked_once_and_told_for_each_file(part, monkeypatch):
    asked = []

    def ask(address, *_, **__):
        asked.append(address)
        raise UnreachableError("no answer within 10 s")

    monkeypatch.setattr("pipeline.weights.transfer.ask", ask)
    dead, other = "https://dead.invalid", "https://other.invalid"
    for name in ("one", "two"):
        with pytest.raises(WeightsUnavailableError) as raised:
            fetch_part(entry_for(BODY, f"{dead}/{name}", f"{other}/{name}"), part, QUICK)
        assert f"({dead}/{name} and {other}/{name}: no answer within 10 s)" in str(raised.value)
    assert asked == [f"{dead}/one", f"{other}/one"]
    monkeypatch.setattr(fetching, "ASK_AGAIN_S", 0.0)
    with pytest.raises(WeightsUnavailableError):
        fetch_part(entry_for(BODY, f"{dead}/three"), part, QUICK)
    assert asked[2:] == [f"{dead}/three"]


@pytest.mark.fault("S36")
def test_a_host_that_answers_badly_is_asked_for_the_next_file(server, part):
    entry = entry_for(BODY, f"{server.url}/gone")
    for _ in range(2):
        with pytest.raises(WeightsUnavailableError):
            fetch_part(entry, part, QUICK)
    assert server.count("/gone") == 2


def test_what_ships_with_the_program_is_taken_from_it(part, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "SHIPPED_FOLDER", tmp_path)
    (tmp_path / "small.pth").write_bytes(BODY)
    assert fetch_part(entry_for(BODY, f"{SHIPPED}small.pth"), part, QUICK).num_bytes == len(BODY)
    with pytest.raises(WeightsUnavailableError, match="the program is not installed whole"):
        fetch_part(entry_for(BODY, f"{SHIPPED}other.pth"), part, QUICK)


def test_a_file_without_an_address_says_where_a_person_finds_it(part):
    with pytest.raises(WeightsUnavailableError, match=r"has no address that lasts: bring small\.pth .* from https://"):
        fetch_part(entry_for(BODY), part, QUICK)


@pytest.mark.fault("M11")
def test_the_mirror_is_asked_before_all_others(server, part, monkeypatch):
    monkeypatch.setenv("MRLF_WEIGHTS_MIRROR", f"{server.url}/mirror/")
    server.put("/mirror/small.pth", BODY)
    fetch_part(entry_for(BODY, server.put("/one", BODY)), part, QUICK)
    assert [request.path for request in server.requests] == ["/mirror/small.pth"]


@pytest.mark.fault("M11")
@pytest.mark.parametrize("mirrored", [pytest.param(None, id="down"), pytest.param(NEWER, id="with another file")])
def test_a_mirror_that_fails_is_followed_by_the_others(server, part, monkeypatch, mirrored):
    monkeypatch.setenv("MRLF_WEIGHTS_MIRROR", f"{server.url}/mirror")
    if mirrored:
        server.put("/mirror/small.pth", mirrored)
    fetch_part(entry_for(BODY, server.put("/one", BODY)), part, QUICK)
    assert part.read_bytes() == BODY


def test_a_mirror_gives_a_file_that_has_no_address(server, part, monkeypatch):
    monkeypatch.setenv("MRLF_WEIGHTS_MIRROR", server.url)
    server.put("/small.pth", BODY)
    entry = entry_for(BODY, sha256=None, md5=hashlib.md5(BODY, usedforsecurity=False).hexdigest())
    fetch_part(entry, part, QUICK)
    assert part.read_bytes() == BODY


def test_progress_is_lines_where_there_is_no_terminal(server, part, monkeypatch, caplog):
    monkeypatch.setattr("pipeline.progress.LOG_EVERY_S", 0)
    server.fail("/one", change=changed(ending="cut"))
    with caplog.at_level("INFO", logger="mrlf"):
        fetch_part(entry_for(BODY, server.put("/one", BODY)), part, QUICK)
    assert caplog.messages[0] == "fetching small_net (35.0 kB) from 127.0.0.1"
    assert caplog.messages[-1] == "small_net: 35.0 kB of 35.0 kB"
