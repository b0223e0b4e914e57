"""The doctor: what is configured, reachable or missing for collecting a city, and what to do about it.

Reads  the environment, cities.yaml, the store, the cookie file
Law: no request is sent, to Instagram or Foursquare: being reachable means that a connection opens. No value of a key
or cookie is shown. Covered: what stops a run before its first request. Not covered: whether a key or session is taken.
"""

import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pipeline.cities import Cities, City, CityError, cities_path, read_cities
from pipeline.collect.instagram.addresses import instagram_url
from pipeline.collect.instagram.readiness import Check, live_checks, section_checks, shared_checks, wrong
from pipeline.collect.poi_sources.archive_places import FROM_ARCHIVE
from pipeline.collect.poi_sources.choose import PoisSettings, named_source
from pipeline.collect.poi_sources.foursquare_client import (
    DEFAULT_URL,
    KEY_VARIABLE,
    URL_VARIABLE,
    base_url,
    key_from_environment,
)
from pipeline.collect.poi_sources.places_portal import (
    MISSING_PACKAGE,
    TOKEN_VARIABLE,
    CatalogSettings,
    portal_token,
    token_end,
)
from pipeline.collect.posts import PostsSettings
from pipeline.collect.sources import archive_folder, archive_in_cities
from pipeline.errors import StageError, plural
from pipeline.privacy.opt_out import OptOut
from pipeline.privacy.pseudonyms import KEY_FILE, load_opt_out_pseudonyms
from pipeline.privacy.pseudonyms import KEY_VARIABLE as PSEUDONYM_VARIABLE
from pipeline.store import Store
from pipeline.weights import WeightsStore

PACKAGES = ("mrlf-pipeline", "instaloader", "requests", "deltalake", "dagster", "torch")
LEAST_FREE_BYTES = 2 * 10**9
CONNECT_S = 5.0
_NETWORKS = {"portrait_masks": "u2net_human_seg", "clean_images": "big_lama", "image_features": "vgg19"}
"""The stages that run a network, and whose weights each takes by default."""

Dial: TypeAlias = Callable[[tuple[str, int], float], socket.socket]
"""As `socket.create_connection`: host and port, and the seconds it may take."""


def examine(
    store: Store,
    city: City | None,
    now: datetime,
    *,
    dial: Dial | None,
    read: Callable[[], Cities] = read_cities,
) -> list[Check]:
    """Everything that was looked at, for one city or for all; `dial` None leaves the network alone.

    read: reads the file of cities; one that checks the settings of every stage tells more (`pipeline.stages`).
    """
    cities, all_cities = _cities(read)
    checks = [_versions(), _data(store), *cities, pseudonym_check(store), *_foursquare(city, now)]
    if city is not None:
        checks += [*live_checks(store, city, now), *_archive(store, city)]
    else:
        checks += [check for one in all_cities if one.live is not None for check in section_checks(one)]
        checks += shared_checks(store, now)
    checks += [_opt_out(store), *_weights(store, city)]
    return checks + (_reachable(city, dial) if dial is not None else [])


def pseudonym_check(store: Store) -> Check:
    """The secret behind all pseudonyms; never its value."""
    topic, path = "pseudonym key", store.private / KEY_FILE
    is_given = bool(os.environ.get(PSEUDONYM_VARIABLE, "").strip())
    if not is_given and not path.exists():
        finding = f"there is none yet: the first collection makes {path}; back it up then"
        return Check(topic=topic, state="missing", finding=finding)
    try:
        load_opt_out_pseudonyms(store, may_make=False)
    except StageError as error:
        return wrong(topic, error)
    return Check(topic=topic, state="ok", finding=f"from {PSEUDONYM_VARIABLE if is_given else path}")


def foursquare_check(city: City | None) -> Check:
    """The key of Foursquare, which a city without another source of POIs needs."""
    topic, is_wanted = "Foursquare's key", city is not None and wants_foursquare(city)
    if not os.environ.get(KEY_VARIABLE, "").strip():
        need = "it is needed where a city names no source of POIs"
        if city is not None and is_wanted:
            other = " (or `pois: {from_archive: {min_posts: 10}}` in cities.yaml)" if archive_in_cities(city) else ""
            need = f"{city.key} needs it{other}"
        finding = f"{KEY_VARIABLE} is not set; {need}"
        return Check(topic=topic, state="missing", finding=finding, stops=is_wanted)
    try:
        key_from_environment()
    except StageError as error:
        return wrong(topic, error, stops=is_wanted)
    return Check(topic=topic, state="ok", finding=f"{KEY_VARIABLE} is set")


def wants_foursquare(city: City) -> bool:
    """Whether the POIs of a city come from Foursquare's Places API.

    Raises:
        CityError: the settings of its stage pois are wrong.
    """
    return named_source(city, city.settings("pois", PoisSettings)) == "foursquare"


def _versions() -> Check:
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    return Check(topic="versions", state="ok", finding=", ".join(versions))


def _data(store: Store) -> Check:
    topic = "data folder"
    try:
        with tempfile.TemporaryFile(dir=store.root):
            free = shutil.disk_usage(store.root).free
    except OSError as error:
        finding = f"{store.root} cannot be written ({error.strerror}): name another folder with MRLF_DATA"
        return Check(topic=topic, state="wrong", finding=finding, stops=True)
    finding = f"{store.root} can be written, {free / 1e9:,.0f} GB are free"
    if free < LEAST_FREE_BYTES:
        return Check(
            topic=topic, state="wrong", finding=f"{finding}: make room, or name another with MRLF_DATA", stops=True
        )
    return Check(topic=topic, state="ok", finding=finding)


def _cities(read: Callable[[], Cities]) -> tuple[list[Check], list[City]]:
    """How the file is, each city that cannot be used, and those that can; what stops another city stops none."""
    topic = "cities"
    cities = read()
    faults = [Check(topic=topic, state="wrong", finding=fault) for fault in cities.faults]
    if not cities.keys:
        return faults, []
    live = [key for key, city in cities.usable.items() if city.live is not None]
    finding = f"{len(cities.usable)} in {cities_path()}, collected live: {', '.join(live) or 'none'}"
    unusable = [
        Check(topic=f"city {key}", state="wrong", finding=sentence) for key, sentence in cities.unusable.items()
    ]
    return [Check(topic=topic, state="ok", finding=finding), *faults, *unusable], list(cities.usable.values())


def _foursquare(city: City | None, now: datetime) -> list[Check]:
    try:
        checks = [foursquare_check(city)]
    except CityError as error:
        return [wrong("stage pois", error)]
    if city is not None:
        checks.append(_source_of_pois(city, now))
    try:
        url = base_url()
    except StageError as error:
        return [*checks, wrong("Foursquare's address", error)]
    other = "" if url == DEFAULT_URL else f" ({URL_VARIABLE}), which is not Foursquare"
    return [*checks, Check(topic="Foursquare's address", state="ok", finding=url + other)]


def _source_of_pois(city: City, now: datetime) -> Check:
    """Which source the stage `pois` takes; that of the archive needs one."""
    topic, source = "source of POIs", named_source(city, city.settings("pois", PoisSettings))
    if source == FROM_ARCHIVE and archive_in_cities(city) is None and city.demo is None:
        finding = "from_archive, and no archive: name one as `posts: {archive: path/to/folder}` in cities.yaml"
        return Check(topic=topic, state="wrong", finding=finding, stops=True)
    if source == "os_places_catalog":
        return _catalog_check(topic, now)
    return Check(topic=topic, state="ok", finding=source)


def _catalog_check(topic: str, now: datetime) -> Check:
    """The token of the Places Portal and the package that reads its catalogue; neither where its places are kept."""
    if find_spec("pyiceberg") is None:
        return Check(topic=topic, state="missing", finding=MISSING_PACKAGE, stops=True)
    try:
        ends = token_end(portal_token(now))
    except StageError as error:
        return wrong(topic, error)
    until = f", it ends at {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    return Check(topic=topic, state="ok", finding=f"os_places_catalog; {TOKEN_VARIABLE} is set{until}")


def _archive(store: Store, city: City) -> list[Check]:
    """The folder of posts of a city that is neither live nor made up."""
    topic = "archive of posts"
    if city.live is not None or city.demo is not None:
        return []
    try:
        folder = archive_folder(store, city, city.settings("posts", PostsSettings))
    except (StageError, CityError) as error:
        return [wrong(topic, error)]
    if folder is None or not folder.is_dir():
        return [
            Check(topic=topic, state="wrong", finding=f"there is no folder {folder}: look at cities.yaml", stops=True)
        ]
    return [Check(topic=topic, state="ok", finding=str(folder))]


def _opt_out(store: Store) -> Check:
    try:
        num_entries = len(OptOut.load(store))
    except StageError as error:
        return wrong("opt-out list", error)
    return Check(topic="opt-out list", state="ok", finding=plural(num_entries, "keyed hash"))


def _weights(store: Store, city: City | None) -> list[Check]:
    """The weights of the three stages with a network; without them the built-in ways run, or a run ends there."""
    return [_weights_of(store, stage, name, city) for stage, name in _NETWORKS.items()]


def _weights_of(store: Store, stage: str, name: str, city: City | None) -> Check:
    options: Mapping[str, Any] = city.stages.get(stage, {}) if city is not None else {}
    name, topic = options.get("network") or options.get("backbone") or name, f"weights of {stage}"
    if options.get("weights") == "builtin":
        return Check(topic=topic, state="ok", finding="the city takes the built-in way")
    try:
        file = Path(str(options["weights_file"])) if options.get("weights_file") else None
        found = WeightsStore.of(store).use_file(file, name) if file else WeightsStore.of(store).find(name)
    except StageError as error:
        return wrong(topic, error)
    if found is not None:
        return Check(topic=topic, state="ok", finding=f"{found.name}, {found.source}")
    what = f"{name} is not here: `mrlf weights fetch {name}`, else the run fetches it or takes the built-in way"
    return Check(topic=topic, state="missing", finding=f"{what}. Collecting needs none")


def _reachable(city: City | None, dial: Dial) -> list[Check]:
    """Whether connections open to the hosts that would be asked; nothing is sent over them."""
    checks = []
    for name, address, is_wanted in (
        ("Foursquare", base_url, city is not None and _may_ask_foursquare(city)),
        ("OS Places", lambda: _catalog_address(city), _catalog_address(city) != ""),
        ("Instagram", instagram_url, city is not None and city.live is not None),
    ):
        try:
            url = address()
        except StageError:
            continue  # reported already
        if url and (city is None or is_wanted):
            checks.append(_connect(name, url, dial, stops=is_wanted))
    return checks


def _catalog_address(city: City | None) -> str:
    """Of the catalogue that the POIs of a city come from; "" where they come from elsewhere."""
    try:
        settings = city.settings("pois", PoisSettings) if city is not None else PoisSettings()
    except CityError:
        return ""  # reported already
    if city is None or named_source(city, settings) != "os_places_catalog":
        return ""
    return (settings.os_places_catalog or CatalogSettings()).address


def _may_ask_foursquare(city: City) -> bool:
    try:
        return wants_foursquare(city)
    except CityError:
        return False  # reported already


def _connect(name: str, url: str, dial: Dial, *, stops: bool) -> Check:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    topic = f"way to {name}"
    try:
        dial((host, port), CONNECT_S).close()
    except OSError as error:
        why = "its name is not known here" if isinstance(error, socket.gaierror) else error.strerror or "no answer"
        finding = (
            f"{host} port {port} cannot be reached ({why}): look at the network, or leave this out with --offline"
        )
        return Check(topic=topic, state="wrong", finding=finding, stops=stops)
    return Check(topic=topic, state="ok", finding=f"a connection to {host} port {port} opens; nothing was asked")
