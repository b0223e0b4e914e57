"""The download of pictures: guarded at every hop, within its limits, and every ending has its name."""

import socket
import ssl
import subprocess
import tempfile
import threading
import time
import traceback
from pathlib import Path

import pytest

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.media.downloads import MAX_REDIRECTS, MediaFetcher
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.pictures import PictureLimits
from pipeline.collect.web.clock import SystemClock
from pipeline.collect.web.errors import (
    BadResponseError,
    ExpiredError,
    FinalError,
    MissingError,
    RefusedError,
    RetryError,
    WaitError,
)
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.pictures import encoded, pixels

PICTURE = encoded(pixels())
LIMITS = PictureLimits(max_image_bytes=10**6, max_image_pixels=10**6, min_image_side_px=8)
CDN_HOST = "scontent-ams2-1.cdninstagram.com"
PUBLIC_IP = "157.240.1.1"
RETRIES = Retries(max_tries=3)


def entry(ip, port):
    """One IP as getaddrinfo tells it."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return family, socket.SOCK_STREAM, 6, "", (ip, port, 0, 0) if ":" in ip else (ip, port)


class Names:
    """A look-up of names; each look-up gives the next of the answers, then the last for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, host, port, **_):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [entry(ip, port) for ip in answer]


class Wires:
    """Connections that were made; all of them lead to one server, whatever IP was meant."""

    def __init__(self, to=None):
        self.to, self.dialled = to, []

    def __call__(self, address, timeout):
        self.dialled.append(address)
        if self.to is None:
            raise OSError("no wire")
        return socket.create_connection(self.to, timeout)


@pytest.fixture
def server():
    """Serves a good picture at every path."""
    with FakeServer(lambda _: Answer(body=PICTURE, headers={"Content-Type": "image/jpeg"})) as server:
        yield server


def fetcher_of(server, clock=None, **changes):
    """A fetcher for which the server is the named base."""
    options = {"max_bytes": 10**6, "deadline_s": 5.0, "retries": RETRIES, **changes}
    clock = clock or FakeClock()
    return MediaFetcher(clock, AllowedHosts(server.url), hosts(clock), **options)


def hosts(clock=None):
    """Of no host is known that it rests."""
    return MediaHosts(Path(tempfile.mkdtemp()) / "hosts.sqlite", clock or FakeClock())


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
        (Answer(ending="reset"), "no_connection"),
        (Answer(delay_s=0.15, body=PICTURE), "timeout"),
    ],
    ids=["500", "502", "503", "504", "reset", "timeout"],
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


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "120"}, 120.0), ({}, None)])
def test_a_throttled_host_is_left_alone(server, header, seconds):
    server.fail(answer=Answer(status=429, headers=header), times=None)
    with pytest.raises(WaitError) as caught:
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
    assert (caught.value.reason, caught.value.retry_after_s, server.count()) == ("media_throttled", seconds, 1)


PRIVATE = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "http://localhost/a.jpg",
    "http://127.0.0.1/a.jpg",
    "http://127.0.0.1:1/a.jpg",
    "http://10.0.0.1/a.jpg",
    "http://[::1]/a.jpg",
    "http://[::ffff:127.0.0.1]/a.jpg",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "https://example.com/a.jpg",
    "//example.com/a.jpg",
    "https://www.instagram.com/accounts/login/",
    f"http://{CDN_HOST}/a.jpg",
    f"https://{CDN_HOST}@example.com/",
    f"https://{CDN_HOST}.:443/",
    "https://[::1/",
    "\\\\example.com\\a",
]


@pytest.mark.fault("I8")
@pytest.mark.parametrize("url", PRIVATE)
@pytest.mark.parametrize("num_good", [0, 1, 3])
def test_a_redirect_to_a_private_place_is_refused_before_connecting_at_each_hop(server, url, num_good):
    names, wires = Names(["127.0.0.1"]), Wires(("127.0.0.1", int(server.url.rpartition(":")[2])))
    for hop in range(num_good):
        server.fail(f"/{hop}.jpg", Answer.redirect(f"/{hop + 1}.jpg"))
    server.fail(f"/{num_good}.jpg", Answer.redirect(url))
    with pytest.raises(RefusedError) as caught:
        fetcher_of(server, resolve=names, dial=wires).fetch(f"{server.url}/0.jpg")
    assert caught.value.reason == "refused_address"
    assert server.count() == num_good + 1
    assert set(names.asked) == {"127.0.0.1"}
    assert len({address for address in wires.dialled}) == 1


@pytest.mark.fault("I8")
@pytest.mark.parametrize("url", [url for url in PRIVATE if not url.startswith(("/", "\\"))])
def test_a_private_place_is_refused_as_the_first_address_too(url):
    names, wires = Names([PUBLIC_IP]), Wires()
    fetcher = MediaFetcher(FakeClock(), AllowedHosts(), hosts(), 10**6, 5, RETRIES, resolve=names, dial=wires)
    with pytest.raises(RefusedError):
        fetcher.fetch(url)
    assert (names.asked, wires.dialled) == ([], [])


@pytest.mark.fault("I8")
@pytest.mark.parametrize(
    "ips",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["192.168.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1"],
        ["fd00::1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1"],
        [PUBLIC_IP, "127.0.0.1"],
        ["::1", PUBLIC_IP],
    ],
    ids=lambda ips: "+".join(ips),
)
def test_a_good_name_that_resolves_to_a_private_ip_is_refused_before_connecting(ips):
    wires = Wires()
    fetcher = MediaFetcher(FakeClock(), AllowedHosts(), hosts(), 10**6, 5, RETRIES, resolve=Names(ips), dial=wires)
    with pytest.raises(RefusedError) as caught:
        fetcher.fetch(f"https://{CDN_HOST}/a.jpg")
    assert (caught.value.reason, wires.dialled) == ("refused_address", [])


@pytest.mark.fault("I8")
def test_the_connection_goes_to_the_ip_that_was_judged_whatever_the_name_says_later(server):
    names, wires = Names([PUBLIC_IP], ["127.0.0.1"]), Wires(("127.0.0.1", int(server.url.rpartition(":")[2])))
    fetcher = MediaFetcher(
        FakeClock(), AllowedHosts(), hosts(), 10**6, 5, Retries(max_tries=1), resolve=names, dial=wires
    )
    with pytest.raises(RetryError, match="tls"):  # the server behind the wire speaks no TLS
        fetcher.fetch(f"https://{CDN_HOST}/a.jpg")
    assert (names.asked, wires.dialled) == ([CDN_HOST], [(PUBLIC_IP, 443)])
    with pytest.raises(RefusedError):
        fetcher.fetch(f"https://{CDN_HOST}/a.jpg")
    assert len(wires.dialled) == 1


@pytest.mark.fault("I8")
def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert fetcher_of(server).fetch(f"{server.url}/a.jpg") == PICTURE


def test_every_ip_is_tried_and_a_name_without_any_is_tried_again():
    wires = Wires()
    names = Names(socket.gaierror(-2, "canary"), [], [PUBLIC_IP, "2a03:2880:f2ff::1"])
    fetcher = MediaFetcher(FakeClock(), AllowedHosts(), hosts(), 10**6, 5, RETRIES, resolve=names, dial=wires)
    with pytest.raises(RetryError, match="no_connection"):
        fetcher.fetch(f"https://{CDN_HOST}/a.jpg")
    assert wires.dialled == [(PUBLIC_IP, 443), ("2a03:2880:f2ff::1", 443)]
    dead = MediaFetcher(FakeClock(), AllowedHosts(), hosts(), 10**6, 5, RETRIES, resolve=Names(OSError()), dial=wires)
    with pytest.raises(RetryError, match="dns"):
        dead.fetch(f"https://{CDN_HOST}/a.jpg")


@pytest.fixture
def tls_server(tmp_path):
    """Speaks TLS with a certificate for the CDN's name that nobody vouches for; tells what came."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            tmp_path / "key",
            "-out",
            tmp_path / "cert",
            "-days",
            "2",
            "-subj",
            f"/CN={CDN_HOST}",
            "-addext",
            f"subjectAltName=DNS:{CDN_HOST}",
        ],
        check=True,
        capture_output=True,
    )
    told = {"names": [], "bytes": b""}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    tls.sni_callback = lambda _socket, name, _context: told["names"].append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            try:
                with tls.wrap_socket(connection, server_side=True) as secured:
                    told["bytes"] = secured.recv(1000)
            except OSError as error:
                told["error"] = str(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname(), told, thread
    listener.close()


@pytest.mark.fault("I8")
def test_the_certificate_is_checked_against_the_hosts_name_and_never_waived(tls_server):
    address, told, thread = tls_server
    fetcher = MediaFetcher(
        FakeClock(),
        AllowedHosts(),
        hosts(),
        10**6,
        5,
        Retries(max_tries=1),
        resolve=Names([PUBLIC_IP]),
        dial=Wires(address),
    )
    with pytest.raises(RetryError, match="tls"):
        fetcher.fetch(f"https://{CDN_HOST}/a.jpg")
    thread.join(timeout=1)
    assert (told["names"], told["bytes"]) == ([CDN_HOST], b"")


@pytest.mark.parametrize("num_hops", [0, MAX_REDIRECTS, MAX_REDIRECTS + 1])
def test_redirects_are_followed_up_to_a_limit(server, num_hops):
    for hop in range(num_hops):
        server.fail(f"/{hop}.jpg", Answer.redirect(f"{server.url}/{hop + 1}.jpg#x"))
    if num_hops <= MAX_REDIRECTS:
        assert fetcher_of(server).fetch(f"{server.url}/0.jpg") == PICTURE
    else:
        with pytest.raises(RefusedError, match="too_many_redirects"):
            fetcher_of(server).fetch(f"{server.url}/0.jpg")
        assert server.count() == 1 + MAX_REDIRECTS


@pytest.mark.fault("I9")
def test_a_gigabyte_is_refused_by_its_length_before_it_is_read(server):
    server.fail(answer=Answer(headers={"Content-Length": str(2**30)}, ending="endless"))
    started = time.monotonic()
    with pytest.raises(BadResponseError) as caught:
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
    assert str(caught.value) == "too_many_bytes"
    assert (server.count(), time.monotonic() - started < 0.5) == (1, True)


@pytest.mark.fault("I9")
def test_an_endless_body_is_cut_off_at_the_limit_and_not_told(server):
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
def test_a_picture_that_stays_cut_is_told_without_its_bytes(server):
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
def test_what_is_no_picture_is_told_when_it_was_asked_for_once_more(server, body, outcome):
    server.fail(answer=Answer(body=body, headers={"Content-Type": "image/jpeg"}), times=None)
    picture = fetcher_of(server).fetch_picture(f"{server.url}/a.jpg", LIMITS)
    assert (picture.outcome, picture.data, server.count()) == (outcome, None, 2)


@pytest.mark.parametrize(
    ("tag", "is_refused"),
    [
        ("noai", True),
        ("noimageai", True),
        ("noindex", True),
        ("NoImageIndex", True),
        ("none", True),
        ("nofollow, noai", True),
        ("googlebot: noindex", True),
        ("mrlf: nofollow, noimageai", True),
        ("", False),
        ("all", False),
        ("nofollow", False),
        ("noarchive, max-image-preview: large", False),
        ("noairplane", False),
    ],
)
def test_a_picture_that_robots_are_asked_to_leave_is_not_read(server, tag, is_refused):
    server.fail(answer=Answer(body=PICTURE, headers={"X-Robots-Tag": tag}))
    if is_refused:
        with pytest.raises(RefusedError, match="robots"):
            fetcher_of(server).fetch(f"{server.url}/a.jpg")
        assert server.count() == 1
    else:
        assert fetcher_of(server).fetch(f"{server.url}/a.jpg") == PICTURE


def test_a_compressed_body_is_not_unpacked(server):
    server.fail(answer=Answer(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadResponseError, match="encoded_body"):
        fetcher_of(server).fetch(f"{server.url}/a.jpg")
