"""The schemas of a city's tables: the only place that names columns, their types, units, nullability and keys.

Law: a table on disk carries `SCHEMA_VERSION`; one written by another version is refused, never half-read.
Coordinates are WGS84 degrees (latitude before longitude), times are UTC, distances are metres, ids of people are
pseudonyms (`*_key`, see `pipeline.privacy.pseudonyms`).
"""

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 1

UTC = pa.timestamp("us", tz="UTC")


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table: its columns, the key that makes a row unique, and the columns left out of its content digest.

    stage: which one writes it; of the ledger's tables the first that does.
    """

    name: str
    stage: str
    schema: pa.Schema
    key: tuple[str, ...]
    volatile: tuple[str, ...] = ()

    def empty(self) -> pa.Table:
        """A table of no rows with this schema."""
        return self.schema.empty_table()

    def conform(self, rows: pa.Table | list[dict[str, object]]) -> pa.Table:
        """`rows` with exactly these columns, types and order, sorted by key.

        Raises:
            ValueError: a column is missing or unknown, a value has the wrong type, a required value is null.
        """
        table = pa.Table.from_pylist(rows, schema=self.schema) if isinstance(rows, list) else rows
        if set(table.column_names) != set(self.schema.names):
            odd = sorted(set(table.column_names) ^ set(self.schema.names))
            raise ValueError(f"table {self.name}: columns missing or unknown: {', '.join(odd)}")
        table = table.select(self.schema.names).cast(self.schema)
        return table.sort_by([(column, "ascending") for column in self.key])


_POIS = TableSpec(
    name="pois",
    stage="pois",
    key=("poi_id",),
    volatile=("retrieved_utc",),
    schema=pa.schema([
        _column("poi_id", pa.string()),                      # fsq_place_id
        _column("name", pa.string()),
        _column("latitude", pa.float64()),
        _column("longitude", pa.float64()),
        _column("category_ids", pa.list_(pa.string())),
        _column("category_name", pa.string()),
        _column("semantic_label", pa.string()),              # top-level Foursquare category
        _column("rank", pa.int32()),                         # 1 = most popular
        _column("popularity", pa.float64(), nullable=True),  # 0..1, of an archive its posts; null where there is none
        _column("source", pa.string()),                      # as in pipeline.collect.poi_sources.found
        _column("retrieved_utc", UTC),
    ]),
)  # fmt: skip

_PLACES = TableSpec(
    name="places",
    stage="places",
    key=("poi_id", "location_id"),
    schema=pa.schema([
        _column("poi_id", pa.string()),
        _column("location_id", pa.string()),                 # Instagram's place page
        _column("location_name", pa.string()),
        _column("latitude", pa.float64(), nullable=True),    # older posts carry no coordinates of their place
        _column("longitude", pa.float64(), nullable=True),
        _column("distance_m", pa.float64(), nullable=True),
        _column("name_similarity", pa.float64()),            # 0..100
        _column("is_match", pa.bool_()),
        # distance_and_name | name_only | overrule | ambiguous; of POIs from the archive: location_id | same_place
        _column("decided_by", pa.string()),
    ]),
)  # fmt: skip

_POSTS = TableSpec(
    name="posts",
    stage="posts",
    key=("post_key",),
    volatile=("retrieved_utc",),
    schema=pa.schema([
        _column("post_key", pa.string()),
        _column("media_key", pa.string()),
        _column("user_key", pa.string()),
        _column("poi_id", pa.string()),
        _column("location_id", pa.string()),
        _column("taken_utc", UTC),
        _column("caption", pa.string()),                     # "" where the post has none; @names are <USER>
        _column("hashtags", pa.list_(pa.string())),
        _column("image_digests", pa.list_(pa.string())),     # sha256 of the originals, in carousel order
        _column("num_media", pa.int32()),                    # photos and videos of the post, as its source states
        _column("latitude", pa.float64(), nullable=True),    # of the post itself, else of its location
        _column("longitude", pa.float64(), nullable=True),
        _column("source", pa.string()),                      # archive | demo
        _column("retrieved_utc", UTC),
        _column("state", pa.string()),                       # active | deleted
    ]),
)  # fmt: skip

_IMAGES = TableSpec(
    name="images",
    stage="posts",
    key=("digest",),
    schema=pa.schema([
        _column("digest", pa.string()),
        _column("width", pa.int32(), nullable=True),         # pixels; null where the header could not be read
        _column("height", pa.int32(), nullable=True),
        _column("format", pa.string(), nullable=True),       # JPEG | PNG | WEBP
        _column("num_bytes", pa.int64()),
        _column("outcome", pa.string()),                     # ok, or the reason
    ]),
)  # fmt: skip

_CURATED_POSTS = TableSpec(
    name="curated_posts",
    stage="curated_posts",
    key=("post_key",),
    schema=pa.schema([
        _column("post_key", pa.string()),
        _column("user_key", pa.string()),
        _column("poi_id", pa.string()),
        _column("taken_utc", UTC),
        _column("caption", pa.string()),                     # without its hashtags
        _column("hashtags", pa.list_(pa.string())),          # without the rare ones
        _column("image_digests", pa.list_(pa.string())),     # readable ones only
    ]),
)  # fmt: skip

_DROPS = TableSpec(
    name="drops",
    stage="posts",
    key=("stage", "post_key"),
    schema=pa.schema([
        _column("post_key", pa.string()),
        _column("stage", pa.string()),
        _column("reason", pa.string()),
    ]),
)  # fmt: skip

_DEFERRED = TableSpec(
    name="deferred",
    stage="posts",
    key=("stage", "post_key"),
    schema=pa.schema([
        _column("post_key", pa.string()),
        _column("stage", pa.string()),
        _column("reason", pa.string()),
        _column("not_before_utc", UTC, nullable=True),
    ]),
)  # fmt: skip

_PORTRAIT_MASKS = TableSpec(
    name="portrait_masks",
    stage="portrait_masks",
    key=("digest",),
    schema=pa.schema([
        _column("digest", pa.string()),
        _column("outcome", pa.string()),                     # no_person | person | a reason
        _column("portrait_ratio", pa.float64(), nullable=True),  # share of the picture before the mask is widened
        _column("mask", pa.binary(), nullable=True),         # 1-bit PNG, 1 = person; null where there is none
        _column("network", pa.string()),
        _column("weights_sha256", pa.string()),
        _column("recipe", pa.string()),                      # digest of all that made the row
    ]),
)  # fmt: skip

_CLEAN_IMAGES = TableSpec(
    name="clean_images",
    stage="clean_images",
    key=("digest",),
    schema=pa.schema([
        _column("digest", pa.string()),
        # unchanged | filled | filled_again | mostly_person | face_left | a reason
        _column("outcome", pa.string()),
        _column("clean_digest", pa.string(), nullable=True),
        _column("inpainter", pa.string()),
        _column("weights_sha256", pa.string()),
        _column("recipe", pa.string()),
    ]),
)  # fmt: skip

_IMAGE_FEATURES = TableSpec(
    name="image_features",
    stage="image_features",
    key=("clean_digest", "backbone"),
    schema=pa.schema([
        _column("clean_digest", pa.string()),
        _column("backbone", pa.string()),
        _column("outcome", pa.string()),                     # ok | a reason
        _column("vector", pa.binary(), nullable=True),       # float16, little-endian (Delta has no half type)
        _column("weights_sha256", pa.string()),
        _column("recipe", pa.string()),
    ]),
)  # fmt: skip

_STUDY_FEATURES = TableSpec(
    name="study_features",
    stage="study_data",
    key=("digest", "picture", "backbone"),
    schema=pa.schema([
        _column("digest", pa.string()),                      # of the original, whichever picture was looked at
        _column("picture", pa.string()),                     # original | clean
        _column("backbone", pa.string()),
        _column("outcome", pa.string()),                     # ok, an outcome of clean_images, or a reason
        _column("portrait_ratio", pa.float64(), nullable=True),  # where portrait_masks has no row of the picture
        _column("vector", pa.binary(), nullable=True),       # float16, little-endian
        _column("weights_sha256", pa.string()),
        _column("recipe", pa.string()),
    ]),
)  # fmt: skip

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        _POIS, _PLACES, _POSTS, _IMAGES, _CURATED_POSTS, _DROPS, _DEFERRED,
        _PORTRAIT_MASKS, _CLEAN_IMAGES, _IMAGE_FEATURES, _STUDY_FEATURES,
    )
}  # fmt: skip

LEDGER_TABLES = ("drops", "deferred")
"""Tables that every stage writes its own rows of; the column `stage` names the owner."""
