"""Whether a data set can come of the curated posts at all, asked before a picture is looked at.

Reads  curated_posts, drops of curated_posts
Law: what is refused here could not be split later either: the picture stages only take posts away, and with them
users, days and POIs. What they may still make impossible, the stage `dataset` says. Not covered: a second place whose
only early post is one that shows a picture again.
"""

import dataclasses
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.curate.rules import POI_FLOOR
from pipeline.errors import StageError, plural
from pipeline.privacy.forgotten import sweep_forgotten
from pipeline.release.cut import MIN_DAYS, MIN_USERS, SplitChoice
from pipeline.release.dataset import DatasetSettings, nothing_left
from pipeline.stage import StageReport
from pipeline.store import Store

STAGE = "curated_posts"
MIN_POIS = 2
COLUMNS = ["user_key", "poi_id", "taken_utc"]


def refuse_hopeless(store: Store, city: City) -> None:
    """Spend no time on pictures that no data set can hold.

    Raises:
        StageError: no post was left by curation, or the curated posts cannot be split, or are of one POI; the message
            says what would help.
    """
    sentence = _emptiness(store, city) or hindrance(store, city)
    if sentence is not None:
        with store.lock(city.key, "dataset"):
            sweep_forgotten(store, city.key)  # without a new release the old one goes all the same
        raise StageError(sentence)


def _emptiness(store: Store, city: City) -> str | None:
    """Where curation has left no post: why. Networks of hundreds of megabytes are not fetched for nothing."""
    if store.stage_record(city.key, STAGE) is None or any(map(len, store.tables.batches(city.key, STAGE, COLUMNS))):
        return None
    return nothing_left(store, city.key)


def with_hindrance(store: Store, city: City, report: StageReport) -> StageReport:
    """The report of `curated_posts` with the hindrance among its notes: of the posts and settings as they are now."""
    sentence = hindrance(store, city)
    if sentence is None:
        return report
    notes = [*report.record.notes, sentence]
    return dataclasses.replace(report, record=dataclasses.replace(report.record, notes=notes))


def hindrance(store: Store, city: City) -> str | None:
    """Why no data set can come of the curated posts, and what to do; None where one may, or where there are none."""
    batches = list(store.tables.batches(city.key, STAGE, COLUMNS))
    if not sum(map(len, batches)):
        return None
    posts = pa.Table.from_batches(batches)
    settings = city.settings("dataset", DatasetSettings)
    floor = settings.floor(city)
    sizes = pc.value_counts(posts["poi_id"])
    large = pc.filter(sizes.field("values"), pc.greater_equal(sizes.field("counts"), floor))
    if len(large) < MIN_POIS:
        return _too_few_pois(store, city, len(large), floor)
    posts = posts.filter(pc.is_in(posts["poi_id"], large))
    posts = posts.append_column("day", pc.strftime(posts["taken_utc"], "%Y-%m-%d"))
    num_users, days = len(posts["user_key"].unique()), posts["day"].unique().to_pylist()
    leaves_two = num_users > MIN_USERS or _has_one_at_two_places(posts)
    by_user, in_time = num_users >= MIN_USERS and leaves_two, _are_enough_days(posts, days)
    if {"auto": by_user or in_time, "user": by_user, "time": in_time}[settings.split]:
        return None
    found = f"the {posts.num_rows:,} curated posts of {city.key} are of {plural(num_users, 'user')}"
    found += ", each at one place alone," if num_users == MIN_USERS and not leaves_two else ""
    return f"{found} and {plural(len(days), 'day')} (UTC), so no data set can be made of them. " + _what_helps(
        settings.split, by_user=by_user, in_time=in_time, leaves_two=leaves_two
    )


def _has_one_at_two_places(posts: pa.Table) -> bool:
    """Whether a user posted at two POIs: of three users two are held out, and the third is all there is to learn."""
    visited = posts.group_by("user_key").aggregate([("poi_id", "count_distinct")])
    return bool(pc.any(pc.greater_equal(visited["poi_id_count_distinct"], MIN_POIS)).as_py())


def _are_enough_days(posts: pa.Table, days: list[str]) -> bool:
    """Whether two days or more follow the first on which there are posts of a second POI."""
    begins: list[str] = sorted(posts.group_by("poi_id").aggregate([("day", "min")])["day_min"].to_pylist())
    return sum(day > begins[1] for day in days) >= MIN_DAYS - 1


def _what_helps(split: SplitChoice, *, by_user: bool, in_time: bool, leaves_two: bool) -> str:
    of_days = f"posts of {MIN_DAYS} days with a second place before the last two"
    of_users = f"posts of {MIN_USERS} users" + ("" if leaves_two else ", one of them at two places,")
    more = {"user": of_users, "time": of_days}
    if split == "auto":
        return f"Train, validation and test need {more['user']} or {more['time']} at least: collect more"
    other = " or set split: auto for dataset in cities.yaml" if by_user or in_time else ""
    return f"split: {split} needs {more[split]} at least: collect more,{other}".rstrip(",")


def _too_few_pois(store: Store, city: City, num_pois: int, floor: int) -> str:
    """The floor is named where it has taken posts of other POIs."""
    rows = store.tables.batches(city.key, "drops", ["stage", "reason"])
    dropped = Counter((row["stage"], row["reason"]) for batch in rows for row in batch.to_pylist())
    num_below = dropped[STAGE, POI_FLOOR.name]
    found = f"the curated posts of {city.key} are of {plural(num_pois, 'POI')} with at least {plural(floor, 'post')}"
    lower = ""
    if num_below or not num_pois:
        lower = (
            f", or lower min_posts_per_poi in cities.yaml ({plural(num_below, 'post')} of smaller POIs were dropped)"
        )
    return (
        f"{found}, so there is nothing that a model could tell apart. Collect posts of {MIN_POIS} POIs or more{lower}"
    )
