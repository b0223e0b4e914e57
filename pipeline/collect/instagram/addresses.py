"""Which addresses pictures are asked from: Instagram's CDN, and a base address that a person has named.

Law: an address is judged as it is written, before its name is looked up; then each IP of the name is judged, and the
connection goes to one of those very IPs (see `pipeline.collect.instagram.guarded`).
Covered: other schemes, hosts and ports, user names in an address, numbers in place of names (decimal, octal, hex,
IPv6), a dot at the end, backslashes, spaces and non-ASCII characters, names of private and link-local IPs.
Not covered: what the CDN's own hosts send; their certificate says who they are.
"""

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.collect.web.errors import RefusedError
from pipeline.errors import StageError

URL_VARIABLE = "MRLF_INSTAGRAM_URL"
INSTAGRAM_URL = "https://www.instagram.com"
CDN_SUFFIXES = ("cdninstagram.com", "fbcdn.net")
MAX_ADDRESS_CHARACTERS = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}

_PLAIN = re.compile(r"[\x21-\x7e]+")
_AUTHORITY = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/32", "2002::/16")))
"""Special networks and tunnels to an IPv4 inside that `is_global` takes for public in some versions of Python."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an address; the host in lower case, without the brackets of IPv6."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by its name or number."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def instagram_url() -> str:
    """The base address of Instagram without a slash at its end: of MRLF_INSTAGRAM_URL, else the real one.

    Raises:
        StageError: it is no https address; http is for this machine alone, because session cookies are sent there.
    """
    url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/")
    if not url:
        return INSTAGRAM_URL
    try:
        origin = origin_of(url)
    except RefusedError:
        origin = None
    has_more = url.count("/") != 2 or "?" in url or "#" in url
    if origin is None or has_more or (origin.scheme == "http" and not origin.is_loopback):
        raise StageError(
            f"{URL_VARIABLE} is no base address: it must be https://<host>[:<port>] (http for this machine only), "
            f"or not be set, which means {INSTAGRAM_URL}"
        )
    return url


def origin_of(url: str) -> Origin:
    """Where an address points.

    Raises:
        RefusedError: `refused_address`, it is no plain http or https address.
    """
    if len(url) > MAX_ADDRESS_CHARACTERS or not _PLAIN.fullmatch(url) or "\\" in url:
        raise RefusedError("refused_address")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RefusedError("refused_address") from None
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if authority is None or parts.scheme not in DEFAULT_PORTS:
        raise RefusedError("refused_address")
    host, port = authority.groups()
    return Origin(parts.scheme, host.lower().strip("[]"), int(port) if port else DEFAULT_PORTS[parts.scheme])


class AllowedHosts:
    """The CDN over https, and the origin of a base address other than Instagram's own."""

    def __init__(self, base_url: str = INSTAGRAM_URL) -> None:
        base = origin_of(base_url)
        self._base = None if base == origin_of(INSTAGRAM_URL) else base

    @classmethod
    def from_environment(cls) -> "AllowedHosts":
        """With the base address of MRLF_INSTAGRAM_URL."""
        return cls(instagram_url())

    def check(self, url: str) -> Origin:
        """Where an address points, if pictures may be asked there.

        Raises:
            RefusedError: `refused_address`; no name was looked up and nothing was sent.
        """
        origin = origin_of(url)
        if origin != self._base and not _is_cdn(origin):
            raise RefusedError("refused_address")
        return origin

    def check_ips(self, host: str, port: int, ips: Iterable[str]) -> None:
        """Judge the IPs of a host: each must be a public one; the named base may have any.

        Raises:
            RefusedError: `refused_address`
        """
        is_base = self._base is not None and (host, port) == (self._base.host, self._base.port)
        if not is_base and not all(is_public(ip) for ip in ips):
            raise RefusedError("refused_address")


def is_public(ip: str) -> bool:
    """Whether an IP is one of the public internet: not private, local, shared, reserved or multicast, no tunnel."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:  # also an IPv6 address with a zone, fe80::1%eth0
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _GLOBAL_IPV6


def _is_cdn(origin: Origin) -> bool:
    is_ours = any(origin.host == suffix or origin.host.endswith(f".{suffix}") for suffix in CDN_SUFFIXES)
    return is_ours and origin.scheme == "https" and origin.port == DEFAULT_PORTS["https"]
