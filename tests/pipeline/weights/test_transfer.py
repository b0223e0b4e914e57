"""One file over real HTTP: it comes whole, or what is wrong is said; nothing hangs, and only what may be is asked."""

import time
from dataclasses import replace
from io import BytesIO

import pytest
import requests

from pipeline.weights.addresses import TransferError
from pipeline.weights.transfer import CannotKeepError, transfer
from tests.fakes.http_server import Answer, changed
from tests.pipeline.weights.conftest import QUICK

BODY = bytes(range(256)) * 2000
NUM_BYTES = len(BODY)


@pytest.fixture
def part(tmp_path):
    """Where the file is to come."""
    return tmp_path / "net.part"


def fetch(address, part, num_bytes=NUM_BYTES, **limits):
    """One transfer; the sizes that were seen on the way."""
    seen = []
    transfer(address, part, num_bytes, replace(QUICK, **limits), seen.append)
    return seen


@pytest.mark.parametrize(
    "served",
    [
        pytest.param({}, id="ranges and a tag"),
        pytest.param({"has_ranges": False}, id="no ranges"),
        pytest.param({"has_tag": False}, id="no tag"),
        pytest.param({"states_length": False}, id="no length"),
    ],
)
@pytest.mark.parametrize("num_bytes", [pytest.param(len(BODY), id="size known"), pytest.param(None, id="unknown")])
def test_the_file_comes_whole(server, part, served, num_bytes):
    seen = fetch(server.put("/net", BODY, **served), part, num_bytes)
    assert part.read_bytes() == BODY
    assert seen == sorted(seen) and seen[-1] == len(BODY)


@pytest.mark.fault("M11")
@pytest.mark.parametrize("ending", ["cut", "cut_chunks", "reset"])
def test_a_transfer_that_breaks_off_goes_on(server, part, ending):
    address = server.put("/net", BODY)
    server.fail("/net", change=changed(ending=ending))
    fetch(address, part)
    assert part.read_bytes() == BODY
    first, second = server.ranges("/net")
    assert first is None
    assert (second is None) == (ending == "reset")


def test_a_later_process_goes_on_where_an_earlier_one_ended(server, part):
    address = server.put("/net", BODY)
    server.fail("/net", change=changed(ending="cut"))
    with pytest.raises(TransferError, match="of it are kept"):
        fetch(address, part, max_tries=1)
    assert part.stat().st_size == len(BODY) // 2
    fetch(address, part)
    assert part.read_bytes() == BODY
    assert server.ranges("/net")[-1] == f"bytes={len(BODY) // 2}-"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"body": BODY[::-1]}, id="the file changed meanwhile"),
        pytest.param({"body": BODY, "has_ranges": False}, id="the server has no ranges"),
    ],
)
def test_a_part_that_is_of_no_use_is_begun_anew(server, part, change):
    address = server.put("/net", BODY)
    server.fail("/net", change=changed(ending="cut"))
    with pytest.raises(TransferError):
        fetch(address, part, max_tries=1)
    server.put("/net", **change)
    fetch(address, part)
    assert part.read_bytes() == change["body"]


def test_a_part_of_another_address_is_not_gone_on_with(server, part):
    server.fail("/one", change=changed(ending="cut"))
    with pytest.raises(TransferError):
        fetch(server.put("/one", BODY), part, max_tries=1)
    fetch(server.put("/two", BODY), part)
    assert server.ranges("/two") == [None]
    assert part.read_bytes() == BODY


def test_a_part_that_is_whole_already_or_too_long_is_no_dead_end(server, part):
    address = server.put("/net", BODY)
    server.fail("/net", change=changed(ending="cut"))
    with pytest.raises(TransferError):
        fetch(address, part, max_tries=1)
    part.write_bytes(BODY)
    fetch(address, part)
    assert part.read_bytes() == BODY


@pytest.mark.parametrize("place", ["bytes 7-9/10", "nonsense"])
def test_an_answer_that_goes_on_at_another_place_is_not_pasted(server, part, place):
    address = server.put("/net", BODY)
    server.fail("/net", change=changed(ending="cut"))
    server.fail("/net", Answer(status=206, body=b"wrong", headers={"Content-Range": place}))
    fetch(address, part)
    assert part.read_bytes() == BODY


@pytest.mark.fault("M11")
@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        pytest.param(Answer(status=404), "status 404", id="gone"),
        pytest.param(Answer(status=403), "status 403", id="forbidden"),
        pytest.param(Answer(status=503), "status 503", id="down for ever"),
        pytest.param(Answer.html("<html>sign in</html>"), "a web page came", id="a web page"),
        pytest.param(Answer(body=BODY + b"x"), "has 512,001 bytes, at most 512,000", id="larger than published"),
        pytest.param(Answer(body=BODY[:-1]), "has 511,999 bytes, 512,000 were", id="half a file"),
        pytest.param(Answer(body=b"a" * 65536, ending="endless"), "more than the 512,000 bytes", id="endless"),
        pytest.param(Answer(body=BODY, ending="cut_without_length"), "ended in the middle", id="ends too early"),
        pytest.param(Answer(body=BODY, headers={"Content-Encoding": "gzip"}), "compressed", id="compressed"),
        pytest.param(Answer(body=BODY, delay_s=9), "(silence|no answer)", id="never answers"),
        pytest.param(Answer(body=BODY, drip_s=0.05), "too slow", id="a drip"),
        pytest.param(Answer(ending="reset"), "broke", id="resets"),
    ],
)
def test_what_is_no_file_is_told_and_ends_in_time(server, part, answer, raised):
    address = server.put("/net", BODY)
    server.fail("/net", answer, times=None)
    began = time.monotonic()
    with pytest.raises(TransferError, match=raised):
        fetch(address, part, patience_s=0.4, max_tries=2)
    assert time.monotonic() - began < 4


def test_silence_in_the_middle_is_no_end(server, part):
    address = server.put("/net", BODY)
    server.fail("/net", Answer(body=BODY[:1000], drip_s=0.6))
    fetch(address, part, num_bytes=None)
    assert part.read_bytes() == BODY


def test_a_file_of_unknown_size_has_a_cap(server, part):
    address = server.put("/net", BODY, states_length=False)
    with pytest.raises(TransferError, match="more than the 1,000 bytes"):
        fetch(address, part, num_bytes=None, max_bytes=1000)
    assert not part.exists()


def test_a_redirect_is_followed(server, part):
    address = server.put("/net", BODY)
    server.fail("/old", Answer.redirect(address))
    fetch(f"{server.url}/old", part)
    assert part.read_bytes() == BODY


@pytest.mark.parametrize(
    ("address", "raised"),
    [
        pytest.param("http://example.invalid/net", "only https is asked, this is http", id="plain http"),
        pytest.param("file:///etc/passwd", "only https is asked, this is file", id="a file of this machine"),
        pytest.param("example.invalid/net", "only https is asked", id="no address"),
        pytest.param("http://localhost/net", "only https is asked", id="another name of this machine"),
        pytest.param("https://127.0.0.1:1/net", "no connection", id="nobody is there"),
    ],
)
def test_where_nothing_is_asked(part, address, raised):
    with pytest.raises(TransferError, match=raised):
        fetch(address, part, max_tries=1)
    assert not part.exists()


@pytest.mark.parametrize(
    ("to", "raised"),
    [
        pytest.param("http://example.invalid/net", "a redirect to http://example.invalid", id="to plain http"),
        pytest.param("file:///etc/passwd", "a redirect to file", id="to a file"),
        pytest.param("/loop", "more than 5 redirects", id="in a circle"),
    ],
)
def test_a_redirect_leads_nowhere_else(server, part, to, raised):
    server.fail("/loop", Answer.redirect(to), times=None)
    with pytest.raises(TransferError, match=raised):
        fetch(f"{server.url}/loop", part)


@pytest.mark.fault("M11")
@pytest.mark.parametrize("first", ["https://files.example.org", "https://127.0.0.1", "http://127.0.0.1"])
def test_a_redirect_never_leaves_https(part, monkeypatch, first):
    asked = []

    def get(session, url, **how):
        asked.append(url)
        answer = requests.Response()
        answer.status_code, answer.raw = 302, BytesIO()
        answer.headers["Location"] = "https://127.0.0.1/b" if url.startswith("http:") else "http://127.0.0.1:1/net"
        return answer

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(TransferError, match="a redirect to http://127"):
        fetch(f"{first}/a", part, max_tries=1)
    assert asked == ([f"{first}/a"] if first.startswith("https") else [f"{first}/a", "https://127.0.0.1/b"])


def test_a_full_disk_is_reported(server, part):
    part.symlink_to("/dev/full")
    with pytest.raises(CannotKeepError, match=r"the disk of .* is full: .* Make room and fetch again"):
        fetch(server.put("/net", BODY), part)


def test_a_disk_that_is_too_small_is_told_before_a_byte(server, part):
    with pytest.raises(CannotKeepError, match="more are needed"):
        fetch(server.put("/net", BODY, states_length=False), part, num_bytes=2**62)
    assert not part.exists()


def test_a_place_that_cannot_be_written_is_reported(server, part):
    part.mkdir()
    with pytest.raises(CannotKeepError, match="cannot be written: Is a directory"):
        fetch(server.put("/net", BODY), part, max_tries=1)
