"""Asking an address for a file: where a request may go, and how long an answer may take to begin.

Law: https only, also after each redirect; plain http goes to 127.0.0.1 alone, and never after https.
The name's look-up, the connection, its encryption, redirects and headers together have one limit, so that a dead name
server or a host that drips its headers holds nobody up.
"""

import queue
import threading
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

MAX_REDIRECTS = 5
LOCAL = "127.0.0.1"
HEADERS = {"User-Agent": "mrlf-pipeline/0.1", "Accept-Encoding": "identity"}


class TransferError(Exception):
    """A file could not be had from one address, with the reason in plain words."""


class UnreachableError(TransferError):
    """The same: its host cannot be reached from here, whatever is asked of it."""


class BrokenTransferError(TransferError):
    """The same, but asking again may go on where it broke off."""


def ask(
    address: str, headers: Mapping[str, str], *, connect_s: float, silence_s: float, answer_s: float
) -> requests.Response:
    """The answer of an address after its redirects, its body unread; any status.

    Raises:
        UnreachableError: nobody answered.
        TransferError: the address is not allowed.
        BrokenTransferError: the connection broke.
    """
    answers: queue.SimpleQueue[requests.Response | BaseException] = queue.SimpleQueue()
    is_late = threading.Event()

    def follow() -> None:
        try:
            answer: requests.Response | BaseException = _follow(address, headers, (connect_s, silence_s))
        except (
            TransferError,
            requests.exceptions.RequestException,
            HTTPError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            answer = error
        answers.put(answer)
        if is_late.is_set() and isinstance(answer, requests.Response):
            answer.close()

    threading.Thread(target=follow, name="weights-address", daemon=True).start()
    try:
        answer = answers.get(timeout=answer_s)
    except queue.Empty:
        is_late.set()
        raise UnreachableError(f"no answer within {answer_s:.0f} s") from None
    if isinstance(answer, BaseException):
        raise _plain(answer, connect_s, silence_s) from answer
    return answer


def _follow(address: str, headers: Mapping[str, str], timeout: tuple[float, float]) -> requests.Response:
    url, before = address, ""
    for _ in range(1 + MAX_REDIRECTS):
        _check(url, before)
        session = requests.Session()
        session.trust_env = urlsplit(url).hostname != LOCAL  # else a proxy or .netrc of the environment counts
        answer = session.get(url, headers={**HEADERS, **headers}, stream=True, allow_redirects=False, timeout=timeout)
        if not answer.is_redirect:
            return answer
        answer.close()
        url, before = urljoin(url, answer.headers["Location"]), url
    raise TransferError(f"more than {MAX_REDIRECTS} redirects")


def _check(url: str, before: str) -> None:
    """Refuse an address that may not be asked; `before` is the one that led to it, "" for the first."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname == LOCAL and urlsplit(before).scheme in ("", "http")
    if parts.scheme != "https" and not is_local:
        where = f" (a redirect to {parts.scheme}://{parts.hostname})" if before else ""
        raise TransferError(f"only https is asked, this is {parts.scheme or 'no address'}{where}")


def _plain(error: BaseException, connect_s: float, silence_s: float) -> TransferError:
    """What went wrong while connecting, without the library's wording."""
    match error:
        case TransferError():
            return error
        case requests.exceptions.ConnectTimeout():
            return UnreachableError(f"no connection within {connect_s:.0f} s")
        case requests.exceptions.ReadTimeout():
            return BrokenTransferError(f"connected, then silence for {silence_s:.0f} s")
        case requests.exceptions.SSLError():
            return TransferError(f"its certificate or encryption failed: {error}")
        case requests.exceptions.ConnectionError() if "NameResolution" in str(error):
            return UnreachableError("its name was not found: is this machine connected to the network?")
        case requests.exceptions.ConnectionError() if "NewConnection" in str(error) or "Proxy" in str(error):
            return UnreachableError("no connection")
        case requests.exceptions.ConnectionError():
            return BrokenTransferError("the connection broke")
        case _:
            return TransferError(f"it could not be asked ({type(error).__name__}: {error})")
