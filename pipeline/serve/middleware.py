"""The middlewares round every request: who may ask, private headers on every answer, and one line in the log.

Who may ask: this server's own pages, and programs; a browser states on whose behalf it asks, programs do not. A page
of another site could send its forms to the reader's own machine (`Sec-Fetch-Site` shows that, and `Origin` in
a browser that does not state it), and under a name of its own that it makes point there (DNS rebinding) read the
answers and the places too (`Host` shows that).
Law (fault N5): the log line holds method, route, status and time. A path that is no route, a query and a header may
hold anybody's words and are not logged.
"""

import logging
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.serve.body import AnswerBeforeTheEnd
from pipeline.serve.refusals import Refusal

OWN = "same-origin"
NOBODYS = "none"
"""The reader asks, no page. `same-site` is a page of another port, so of another program."""
PORTS = {"http": 80, "https": 443}
HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"}

log = logging.getLogger("mrlf")


class OwnPages:
    """Refuses requests of other sites' pages; `hosts` are the names that the server answers to, None for any."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it unread."""
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await AnswerBeforeTheEnd(refusal.body().model_dump(), refusal.status)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> Refusal | None:
        if self._hosts is not None and _name(headers.get("host", "")) not in self._hosts:
            return Refusal(
                "other_host",
                f"this server answers to {', '.join(self._hosts)} alone: a proxy in front of it must send one of them "
                "as Host",
            )
        if method not in ("GET", "HEAD") and _is_foreign(headers):
            return Refusal("foreign_page", "pages of other sites may not ask: open this server's own page")
        return None


class Envelope:
    """Adds private headers to every answer, and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer gets the headers it does not have."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_wrapped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message.get("headers", [])}
                extra = [(name, value) for name, value in HEADERS.items() if name not in own]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        try:
            await self._app(scope, receive, send_wrapped)
        finally:
            route = getattr(scope.get("route"), "path", "(no such page)")
            method = scope["method"] if scope["method"] in METHODS else "?"
            log.info("%s %s %d, %.0f ms", method, route, status, 1000 * (time.perf_counter() - started))


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site asks, by all that the browser states."""
    sites = {site.strip().lower() for site in headers.getlist("sec-fetch-site")}
    if sites == {OWN}:
        return False
    if sites - {NOBODYS}:
        return True
    return any(not _is_at(page, headers.get("host", "")) for page in headers.getlist("origin"))


def _is_at(page: str, host: str) -> bool:
    """Whether a page's address is at this host and port; `null`, which hides the page's address, is not."""
    try:
        parts = urlsplit(page)
        own = urlsplit(f"{parts.scheme}://{host}")
        default = PORTS.get(parts.scheme)
        return default is not None and (parts.hostname, parts.port or default) == (own.hostname, own.port or default)
    except ValueError:
        return False


def _name(host: str) -> str | None:
    """The name without its port, None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
