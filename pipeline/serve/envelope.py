"""What goes round every answer: headers that keep it private, and one line in the log.

Law (fault N5): the line holds method, route, status and time. A path that is no route, a query and a header may hold
anybody's words and are not logged.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"}

log = logging.getLogger("mrlf")


class Envelope:
    """The ASGI middleware."""

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
