"""Instaloader's context with the session of a browser: silent, and its cookies for one host only.

Law: nothing is printed, the account's name is not known, no redirect is followed, no cookie goes to another host than
the base address and none stands in a repr; an answer cannot end the session.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.cookies import RequestsCookieJar, create_cookie

from pipeline.collect.instagram.addresses import INSTAGRAM_URL
from pipeline.collect.instagram.cookie_files import NEEDED
from pipeline.collect.instagram.guarded import follow_nothing

if TYPE_CHECKING:
    from instaloader import InstaloaderContext, RateController

SIGNED_IN = "<signed in>"
"""In place of the account's name, which nothing here needs."""


def open_context(
    cookies: dict[str, str] | None,
    *,
    rate_controller: "Callable[[InstaloaderContext], RateController] | None",
    request_timeout_s: float,
    base_url: str = INSTAGRAM_URL,
) -> "InstaloaderContext":
    """Instaloader's context, without prints, pauses and tries of its own; signed in with cookies, else anonymous.

    base_url: the address whose host alone gets the cookies.
    """
    from instaloader import InstaloaderContext

    class SilentContext(InstaloaderContext):
        """Its messages hold addresses; what matters of them is in its exceptions."""

        def log(self, *_: Any, **__: Any) -> None:
            """Print nothing."""

        def error(self, *_: Any, **__: Any) -> None:
            """Print nothing and keep nothing to print later."""

    context = SilentContext(
        sleep=False,
        quiet=True,
        max_connection_attempts=1,
        request_timeout=request_timeout_s,
        rate_controller=rate_controller,
        iphone_support=False,
    )
    if cookies is not None:
        context.load_session(SIGNED_IN, cookies)  # type: ignore[no-untyped-call]
    session = context._session
    follow_nothing(session)
    for name in ("Host", "Content-Length"):  # of www.instagram.com, and of a body that is not there
        session.headers.pop(name, None)
    session.cookies = _KeptCookies.of(session.cookies.get_dict(), base_url)
    return context


class _KeptCookies(RequestsCookieJar):
    """Cookies of one host; an answer may add to them, and can neither change nor take away the session's own.

    Instagram throttles by sending a session to the login page, and what that page sets would end it for good.
    """

    @classmethod
    def of(cls, cookies: dict[str, str], base_url: str) -> "_KeptCookies":
        """The cookies, for the host of `base_url` alone; those of Instagram for its domain, as its own are."""
        parts = urlsplit(base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        domain = host if "." in host else f"{host}.local"  # the jar's own name for hosts without a dot
        jar = cls()
        for name, value in cookies.items():
            cookie = create_cookie(  # type: ignore[no-untyped-call]
                name,
                value,
                domain=".instagram.com" if base_url == INSTAGRAM_URL else domain,
                secure=parts.scheme == "https",
                port=str(parts.port) if parts.port else None,
            )
            jar.set_cookie(cookie)
        return jar

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take what an answer sets, but for the session's own."""
        own = [cookie for cookie in self if cookie.name in NEEDED and cookie.value]
        super().extract_cookies(response, request)
        for cookie in own:
            for each in [each for each in self if each.name == cookie.name]:
                self.clear(each.domain, each.path, each.name)
            self.set_cookie(cookie)

    def __repr__(self) -> str:
        return f"_KeptCookies({', '.join(sorted({cookie.name for cookie in self}))})"
