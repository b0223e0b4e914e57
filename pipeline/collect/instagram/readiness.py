"""Whether a live collection could begin: the terms, the cookies, the pace and the addresses, without a request.

Law: nothing is asked of anybody, and no value of a cookie or key is printed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.cities import City, CityError
from pipeline.collect.instagram.addresses import INSTAGRAM_URL, URL_VARIABLE, instagram_url
from pipeline.collect.instagram.cookie_files import COOKIES_VARIABLE, NEEDED, TO_GO_ON, cookies_path, read_cookies
from pipeline.collect.instagram.live import pace_limits
from pipeline.collect.instagram.settings import LiveSettings, live_settings
from pipeline.collect.instagram.status import pace_status
from pipeline.collect.instagram.terms import PRIVACY_VERSION, check_terms
from pipeline.errors import StageError, plural
from pipeline.store import Store

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. finding: what there is, and what to do; stops: a city cannot be collected so."""

    topic: str
    state: State
    finding: str
    stops: bool = False


def wrong(topic: str, error: Exception, *, stops: bool = True) -> Check:
    """What is wrong, in the words of the error, which say what to do."""
    return Check(topic=topic, state="wrong", finding=str(error), stops=stops)


def live_checks(store: Store, city: City, now: datetime) -> list[Check]:
    """Everything that the live collection of a city needs; the section `live:` alone where it has none."""
    checks = section_checks(city)
    return checks if len(checks) == 1 else [*checks, *shared_checks(store, now)]


def section_checks(city: City) -> list[Check]:
    """The section `live:` of a city, and the terms that it declares."""
    topic = f"live section of {city.key}"
    try:
        live = live_settings(city)
    except CityError as error:
        return [wrong(topic, error)]
    if live is None:
        finding = "there is none: Instagram is not asked for this city (docs/LIVE.md says how to collect live)"
        return [Check(topic=topic, state="missing", finding=finding)]
    limits = pace_limits(live)
    finding = f"at most {limits.per_minute:,} requests a minute and {limits.per_hour:,} an hour"
    return [Check(topic=topic, state="ok", finding=finding), _terms(city, live)]


def shared_checks(store: Store, now: datetime) -> list[Check]:
    """What all live cities share: the session, the address and the pace."""
    return [cookie_check(now), address_check(), pace_check(store, now)]


def cookie_check(now: datetime) -> Check:
    """The cookie file; without one Instagram is asked as a visitor."""
    topic, path = "cookie file", cookies_path()
    if path is None:
        finding = f"{COOKIES_VARIABLE} is not set: places are not searched, and of each only a first look is had. "
        return Check(topic=topic, state="missing", finding=finding + TO_GO_ON)
    try:
        read_cookies(path, now)
    except StageError as error:
        return wrong(topic, error)
    return Check(topic=topic, state="ok", finding=f"{path} is yours alone and holds {', '.join(NEEDED)}, not expired")


def address_check() -> Check:
    """Where Instagram is asked."""
    try:
        url = instagram_url()
    except StageError as error:
        return wrong("Instagram's address", error)
    other = "" if url == INSTAGRAM_URL else f" ({URL_VARIABLE}), which is not Instagram"
    return Check(topic="Instagram's address", state="ok", finding=url + other)


def pace_check(store: Store, now: datetime) -> Check:
    """The window of requests and a rest that is kept."""
    try:
        pace = pace_status(store, now)
    except StageError as error:
        return wrong("pace", error)
    rest = f"; everything rests until {pace.rest_until:%Y-%m-%d %H:%M} UTC" if pace.rest_until else "; no rest"
    return Check(
        topic="pace", state="ok", finding=f"{plural(pace.num_requests, 'request')} to Instagram in the last hour{rest}"
    )


def _terms(city: City, live: LiveSettings) -> Check:
    try:
        check_terms(live.terms)
    except StageError as error:
        return wrong(f"terms of {city.key}", error)
    finding = f"docs/PRIVACY.md of {PRIVACY_VERSION} was read; purpose, legal basis and contact are filled in"
    return Check(topic=f"terms of {city.key}", state="ok", finding=finding)
