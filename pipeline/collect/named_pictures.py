"""Which pictures are named, and by what: posts, journals, tables of pictures, releases.

Reads  posts, images, clean_images and the journals of all cities; posts.parquet of releases
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.collect.instagram.status import look_at_journal
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.store.folders import MANIFEST

NAMED_IN: dict[Kind, tuple[str, ...]] = {"original": ("posts", "images"), "clean": ("clean_images",)}
"""Tables that name the pictures of a kind."""

IN_JOURNAL = (
    "SELECT digest FROM images WHERE row IS NOT NULL UNION "
    "SELECT one.value FROM posts, json_each(posts.row, '$.image_digests') AS one WHERE posts.row IS NOT NULL"
)
"""Pictures that a journal has not carried to the tables yet."""


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


def clean_pictures(store: Store, city: str) -> set[str]:
    """Those that a city's table names, and those of its releases: a model is asked about them before it answers."""
    folders = (folder for folder in release_folders(store, city) if (folder / MANIFEST).is_file())
    return values(store, city, "clean_images", "clean_digest").union(*map(_of_release, folders))


def _named_originals(store: Store) -> set[str]:
    cities = {*store.tables.cities(), *(path.stem for path in (store.root / "crawl").glob("*.sqlite"))}
    of_posts = (pictures_of_posts(store, city) for city in cities)
    return set[str]().union(*of_posts, *(values(store, city, "images", "digest") for city in cities))


def _named_clean(store: Store) -> set[str]:
    cities = {*store.tables.cities(), *(folder.parent.name for folder in release_folders(store))}
    return set[str]().union(*(clean_pictures(store, city) for city in cities))


def _unemptied(store: Store, city: str) -> set[str]:
    found = look_at_journal(store, city, lambda disk: {digest for (digest,) in disk.execute(IN_JOURNAL)})
    return found or set()


def _of_release(folder: Path) -> set[str]:
    """The clean pictures of a release; none of a damaged one, which nobody can use."""
    try:
        return set(pq.read_table(folder / "posts.parquet", columns=["clean_digest"])["clean_digest"].to_pylist())
    except (OSError, pa.ArrowException):
        return set()


NAMES: dict[Kind, Callable[[Store], set[str]]] = {"original": _named_originals, "clean": _named_clean}
"""What gives the names of all pictures of a kind that are named anywhere."""
