"""What the two picture stages share: the interfaces of their networks, the pictures they want, what a post loses."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import pyarrow as pa

from pipeline.engine import blob_addresses, missing_rows
from pipeline.images.decode import Mask, Picture
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.blobs import Kind


class PortraitMasker(Protocol):
    """Finds people: decoded pictures in, one mask of equal height and width each out."""

    network: str
    weights_sha256: str

    def __call__(self, pictures: list[Picture]) -> list[Mask]:
        """Masks, True = person; a picture without people gives an all-False mask."""
        ...


class Inpainter(Protocol):
    """Fills holes: decoded pictures and masks in, pictures of equal size out."""

    network: str
    weights_sha256: str

    def __call__(self, pictures: list[Picture], masks: list[Mask]) -> list[Picture]:
        """Filled pictures; outside the masks every pixel is the input's."""
        ...


def picture_lists(store: Store, city: str) -> dict[str, list[str]]:
    """The digests of each curated post's pictures, in carousel order."""
    posts = store.tables.read(city, "curated_posts")
    return dict(zip(posts["post_key"].to_pylist(), posts["image_digests"].to_pylist(), strict=True))


def forget_other_recipes(store: Store, city: str, table: str, recipe: str) -> None:
    """Remove the rows that another network, weights or settings made, so that they are computed anew."""
    store.tables.delete(city, table, f"recipe <> '{recipe}'")


def pictures_to_do(
    store: Store, city: str, table: str, digests: Iterable[str], kind: Kind, key: str, **also: str
) -> pa.Table:
    """The pictures without a row in `table`: columns `key` (their digest), `also` (the rest of the key), `address`."""
    unique = sorted(set(digests))
    addresses = blob_addresses([store.blobs.path(kind, digest) for digest in unique])
    columns = {name: [value] * len(unique) for name, value in also.items()}
    wanted = pa.table({key: pa.array(unique, pa.string()), **columns, "address": pa.array(addresses, pa.string())})
    # read by the store and not by Daft: that cannot read a file that a delete left rows in
    on = [key, *also]
    schema = pa.schema([TABLES[table].schema.field(column) for column in on])
    done = pa.Table.from_batches(store.tables.batches(city, table, on), schema)
    return missing_rows(wanted, done, on)


def posts_without_picture(
    pictures: Mapping[str, list[str]], outcomes: Mapping[str, str], good: frozenset[str]
) -> dict[str, str]:
    """Posts of which no picture has a good outcome -> the outcome of their first picture."""
    return {
        post_key: outcomes[digests[0]]
        for post_key, digests in pictures.items()
        if not any(outcomes[digest] in good for digest in digests)
    }
