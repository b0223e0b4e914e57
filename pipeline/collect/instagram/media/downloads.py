"""The guarded download of one picture.

Law: every address, also of each redirect, is on the list of hosts and leads to a public IP before anything is sent
there; a picture has a largest size and a longest time; no cookie, key or name of ours goes along.
A host that rests is not asked, whichever thread comes.
Covered: redirects to private places, endless and slow bodies, bodies cut short, compressed bodies, an answer that asks
robots to stay away. Proxies and .netrc of the environment are not used, they would break the first law.
Not covered: a host of the list that drips its headers, each byte within the timeout.
"""

import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Self
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.guarded import Dial, GuardedAdapter, Resolve, follow_nothing
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.instagram.media.verdicts import is_failure
from pipeline.collect.post_rules import OK, CheckedPicture, PictureLimits, check_bytes
from pipeline.collect.web.answers import read_body, retry_after_s
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import (
    BadResponseError,
    ExpiredError,
    FinalError,
    MissingError,
    RefusedError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.collect.web.retries import Retries, with_retries

MAX_REDIRECTS = 5
MAX_TIMEOUT_S = 10.0
HEADERS = {
    "User-Agent": "mrlf-pipeline/0.1",
    "Accept": "image/jpeg,image/png,image/webp",
    "Accept-Encoding": "identity",  # a compressed body has no length to compare, and can be a bomb
}
REFUSALS_TO_ROBOTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})


class MediaFetcher:
    """Fetches pictures by their addresses; may be shared by threads, each has connections of its own.

    hosts: which of them rest; each answer is noted there.
    deadline_s: for one try with all its redirects; what is under way at that moment may take its own timeout yet.
    """

    def __init__(
        self,
        clock: Clock,
        allowed: AllowedHosts,
        hosts: MediaHosts,
        max_bytes: int,
        deadline_s: float,
        retries: Retries,
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = socket.create_connection,
    ) -> None:
        self._clock, self._allowed, self._hosts = clock, allowed, hosts
        self._max_bytes, self._retries = max_bytes, retries
        self._deadline_s, self._timeout_s = deadline_s, min(MAX_TIMEOUT_S, deadline_s)
        self._resolve, self._dial = resolve, dial
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()

    def fetch(self, url: str, *, is_new: bool = True) -> bytes:
        """The bytes at an address.

        is_new: whether the source has just given it; an old one that leads nowhere says nothing of its host.

        Raises:
            FinalError: `media_gone`, the host says that it has been removed.
            MissingError: `media_not_found`, there is nothing at the address.
            ExpiredError: `media_expired`, the signature of the address is too old.
            RefusedError: `refused_address`, `too_many_redirects`, or `robots`: the answer asks robots to stay away.
            RetryError: the last try failed too.
            WaitError: `media_throttled`, the host wants to be left alone for a while; `media_host_rests`, it was
                not asked.
            BadResponseError: `too_many_bytes`, `encoded_body`, or `status_<n>`.
        """
        return with_retries(lambda: self._fetch_once(url, is_new), self._clock, self._retries)

    def fetch_picture(self, url: str, limits: PictureLimits, *, is_new: bool = True) -> CheckedPicture:
        """The picture at an address with its outcome; `is_new` and errors as of `fetch`.

        Whatever is no picture that can be taken is asked for once more: the next answer may be another one.
        """
        try:
            picture = self._fetch_noted(url, limits, is_new)
        except (MissingError, BadResponseError) as error:
            if isinstance(error, MissingError) and not is_new:
                raise  # its post is asked for the new address
            picture = None
        if picture is not None and picture.outcome == OK:
            return picture
        self._clock.sleep(self._retries.pause_s(1))
        return self._fetch_noted(url, limits, is_new)

    def _fetch_noted(self, url: str, limits: PictureLimits, is_new: bool) -> CheckedPicture:
        picture = check_bytes(self.fetch(url, is_new=is_new), limits)
        self._hosts.note(url, is_good=not is_failure(picture.outcome))
        return picture

    def _fetch_once(self, url: str, is_new: bool) -> bytes:
        end = self._clock.monotonic() + self._deadline_s
        self._allowed.check(url)
        for _ in range(1 + MAX_REDIRECTS):
            self._hosts.check(url)
            try:
                found = self._hop(url, end)
            except WaitError as error:
                self._hosts.throttled(url, error.retry_after_s)
                raise
            except (RetryError, FinalError, RefusedError, SourceChangedError) as error:
                is_of_address = isinstance(error, MissingError) and not is_new
                if is_failure(error.reason) and not is_of_address:
                    self._hosts.note(url, is_good=False)
                raise
            if isinstance(found, bytes):
                return found
            url = found
        raise RefusedError("too_many_redirects")

    def _hop(self, url: str, end: float) -> bytes | str:
        """The body at an address, or the address that it leads to, which may be asked."""
        with self._ask(url) as response:
            if not response.is_redirect:
                return self._body(response, end)
            to = _next_address(url, response.headers["Location"])
        self._allowed.check(to)
        if self._clock.monotonic() > end:
            raise RetryError("timeout")
        return to

    def _ask(self, url: str) -> requests.Response:
        """The answer, its body unread; an error without the address, which is signed, in its text or chain."""
        session = self._session()
        try:
            return session.get(url, headers=HEADERS, stream=True, allow_redirects=False, timeout=self._timeout_s)
        except requests.exceptions.Timeout:
            raise RetryError("timeout") from None
        except requests.exceptions.SSLError:
            raise RetryError("tls") from None
        except (requests.exceptions.RequestException, HTTPError, OSError):
            raise RetryError("no_connection") from None

    def _body(self, response: requests.Response, end: float) -> bytes:
        """The whole body of an answer that is a picture, by its status and headers."""
        self._judge(response)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise BadResponseError("too_many_bytes")
        left_s = end - self._clock.monotonic()
        try:
            return read_body(response, max_bytes=self._max_bytes, deadline_s=left_s, clock=self._clock)
        except BadResponseError as error:
            raise BadResponseError(error.reason) from None  # its text would hold the picture's first bytes

    def _judge(self, response: requests.Response) -> None:
        """Raise for every answer but a 200 that may be taken."""
        match response.status_code:
            case 200:
                pass
            case 403:
                raise ExpiredError("media_expired")
            case 404:
                raise MissingError("media_not_found")
            case 410:
                raise FinalError("media_gone")
            case status if status == 429 or (status == 503 and "Retry-After" in response.headers):
                raise WaitError("media_throttled", retry_after_s=retry_after_s(response, self._clock))
            case status if status >= 500 or status in (408, 425):
                raise RetryError(f"status_{status}")
            case status:
                raise BadResponseError(f"status_{status}")
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise BadResponseError("encoded_body")
        if is_refused_to_robots(response.headers.get("X-Robots-Tag", "")):
            raise RefusedError("robots")

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = _new_session(
                GuardedAdapter(self._allowed, self._timeout_s, self._resolve, self._dial)
            )
            with self._lock:
                self._sessions.append(session)
        return session


def is_refused_to_robots(tag: str) -> bool:
    """Whether an X-Robots-Tag forbids an index or a machine's learning; one for another robot counts as well."""
    words = {word.strip().lower() for word in tag.replace(":", ",").split(",")}
    return bool(words & REFUSALS_TO_ROBOTS)


def _new_session(adapter: GuardedAdapter) -> requests.Session:
    session = requests.Session()
    follow_nothing(session)
    session.trust_env = False  # no proxy, no .netrc
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none is kept, so none is sent
    return session


def _next_address(url: str, location: str) -> str:
    """Where a redirect leads; one that leaves https is not followed, wherever it leads."""
    try:
        to = urldefrag(urljoin(url, location)).url
        if urlsplit(url).scheme == "https" and urlsplit(to).scheme != "https":
            raise RefusedError("refused_address")
    except ValueError:
        raise RefusedError("refused_address") from None
    return to
