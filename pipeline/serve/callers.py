"""Whose pages may ask: this server's own. Programs may as well; a browser tells on what behalf it asks, they do not.

A page of another site could send its forms to the reader's own machine (`Sec-Fetch-Site` tells), and under a name of
its own that it makes point there (DNS rebinding) read the answers and the places too (`Host` tells that).
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.serve.body import AnswerBeforeTheEnd
from pipeline.serve.refusals import Refusal

FOREIGN = {"cross-site", "same-site"}
"""A page of the same site is one of another port, so of another program."""


class OwnPages:
    """The ASGI middleware; `hosts` are the names that the server answers to, None where it cannot know them."""

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
        if method not in ("GET", "HEAD") and headers.get("sec-fetch-site") in FOREIGN:
            return Refusal("foreign_page", "pages of other sites may not ask: open this server's own page")
        return None


def _name(host: str) -> str | None:
    """The name without its port, None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
