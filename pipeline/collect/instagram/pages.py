"""What kind of page an HTML answer is: one of a place, the login page, a captcha, or any other.

Law: what people wrote decides nothing. A page that embeds a place's data is read and not judged; of any other page
only its frame counts (title, forms, fields, frames, where it says it lies, the text a visitor reads), never the texts
in its scripts, the descriptions of pictures or the addresses it links to.
Covered: pages of both eras, other languages by their form, a page that sends on by itself, pages of megabytes.
Not covered: a login page that is drawn by its scripts alone and keeps the address and title of a place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlsplit

PLACE, GRID, OLDER = "xdt_location_get_web_info", "xdt_location_get_web_info_tab", "xdt_api__v1__locations__web_info"
"""The keys of a place's data and of its posts in the scripts of its page; `OLDER` those of May 2026."""

PageKind = Literal["", "captcha", "challenge", "login"]
LOGIN_PATHS = ("/accounts/login", "/accounts/emailsignup", "/accounts/signup", "/login")
CLOSED_PATHS = (
    "/challenge",
    "/checkpoint",
    "/accounts/suspended",
    "/accounts/two_factor",
    "/accounts/login/two_factor",
    "/auth_platform",
    "/consent",
)
CAPTCHA_WORDS = (
    "captcha",
    "help us confirm it's you",
    "help us confirm that it's you",
    "help us confirm you own this account",
    "unusual login attempt",
    "suspicious login attempt",
    "i'm not a robot",
    "i am not a robot",
    "confirm you're human",
    "confirm you are human",
    "confirm that you're human",
    "confirm that you are human",
    "suspect automated behavior",
)
MAX_CHARACTERS = 512 * 2**10
"""So much of a page's frame is looked at."""

_HAS_PLACE = re.compile(rf'"(?:{PLACE}|{GRID}|{OLDER})"\s*:\s*[{{\[]')
_LOGIN_DATA = re.compile(r'"entry_data"\s*:\s*\{\s*"LoginAndSignupPage"|"require_login"\s*:\s*true')
"""In JSON; within a text of somebody's the quotes are written otherwise."""

_LOGIN_TITLE = re.compile(
    r"(instagram\W+)?(log ?in|sign ?in|sign ?up|log ?in or sign ?up|anmelden|connexion|se connecter|iniciar sesi[oó]n|"
    r"entrar|accedi|inloggen)(\W+instagram)?\W*"
)
_CAPTCHA_TITLE = re.compile(r"(\W|instagram|re|h)*captcha(\W|instagram|required|check)*")
_REFRESH = re.compile(r"url\s*=\s*['\"]?([^'\"\s;]+)", re.IGNORECASE)
_WIDGETS = ("captcha", "turnstile", "arkoselabs")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A page's kind, "" for a page of a place and for one that nobody knows; words: what a visitor reads."""

    kind: PageKind
    words: str = ""


def look_at_page(page: str) -> LookedAt:
    """What kind of page this is."""
    data = [(attributes, text) for attributes, text in scripts(page)]
    if any("application/json" in attributes and _HAS_PLACE.search(text) for attributes, text in data):
        return LookedAt(kind="")
    frame = _Frame()
    frame.feed(_without_scripts(page)[:MAX_CHARACTERS])
    words, title = _plain(frame.text), _plain(frame.title)
    is_widget = any(_is_captcha(attributes.casefold()) for attributes, _ in data)
    is_login = (
        "login" in frame.kinds
        or _LOGIN_TITLE.fullmatch(title) is not None
        or any(_LOGIN_DATA.search(text) for _, text in data)
    )
    return LookedAt(kind=_kind(frame, title, words, is_login=is_login, is_widget=is_widget), words=words)


def kind_of_address(address: str) -> PageKind:
    """What a redirect leads to, by its address; a place may be named as it likes."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return ""
    path = parts.path.casefold()
    if "captcha" in parts.netloc.casefold() or ("captcha" in path and not path.startswith("/explore/")):
        return "captcha"
    if path.startswith(CLOSED_PATHS):
        return "challenge"
    return "login" if path.startswith(LOGIN_PATHS) else ""


def scripts(page: str) -> Iterator[tuple[str, str]]:
    """Attributes and text of each script; in JSON a `<` is written as \\u003C."""
    for until_end in page.split("</script>")[:-1]:
        attributes, _, text = until_end.partition("<script")[2].partition(">")
        yield attributes, text


def _without_scripts(page: str) -> str:
    return " ".join(part.partition("<script")[0] for part in page.split("</script>"))


def _plain(texts: list[str]) -> str:
    return " ".join("".join(texts).split()).casefold().replace("\u2019", "'")


def _kind(frame: "_Frame", title: str, words: str, *, is_login: bool, is_widget: bool) -> PageKind:
    """A person is needed before a login page may be throttling; a script alone makes no login page a captcha."""
    is_said = any(word in words for word in CAPTCHA_WORDS) or any(phrase in title for phrase in CAPTCHA_WORDS[1:])
    if is_said or "captcha" in frame.kinds or _CAPTCHA_TITLE.fullmatch(title):
        return "captcha"
    if "challenge" in frame.kinds:
        return "challenge"
    if is_login:
        return "login"
    return "captcha" if is_widget else ""


@dataclass
class _Marks:
    kinds: set[PageKind] = field(default_factory=set)
    title: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _Frame(HTMLParser, _Marks):
    """Collects the kinds that a page's tags speak for, its title and its text."""

    def __init__(self) -> None:
        HTMLParser.__init__(self)
        _Marks.__init__(self)
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag speaks for."""
        self._inside = tag
        attributes = {name: (value or "").casefold() for name, value in attrs}
        self.kinds |= set(_speaks_for(tag, attributes)) - {""}

    def handle_endtag(self, tag: str) -> None:
        """Text goes on outside of it."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Keep the title and what a visitor reads."""
        if self._inside == "title":
            self.title.append(data)
        elif self._inside not in ("script", "style"):
            self.text += [data, " "]


def _speaks_for(tag: str, attributes: dict[str, str]) -> Iterator[PageKind]:
    """The kinds of page that have such a tag; links and the descriptions of pictures say nothing."""
    named = "" if tag == "meta" else " ".join(attributes.get(name, "") for name in ("id", "class", "name"))
    if _is_captcha(named) or "data-sitekey" in attributes:
        yield "captcha"
    if tag in ("iframe", "img") and _is_captcha(attributes.get("src", "")):
        yield "captcha"
    if tag == "form":
        yield kind_of_address(attributes.get("action", ""))
        yield "challenge" if "challenge" in named else "login" if "loginform" in named else ""
    if tag == "input" and attributes.get("type") == "password":
        yield "login"
    if tag == "link" and attributes.get("rel") == "canonical":
        yield kind_of_address(attributes.get("href", ""))
    if tag == "meta" and attributes.get("property") == "og:url":
        yield kind_of_address(attributes.get("content", ""))
    if (
        tag == "meta"
        and attributes.get("http-equiv") == "refresh"
        and (found := _REFRESH.search(attributes.get("content", "")))
    ):
        yield kind_of_address(found[1])


def _is_captcha(text: str) -> bool:
    return any(widget in text for widget in _WIDGETS)
