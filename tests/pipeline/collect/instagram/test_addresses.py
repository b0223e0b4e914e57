"""Addresses: what is not on the list is refused as it is written, and a name counts by every IP it has."""

import pytest

from pipeline.collect.instagram.addresses import INSTAGRAM_URL, AllowedHosts, instagram_url, is_public
from pipeline.collect.web.errors import RefusedError
from pipeline.errors import StageError

CDN = "https://scontent-ams2-1.cdninstagram.com/v/t51/1_n.jpg?stp=dst-jpg&oh=00_A&oe=68"
BASE = "http://127.0.0.1:8080"

REFUSED = {
    "metadata service": "http://169.254.169.254/latest/meta-data/",
    "metadata service over https": "https://169.254.169.254/",
    "localhost": "http://localhost/a.jpg",
    "localhost over https": "https://localhost/a.jpg",
    "private IP": "https://10.0.0.1/a.jpg",
    "loopback": "https://127.0.0.1/a.jpg",
    "decimal IPv4": "https://2130706433/",
    "hexadecimal IPv4": "https://0x7f000001/",
    "octal IPv4": "https://0177.0.0.1/",
    "short IPv4": "https://127.1/",
    "IPv6 loopback": "https://[::1]/",
    "IPv4 mapped into IPv6": "https://[::ffff:127.0.0.1]/",
    "IPv4 mapped, in hex": "https://[::ffff:7f00:1]/",
    "IPv6 link-local with a zone": "https://[fe80::1%25eth0]/",
    "IPv6 private": "https://[fd00::1]/",
    "a file": "file:///etc/passwd",
    "ftp": "ftp://scontent.cdninstagram.com/a.jpg",
    "gopher": "gopher://scontent.cdninstagram.com/",
    "data": "data:image/png;base64,AAAA",
    "http to the CDN": "http://scontent.cdninstagram.com/a.jpg",
    "another port of the CDN": "https://scontent.cdninstagram.com:8443/a.jpg",
    "port 0": "https://scontent.cdninstagram.com:0/a.jpg",
    "a number that is no port": "https://scontent.cdninstagram.com:٤٤٣/a.jpg",
    "another host": "https://example.com/a.jpg",
    "Instagram itself": "https://www.instagram.com/p/x/media/",
    "the list as a folder": "https://example.com/cdninstagram.com/a.jpg",
    "a longer name": "https://evilcdninstagram.com/a.jpg",
    "the list as a subdomain": "https://cdninstagram.com.example.com/a.jpg",
    "a dot at the end": "https://scontent.cdninstagram.com./a.jpg",
    "a user name": "https://scontent.cdninstagram.com@example.com/a.jpg",
    # pragma: allowlist nextline secret
    "a user name before a good host": "https://anna:secret@scontent.cdninstagram.com/a.jpg",
    "an empty user name": "https://@scontent.cdninstagram.com/a.jpg",
    "a backslash": "https://example.com\\.cdninstagram.com/a.jpg",
    "a backslash and a user name": "https://scontent.cdninstagram.com\\@example.com/",
    "a fragment for a host": "https://example.com#.cdninstagram.com/",
    "a percent sign in the host": "https://example.com%2f.cdninstagram.com/",
    "a line break": "https://scontent.cdninstagram.com\r\nHost: x/a.jpg",
    "a tab in the scheme": "ht\ttps://scontent.cdninstagram.com/a.jpg",
    "a space": " https://scontent.cdninstagram.com/a.jpg",
    "full-width letters": "https://scontent.cdninstagram。com/a.jpg",
    "no scheme": "//scontent.cdninstagram.com/a.jpg",
    "no host": "https:///a.jpg",
    "nothing": "",
    "broken brackets": "https://[::1/a.jpg",
    "very long": "https://scontent.cdninstagram.com/" + "a" * 9000,
}

PRIVATE_IPS = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "64:ff9b::7f00:1",
    "2001::1",
    "2002:7f00:1::1",
    "2001:db8::1",
    "2130706433",
    "0x7f000001",
    "not an ip",
    "",
]


@pytest.mark.parametrize(
    "url",
    [
        CDN,
        "https://instagram.fams1-2.fna.fbcdn.net/v/a.jpg",
        "https://SCONTENT.CDNINSTAGRAM.COM/a.jpg",
        "https://scontent.cdninstagram.com:443/a.jpg",
    ],
)
def test_the_cdn_is_allowed_over_https(url):
    assert AllowedHosts().check(url).port == 443


@pytest.mark.fault("I8")
@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_every_other_address_is_refused_as_it_is_written(url):
    with pytest.raises(RefusedError) as caught:
        AllowedHosts().check(url)
    assert str(caught.value) == caught.value.reason == "refused_address"


@pytest.mark.fault("I8")
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8080/",
        "http://127.0.0.1:8081/",
        "http://127.0.0.1/",
        "http://localhost:8080/",
        "http://127.0.0.2:8080/",
        "http://127.1:8080/",
        "http://a@127.0.0.1:8080/",
    ],
)
def test_a_named_base_is_allowed_with_exactly_its_scheme_host_and_port(url):
    assert AllowedHosts(BASE).check(f"{BASE}/a.jpg").host == "127.0.0.1"
    with pytest.raises(RefusedError):
        AllowedHosts(BASE).check(url)


@pytest.mark.parametrize("base", [INSTAGRAM_URL, f"{INSTAGRAM_URL}:443", "https://WWW.instagram.com"])
def test_instagrams_own_base_is_no_host_of_pictures(base):
    with pytest.raises(RefusedError):
        AllowedHosts(base).check(f"{base}/a.jpg")


@pytest.mark.fault("I8")
@pytest.mark.parametrize("ip", PRIVATE_IPS)
def test_an_ip_that_is_not_of_the_public_internet_is_refused(ip):
    assert not is_public(ip)
    with pytest.raises(RefusedError):
        AllowedHosts(BASE).check_ips("scontent.cdninstagram.com", 443, ["157.240.1.1", ip])


@pytest.mark.parametrize("ip", ["157.240.1.1", "8.8.8.8", "2a03:2880:f2ff::1"])
def test_public_ips_are_allowed(ip):
    assert is_public(ip)
    AllowedHosts().check_ips("scontent.cdninstagram.com", 443, [ip])


def test_the_named_base_may_have_any_ip_on_its_port_only():
    AllowedHosts(BASE).check_ips("127.0.0.1", 8080, ["127.0.0.1"])
    with pytest.raises(RefusedError):
        AllowedHosts(BASE).check_ips("127.0.0.1", 8081, ["127.0.0.1"])


@pytest.mark.parametrize(
    ("stated", "url"),
    [
        ("", INSTAGRAM_URL),
        (f"{INSTAGRAM_URL}/", INSTAGRAM_URL),
        (BASE, BASE),
        (f" {BASE}/ ", BASE),
        ("http://localhost:9", "http://localhost:9"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("https://proxy.example", "https://proxy.example"),
    ],
)
def test_the_base_address_comes_from_the_environment(monkeypatch, stated, url):
    monkeypatch.setenv("MRLF_INSTAGRAM_URL", stated)
    assert instagram_url() == url


@pytest.mark.parametrize(
    "stated",
    [
        "http://www.instagram.com",
        "http://10.0.0.1:80",
        "www.instagram.com",
        "ftp://x",
        "https://a:canary@x",  # pragma: allowlist secret
        "https://x/canary",
        "https://x?canary",
        "https://x#canary",
        "https://",
    ],
)
def test_a_base_address_to_which_cookies_must_not_go_is_refused_and_not_repeated(monkeypatch, stated):
    monkeypatch.setenv("MRLF_INSTAGRAM_URL", stated)
    with pytest.raises(StageError, match="MRLF_INSTAGRAM_URL is no base address") as caught:
        instagram_url()
    assert "canary" not in str(caught.value)
