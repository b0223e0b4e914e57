"""Which pictures are named, and by what: posts, journals, tables of pictures, releases.

Reads  posts, images, clean_images, the journals and the records of all cities; posts.parquet of releases
Law: what cannot be read is not empty. A table that a record or a journal knows of and that is not there, or is older
than that, and a release that cannot be opened raise: who asks what is named removes nothing then.
"""

import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.collect.instagram.status import look_at_journal
from pipeline.collect.sources import journal_path
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.store.files import MANIFEST

FoundT = TypeVar("FoundT")

NAMED_IN: dict[Kind, tuple[str, ...]] = {"original": ("posts", "images"), "clean": ("clean_images",)}
"""Tables that name the pictures of a kind."""

IN_JOURNAL = (
    "SELECT digest FROM images WHERE row IS NOT NULL UNION "
    "SELECT one.value FROM posts, json_each(posts.row, '$.image_digests') AS one WHERE posts.row IS NOT NULL"
)
"""Pictures that a journal has not carried to the tables yet."""

CARRIED = "SELECT 1 FROM posts WHERE is_in_tables = 1 LIMIT 1"
"""Whether a journal has carried a post to the table, or found it there."""


class UnreadableError(ValueError):
    """What may name a picture cannot be read; the message says what to do."""


def known_cities(store: Store) -> list[str]:
    """Every city of which there is a table, a journal, a record or a release."""
    journals = (path.stem for path in (store.root / "crawl").glob("*.sqlite"))
    releases = (folder.parent.name for folder in release_folders(store))
    return sorted({*store.tables.cities(), *store.cities(), *journals, *releases})


def require_tables(store: Store, city: str, names: Collection[str]) -> None:
    """See that these tables are there as far as a stage or the journal knows of them.

    Raises:
        UnreadableError: one is not: its disk is not mounted, its log is lost, an older copy was put back.
    """
    recorded = _recorded_versions(store, city)
    if "posts" in names and _in_journal(store, city, lambda disk: disk.execute(CARRIED).fetchone()):
        recorded.setdefault("posts", 0)
    for name in (name for name in names if name in recorded):
        version = store.tables.version(city, name)
        if version is None or version < recorded[name]:
            raise UnreadableError(
                f"the table {store.tables.path(city, name)} is not there, or is older than the last build: mount or "
                "restore it, or build the city again"
            )


def pictures_of_posts(store: Store, city: str) -> set[str]:
    """The originals that a city's posts have, in its table and in its journal."""
    lists = (batch["image_digests"].flatten() for batch in store.tables.batches(city, "posts", ["image_digests"]))
    return _unemptied(store, city).union(*(digests.to_pylist() for digests in lists))


def values(store: Store, city: str, table: str, column: str, where: pc.Expression | None = None) -> set[str]:
    """What stands in a column."""
    batches = store.tables.batches(city, table, [column], where)
    return {value for batch in batches for value in batch[column].to_pylist() if value is not None}


def release_folders(store: Store, city: str = "*") -> list[Path]:
    """The folders of releases, also of half ones."""
    return sorted(path for path in (store.root / "datasets").glob(f"{city}/[!.]*") if path.is_dir())


def released_posts(store: Store, city: str) -> dict[str, str]:
    """post_key -> user_key of the posts in a city's releases; of one that cannot be read none are known."""
    posts: dict[str, str] = {}
    for folder in release_folders(store, city):
        with suppress(OSError, pa.ArrowException):
            for row in pq.read_table(folder / "posts.parquet", columns=["post_key", "user_key"]).to_pylist():
                posts[row["post_key"]] = row["user_key"]
    return posts


def clean_pictures(store: Store, city: str) -> set[str]:
    """Those that a city's table names, and those of its releases: a model is asked about them before it answers."""
    folders = (folder for folder in release_folders(store, city) if (folder / MANIFEST).is_file())
    require_tables(store, city, NAMED_IN["clean"])
    return values(store, city, "clean_images", "clean_digest").union(*map(_of_release, folders))


def _named_originals(store: Store) -> set[str]:
    named = set[str]()
    for city in known_cities(store):
        require_tables(store, city, NAMED_IN["original"])
        named |= pictures_of_posts(store, city) | values(store, city, "images", "digest")
    return named


def _named_clean(store: Store) -> set[str]:
    return set[str]().union(*(clean_pictures(store, city) for city in known_cities(store)))


def _recorded_versions(store: Store, city: str) -> dict[str, int]:
    """The least version that a city's tables have by the records of its stages."""
    least: dict[str, int] = {}
    for record in store.stage_records(city):  # of a damaged one the table's own digests know
        of_stage = {name: version for name, version in record.versions.items() if version is not None}
        least |= {name: max(version, least.get(name, 0)) for name, version in of_stage.items()}
    return least


def _unemptied(store: Store, city: str) -> set[str]:
    return _in_journal(store, city, lambda disk: {digest for (digest,) in disk.execute(IN_JOURNAL)}) or set()


def _in_journal(store: Store, city: str, read: Callable[[sqlite3.Connection], FoundT]) -> FoundT | None:
    return look_at_journal(store, city, read) if journal_path(store, city).exists() else None


def _of_release(folder: Path) -> set[str]:
    try:
        return set(pq.read_table(folder / "posts.parquet", columns=["clean_digest"])["clean_digest"].to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise UnreadableError(
            f"{folder / 'posts.parquet'} cannot be read ({type(error).__name__}): if that stays so, remove this "
            "release and build the data set again"
        ) from error


NAMES: dict[Kind, Callable[[Store], set[str]]] = {"original": _named_originals, "clean": _named_clean}
"""What gives the names of all pictures of a kind that are named anywhere."""
