"""Where the download of pictures connects: never to a private place, at no hop, whatever a name resolves to."""

import socket
from io import BytesIO

import pytest
import requests

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.media.downloads import MAX_REDIRECTS, MediaFetcher
from pipeline.collect.web.errors import (
    RefusedError,
    RetryError,
)
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.media_fetchers import PICTURE, RETRIES, Names, Wires, fetcher_of, hosts

CDN_HOST = "scontent-ams2-1.cdninstagram.com"
PUBLIC_IP = "157.240.1.1"
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
def test_a_redirect_never_leaves_https_even_to_the_named_base(server, monkeypatch):
    def get(session, url, **how):
        answer = requests.Response()
        answer.status_code, answer.raw = 302, BytesIO()
        answer.headers["Location"] = f"{server.url}/0.jpg"
        return answer

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(RefusedError, match="refused_address"):
        fetcher_of(server).fetch(f"https://{CDN_HOST}/a.jpg")


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


@pytest.mark.fault("I8")
def test_the_certificate_is_checked_against_the_hosts_name_and_never_waived(tls_server):
    address, heard, thread = tls_server
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
    assert (heard["names"], heard["bytes"]) == ([CDN_HOST], b"")


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
