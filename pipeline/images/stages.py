"""What the two picture stages share: the interfaces of their networks, the pictures they want, what a post loses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from models.vision.masks import PortraitMask
from pipeline.engine import blob_addresses, missing_rows
from pipeline.images.decode import Mask, Picture
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.blobs import Kind


class PortraitMasker(Protocol):
    """Finds people: decoded pictures in, a mask of the size asked for each out, or the reason why there is none.

    input_side_px: the side at which it looks at pictures: smaller copies of that side do; None: it wants them whole.
    """

    network: str
    weights_sha256: str
    input_side_px: int | None

    def __call__(self, pictures: Sequence[Picture], sizes: Sequence[tuple[int, int]]) -> list[PortraitMask]:
        """Masks of these heights and widths, True = person; a picture without people gives an all-False mask."""
        ...


class Inpainter(Protocol):
    """Fills holes: decoded pictures and masks in, pictures of equal size out."""

    network: str
    weights_sha256: str

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture | None]:
        """Filled pictures; outside the masks every pixel is the input's.

        None where what the network answered is not finite: a fault of that picture, not of its batch.
        """
        ...


def picture_lists(store: Store, city: str) -> dict[str, list[str]]:
    """The digests of each curated post's pictures, in carousel order."""
    return _columns(store, city, "curated_posts", "post_key", "image_digests")


def picture_outcomes(
    store: Store, city: str, table: str, key: str = "digest", where: pc.Expression | None = None
) -> dict[str, str]:
    """The outcome of every picture in `table` (for which `where` holds) by its digest; nothing else of it is read."""
    return _columns(store, city, table, key, "outcome", where)


def clean_digests(store: Store, city: str) -> dict[str, str | None]:
    """The digest of the clean picture of every original, by the original's; None where none is released."""
    return _columns(store, city, "clean_images", "digest", "clean_digest")


def forget_other_recipes(store: Store, city: str, table: str, recipe: str) -> None:
    """Remove the rows that another network, weights or settings made, so that they are computed anew."""
    store.tables.delete(city, table, f"recipe <> '{recipe}'")


def pictures_to_do(
    store: Store, city: str, table: str, digests: Iterable[str], kind: Kind, key: str, **also: str
) -> pa.Table:
    """The pictures without a row in `table`: columns `key` (their digest), `also` (the rest of the key), `address`."""
    unique = list(set(digests))
    columns = {name: [value] * len(unique) for name, value in also.items()}
    wanted = pa.table({key: pa.array(unique, pa.string()), **columns})
    # read by the store and not by Daft: that cannot read a file that a delete left rows in
    on = [key, *also]
    schema = pa.schema([TABLES[table].schema.field(column) for column in on])
    done = pa.Table.from_batches(store.tables.batches(city, table, on), schema)
    return with_addresses(store, missing_rows(wanted, done, on), kind, key)


def with_addresses(store: Store, pictures: pa.Table, kind: Kind, key: str = "digest") -> pa.Table:
    """The table and `address`: where the engine finds the bytes of the pictures whose digests are in `key`."""
    addresses = blob_addresses([store.blobs.path(kind, digest) for digest in pictures[key].to_pylist()])
    return pictures.append_column("address", pa.array(addresses, pa.string()))


def posts_without_picture(
    pictures: Mapping[str, list[str]], outcomes: Mapping[str, str], good: frozenset[str]
) -> dict[str, str]:
    """Posts of which no picture has a good outcome -> the outcome of their first picture."""
    kept = {digest for digest, outcome in outcomes.items() if outcome in good}
    return {post_key: outcomes[digests[0]] for post_key, digests in pictures.items() if kept.isdisjoint(digests)}


def _columns(
    store: Store, city: str, table: str, key: str, value: str, where: pc.Expression | None = None
) -> dict[str, Any]:
    """One column of a table by another one, without reading the rest."""
    found: dict[str, Any] = {}
    for rows in store.tables.batches(city, table, [key, value], where):
        found.update(zip(rows[key].to_pylist(), rows[value].to_pylist(), strict=True))
    return found
