"""Fetchers of pictures whose look-ups of names and connections a test decides."""

import itertools
import socket
import tempfile
from pathlib import Path

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.media.downloads import MediaFetcher
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.web.retries import Retries
from tests.fakes.clock import FakeClock
from tests.fakes.pictures import encoded, pixels

PICTURE = encoded(pixels())


RETRIES = Retries(max_tries=3)
FOLDER = tempfile.TemporaryDirectory(prefix="mrlf-hosts-")  # goes with the process
NUMBERS = itertools.count()


def entry(ip, port):
    """One IP as getaddrinfo returns it."""
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


def fetcher_of(server, clock=None, **changes):
    """A fetcher for which the server is the named base."""
    options = {"max_bytes": 10**6, "deadline_s": 5.0, "retries": RETRIES, **changes}
    clock = clock or FakeClock()
    return MediaFetcher(clock, AllowedHosts(server.url), hosts(clock), **options)


def hosts(clock=None):
    """Of no host is known that it rests."""
    return MediaHosts(Path(FOLDER.name) / str(next(NUMBERS)) / "hosts.sqlite", clock or FakeClock())
