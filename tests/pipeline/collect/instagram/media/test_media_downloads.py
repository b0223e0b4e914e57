"""The download of pictures: within its limits, tried again where that helps, and every ending has its name."""

import threading
import time
import traceback

import pytest

from pipeline.collect.instagram.journal.records import DAY_S
from pipeline.collect.instagram.media.hosts import LONGEST_S
from pipeline.collect.post_rules import PictureLimits
from pipeline.collect.web.clock import SystemClock
from pipeline.collect.web.errors import (
    BadResponseError,
    ExpiredError,
    FinalError,
    MissingError,
    RetryError,
    WaitError,
)
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.media_fetchers import PICTURE, Names, Wires, fetcher_of, hosts

LIMITS = PictureLimits(max_image_bytes=10**6, max_image_pixels=10**6, min_image_side_px=8)


def test_a_picture_comes_whole_and_nothing_of_ours_goes_along(server, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password canary")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.fail(answer=Answer(body=PICTURE, headers={"Set-Cookie": "canary=1; Path=/"}))
    with fetcher_of(server) as fetcher:
        assert fetcher.fetch(f"{server.url}/a.jpg?oh=1") == fetcher.fetch(f"{server.url}/b.jpg") == PICTURE
    for request in server.requests:
        assert "canary" not in str(request.headers)
        assert set(request.headers) <= {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert "Mozilla" not in request.headers["User-Agent"]


def test_a_connection_is_kept_and_looked_up_once(server):
    names, wires = Names(["127.0.0.1"]), Wires(("127.0.0.1", int(server.url.rpartition(":")[2])))
    fetcher = fetcher_of(server, resolve=names, dial=wires)
    for _ in range(5):
        fetcher.fetch(f"{server.url}/a.jpg")
    assert len(names.asked) == len(wires.dialled) == 1


def test_four_threads_share_one_fetcher(server):
    wires = Wires(("127.0.0.1", int(server.url.rpartition(":")[2])))
    fetcher, got = fetcher_of(server, resolve=Names(["127.0.0.1"]), dial=wires), []

    def work():
        got.extend(fetcher.fetch(f"{server.url}/{n}.jpg") for n in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetcher.close()
    assert got == [PICTURE] * 20
    assert len(wires.dialled) == 4


@pytest.mark.fault("I7")
@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (403, ExpiredError, "media_expired"),
        (404, MissingError, "media_not_found"),
        (410, FinalError, "media_gone"),
        (400, BadResponseError, "status_400"),
        (204, BadResponseError, "status_204"),
        (304, BadResponseError, "status_304"),
        (302, BadResponseError, "status_302"),
    ],
)
def test_what_no_second_try_can_mend_is_asked_once(server, status, error, reason):
    server.fail(answer=Answer(status=status, body=b"canary"), times=None)
    with pytest.raises(error) as caught:
        fetcher_of(server).fetch(f"{server.url}/a.jpg?signature=canary")
    assert caught.value.reason == reason
    assert "canary" not in str(caught.value)
    assert server.count() == 1


@pytest.mark.fault("I7")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=500), "status_500"),
        (Answer(status=502), "status_502"),
        (Answer(status=503), "status_503"),
        (Answer(status=504), "status_504"),
        (Answer(status=408), "status_408"),
        (Answer(status=425), "status_425"),
        (Answer(ending="reset"), "no_connection"),
        (Answer(delay_s=0.15, body=PICTURE), "timeout"),
    ],
    ids=["500", "502", "503", "504", "408", "425", "reset", "timeout"],
)
def test_a_passing_trouble_is_tried_again_a_few_times(server, answer, reason):
    clock = FakeClock()
    fetcher = fetcher_of(server, clock, deadline_s=0.05 if reason == "timeout" else 5.0)
    server.fail("a.jpg", answer, times=2)
    assert fetcher.fetch(f"{server.url}/a.jpg") == PICTURE
    assert (server.count("a.jpg"), len(clock.slept)) == (3, 2)
    server.fail("b.jpg", answer, times=None)
    with pytest.raises(RetryError) as caught:
        fetcher.fetch(f"{server.url}/b.jpg?signature=canary")
    assert (caught.value.reason, server.count("b.jpg")) == (reason, 3)
    assert "canary" not in "".join(traceback.format_exception(caught.value)).replace("?signature=canary", "", 1)


def test_the_rests_of_a_host_grow_within_a_day_up_to_the_longest():
    clock = FakeClock()
    of_hosts, rests = hosts(clock), []
    for _ in range(6):
        of_hosts.throttled("https://pictures/a.jpg", None)
        rests.append(of_hosts.rest_left_s("https://pictures/a.jpg"))
        clock.sleep(rests[-1])
    assert rests == [60, 240, 960, 3840, 15360, LONGEST_S]
    clock.sleep(2 * DAY_S)
    of_hosts.throttled("https://pictures/a.jpg", None)
    assert of_hosts.rest_left_s("https://pictures/a.jpg") == 60


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "120"}, 120.0), ({}, None)])
def test_a_throttled_host_is_left_alone(server, header, seconds):
    server.fail(answer=Answer(status=429, headers=header), times=None)
    with pytest.raises(WaitError) as caught:
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
    assert (caught.value.reason, caught.value.retry_after_s, server.count()) == ("media_throttled", seconds, 1)


@pytest.mark.fault("I9")
def test_a_gigabyte_is_refused_by_its_length_before_it_is_read(server):
    server.fail(answer=Answer(headers={"Content-Length": str(2**30)}, ending="endless"))
    started = time.monotonic()
    with pytest.raises(BadResponseError) as caught:
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
    assert str(caught.value) == "too_many_bytes"
    assert (server.count(), time.monotonic() - started < 0.5) == (1, True)


@pytest.mark.fault("I9")
def test_an_endless_body_is_cut_off_at_the_limit_and_not_reported(server):
    server.fail(answer=Answer(body=b"\xff\xd8canary" * 10_000, ending="endless"))
    with pytest.raises(BadResponseError) as caught:
        fetcher_of(server, max_bytes=100_000).fetch(f"{server.url}/a.jpg")
    assert str(caught.value) == "too_many_bytes"
    assert server.count() == 1


@pytest.mark.fault("I9")
def test_the_endless_body_of_a_redirect_is_not_read(server):
    server.fail(answer=Answer(status=302, headers={"Location": "/b.jpg"}, body=b"x" * 99, ending="endless"))
    assert fetcher_of(server).fetch(f"{server.url}/a.jpg") == PICTURE


@pytest.mark.fault("I9")
def test_a_body_of_exactly_the_limit_is_taken(server):
    assert fetcher_of(server, max_bytes=len(PICTURE)).fetch(f"{server.url}/a.jpg") == PICTURE
    with pytest.raises(BadResponseError):
        fetcher_of(server, max_bytes=len(PICTURE) - 1).fetch(f"{server.url}/a.jpg")


@pytest.mark.fault("I9")
@pytest.mark.parametrize("ending", ["whole", "endless"])
def test_a_slow_drip_ends_at_the_deadline(server, ending):
    server.fail(answer=Answer(body=b"x" * 200, drip_s=0.02, ending=ending), times=None)
    fetcher = fetcher_of(server, SystemClock(), deadline_s=0.2, retries=Retries(max_tries=1))
    started = time.monotonic()
    with pytest.raises(RetryError, match="timeout"):
        fetcher.fetch(f"{server.url}/a.jpg")
    assert time.monotonic() - started < 0.7


@pytest.mark.fault("I9")
def test_slow_redirects_share_one_deadline(server):
    server.fail(answer=Answer(status=302, headers={"Location": "/again.jpg"}, delay_s=0.08), times=None)
    fetcher = fetcher_of(server, SystemClock(), deadline_s=0.2, retries=Retries(max_tries=1))
    with pytest.raises(RetryError, match="timeout"):
        fetcher.fetch(f"{server.url}/a.jpg")
    assert server.count() <= 3


@pytest.mark.fault("I10")
@pytest.mark.parametrize("ending", ["cut", "cut_chunks"])
def test_half_a_body_is_fetched_again(server, ending):
    server.fail("a.jpg", Answer(body=PICTURE, ending=ending), times=2)
    assert fetcher_of(server).fetch(f"{server.url}/a.jpg") == PICTURE
    server.fail("b.jpg", Answer(body=PICTURE, ending=ending), times=None)
    with pytest.raises(RetryError, match="short_body"):
        fetcher_of(server).fetch_picture(f"{server.url}/b.jpg", LIMITS)
    assert (server.count("a.jpg"), server.count("b.jpg")) == (3, 3)


@pytest.mark.fault("I10")
def test_a_picture_cut_without_a_length_is_fetched_once_more(server):
    server.fail(answer=Answer(body=PICTURE, ending="cut_without_length"))
    picture = fetcher_of(server).fetch_picture(f"{server.url}/a.jpg", LIMITS)
    assert (picture.outcome, picture.data, server.count()) == ("ok", PICTURE, 2)


@pytest.mark.fault("I10")
def test_a_picture_that_stays_cut_is_reported_without_its_bytes(server):
    server.fail(answer=Answer(body=PICTURE, ending="cut_without_length"), times=None)
    picture = fetcher_of(server).fetch_picture(f"{server.url}/a.jpg", LIMITS)
    assert (picture.outcome, picture.data, server.count()) == ("truncated", None, 2)
    assert len(picture.digest) == 64
    assert picture.num_bytes == len(PICTURE) // 2


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"<html><body>log in</body></html>", "not_an_image"),
        (b'{"status": "fail"}', "not_an_image"),
        (b"", "not_an_image"),
        (b"GIF89a" + b"\0" * 20, "unsupported_format"),
    ],
    ids=["HTML", "JSON", "nothing", "GIF"],
)
def test_what_is_no_picture_is_reported_when_it_was_asked_for_once_more(server, body, outcome):
    server.fail(answer=Answer(body=body, headers={"Content-Type": "image/jpeg"}), times=None)
    picture = fetcher_of(server).fetch_picture(f"{server.url}/a.jpg", LIMITS)
    assert (picture.outcome, picture.data, server.count()) == (outcome, None, 2)


def test_a_compressed_body_is_not_unpacked(server):
    server.fail(answer=Answer(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadResponseError, match="encoded_body"):
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
