"""How long what Foursquare sent on POIs is kept: after the retention period all but the ids goes.

Reads  crawl/foursquare/<city>/, pois, cities.yaml
Writes the same: answers are removed; of the POIs in the table their ids stay, and no older version of it
Law: an answer's time ends `foursquare_keep_hours` after it was asked for, by the setting of today. How old an answer
of the future is cannot be known, so it has expired too. A killed sweep is finished by the next one.
Covered: every city of the store, also one that is no longer in cities.yaml (by the default). POIs of a file, of OS
Places and of the demo generator stay. Not covered: releases, and the models and reports made of them, whose classes
have the names and places of POIs (docs/PRIVACY.md).
"""

import errno
import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pyarrow as pa

from pipeline.cities import City, CityError, load_cities
from pipeline.collect.poi_sources.choose import PoisSettings
from pipeline.collect.poi_sources.foursquare_answers import AnswerFolder
from pipeline.errors import StageBusyError, StageError
from pipeline.privacy.leftovers import HINDRANCES
from pipeline.store import Store

FOURSQUARE = "foursquare"
STAGE = "pois"
NOT_OURS = {errno.EROFS, errno.EACCES, errno.EPERM}
"""What the system says of a disk that is read only, or another user's."""
CLOCK_SLACK = timedelta(minutes=5)
"""A clock that is set right moves by less."""

log = logging.getLogger("mrlf")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPois:
    """The POIs of a city that Foursquare sent. asked: when, the oldest. has_content: more than ids is there."""

    asked: datetime
    has_content: bool


def is_over(asked: datetime, keep_hours: float | None, now: datetime) -> bool:
    """Whether the retention period has expired of what was requested then."""
    if keep_hours is None:
        return False
    return not asked - CLOCK_SLACK <= now < kept_until(asked, keep_hours)


def kept_until(asked: datetime, keep_hours: float) -> datetime:
    """When the time ends of what was asked for then."""
    return asked + timedelta(hours=keep_hours)


def kept_pois(store: Store, city: str) -> KeptPois | None:
    """What the table holds of Foursquare's answers; None where its POIs are from elsewhere, or there are none."""
    batches = store.tables.batches(city, "pois", ["source", "rank", "retrieved_utc"])
    rows = [row for batch in batches for row in batch.to_pylist() if row["source"] == FOURSQUARE]
    if not rows:
        return None
    asked = min(row["retrieved_utc"] for row in rows)
    return KeptPois(asked=asked, has_content=any(row["rank"] for row in rows))


def read_pois(store: Store, city: str) -> pa.Table:
    """The POIs of a city, by key.

    Raises:
        StageError: Foursquare's retention period has expired, and only their ids are there.
    """
    pois = store.tables.read(city, "pois")
    if not all(pois["rank"].to_pylist()):
        raise StageError(
            f"of the POIs of {city} only the ids are there: Foursquare's retention period has expired. "
            f"Build the stage pois again: `mrlf pois {city}`"
        )
    return pois


def is_to_be_asked(store: Store, city: str, keep_hours: float | None, now: datetime) -> bool:
    """Whether the POIs have to be asked for again before anything is built of them."""
    kept = kept_pois(store, city)
    return kept is not None and (not kept.has_content or is_over(kept.asked, keep_hours, now))


def expire_answers(store: Store, now: datetime) -> None:
    """Let go of what is over, of all cities; one whose POIs are being built right now looks itself.

    A city without readable settings has the default.
    """
    folder = store.root / "crawl" / FOURSQUARE
    asked = [path.name for path in folder.glob("*/")]
    cities = load_cities()
    for city in sorted({*asked, *store.cities(), *store.tables.cities()}):
        try:
            with store.lock(city, STAGE):
                expire_pois(store, city, keep_hours(cities.get(city)), now)
        except StageBusyError:
            continue
        except HINDRANCES as error:
            if isinstance(error, OSError) and error.errno in NOT_OURS:
                _say_what_stays(store, city, city in asked)
                continue
            log.warning(
                "%s: how old its POIs are cannot be read, so what Foursquare sent on them stays beyond its time: put "
                "the table %s back, or remove it and run mrlf pois %s (%s)",
                city,
                store.tables.path(city, "pois"),
                city,
                error,
            )


def _say_what_stays(store: Store, city: str, is_asked: bool) -> None:
    """Of a store that cannot be written to: that nothing is let go of, where there is anything."""
    with suppress(*HINDRANCES):
        if is_asked or kept_pois(store, city) is not None:
            log.warning(
                "%s: what Foursquare sent on its POIs is not removed when its time is over: %s cannot be written to",
                city,
                store.root,
            )


def keep_hours(city: City | None) -> float | None:
    """How long a city keeps what Foursquare sent."""
    try:
        settings = city.settings(STAGE, PoisSettings) if city is not None else PoisSettings()
    except CityError:  # reported by the command that is about this city
        settings = PoisSettings()
    return settings.foursquare_keep_hours


def expire_pois(store: Store, city: str, keep_hours: float | None, now: datetime) -> None:
    """Let go of what is over of one city; the caller holds the lock of (city, pois)."""
    folder = store.root / "crawl" / FOURSQUARE / city
    for path in folder.glob("*/"):
        answers = AnswerFolder(path)
        asked = answers.asked(now)
        if asked is not None and is_over(asked, keep_hours, now):
            answers.expire(asked)
            log.info(
                "%s: the retention period of Foursquare's answers of %s has expired: they are deleted",
                city,
                f"{asked:%Y-%m-%d}",
            )
    stray = (path for path in folder.glob("*") if not path.is_dir())
    for path in chain(stray, _never_committed(store, city)):
        if is_over(datetime.fromtimestamp(path.lstat().st_mtime, UTC), keep_hours, now):
            path.unlink()
    if is_to_be_asked(store, city, keep_hours, now):
        forget_content(store, city)


def _never_committed(store: Store, city: str) -> Iterator[Path]:
    """What a killed first build left of the table `pois`; with a table the sweep of leftovers looks after it."""
    if store.tables.version(city, "pois") is None and store.stage_record(city, STAGE) is None:
        yield from store.tables.path(city, "pois").glob("*.parquet*")


def forget_content(store: Store, city: str) -> None:
    """Of the POIs that Foursquare sent leave the ids, in the table and in its older versions; the caller as above."""
    kept = kept_pois(store, city)
    if kept is None:
        return
    if kept.has_content:
        rows = store.tables.read(city, "pois").to_pylist()
        store.tables.replace(city, "pois", [_id_only(row) for row in rows])
    store.tables.erase_history(city, "pois")


def _id_only(row: dict[str, object]) -> dict[str, object]:
    """A row of which nothing but its id is known; POIs have ranks from 1."""
    return {
        **row,
        "name": row["poi_id"],
        "latitude": math.nan,
        "longitude": math.nan,
        "category_ids": [],
        "category_name": "",
        "semantic_label": "",
        "rank": 0,
        "popularity": None,
    }
