"""Posts: one row per post of the archive that was made at a POI, under pseudonyms, with its pictures as blobs.

Reads  the archive, places
Writes posts, images, blobs/original, private/<city>.ids.sqlite; drops and deferred of this stage
Law: every metadata file of the archive is kept, dropped or deferred once: files = kept + dropped + deferred. The rules
in their order: the kind of file, its place, its time, its media. A post without a picture is in `posts` and deferred.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pydantic import Field

from pipeline.cities import City
from pipeline.collect.archive import HOW_TO_FILL, Archive, Entry
from pipeline.collect.fields import LocationStub, PostFields
from pipeline.collect.hashtags import hashtags
from pipeline.collect.pictures import OK, CheckedPicture, PictureLimits, check_picture
from pipeline.collect.progress import progress
from pipeline.collect.pseudonyms import Pseudonyms, load_pseudonyms, write_private_ids
from pipeline.collect.sources import ArchiveSettings, archive_folder
from pipeline.ledger import reason_counts, write_ledger
from pipeline.stage import Outcome, StageError, StageReport, run_stage, table_inputs
from pipeline.store import Store

STAGE = "posts"
CODE_VERSION = "1"

WHAT_TO_DO = {
    "unmatched_place": "widen the matching of stage places, or add lines to its overrule file",
    "no_place": "only posts that carry a location can be used",
    "video": "only photos can be used",
}


class PostsSettings(ArchiveSettings):
    """Which archive is read, and which pictures are taken from it."""

    max_image_bytes: int = Field(20_000_000, ge=1, description="a larger picture file is not read")
    max_image_pixels: int = Field(50_000_000, ge=1, description="a larger picture is not decoded")
    min_image_side_px: int = Field(32, ge=1, description="a picture with a shorter side is not taken")


def build_posts(store: Store, city: City, settings: PostsSettings) -> StageReport:
    """Read a city's archive into posts and pictures.

    Raises:
        StageError: there is no archive, no post in it, or the places were not built.
    """
    with store.lock(city.key, STAGE):
        if store.stage_record(city.key, "places") is None:
            raise StageError(f"the places of {city.key} were not built: build the stages pois and places first")
        archive = Archive.scan(archive_folder(store, city, settings))
        pseudonyms = load_pseudonyms(store, city)
        inputs = {
            "archive": archive.digest,
            "pseudonyms": pseudonyms.fingerprint,
            **table_inputs(store, city.key, [("places", "places")]),
        }
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings, inputs=inputs,
            outputs=("posts", "images", "drops", "deferred"),
            work=lambda: _work(store, city, settings, archive, pseudonyms),
        )  # fmt: skip


def _work(store: Store, city: City, settings: PostsSettings, archive: Archive, pseudonyms: Pseudonyms) -> Outcome:
    collector = _Collector(
        store=store,
        pseudonyms=pseudonyms,
        poi_of_location=_poi_of_location(store, city.key),
        limits=PictureLimits(**settings.model_dump(include=set(PictureLimits.__dataclass_fields__))),
        source="demo" if city.is_synthetic else "archive",
    )
    posts = collector.one_of_each(progress(archive.entries(), f"{city.key} posts", total=len(archive)))
    if not posts:
        raise StageError(_no_posts(archive, collector.drops))
    for entry, fields in progress(posts, f"{city.key} pictures"):
        collector.take(entry, fields)
    write_private_ids(store, city.key, collector.media_ids)
    store.tables.replace(city.key, "images", list(collector.images.values()))
    store.tables.replace(city.key, "posts", collector.posts)
    write_ledger(store, city.key, STAGE, collector.drops, collector.deferred)
    return _outcome(len(archive), collector)


def _poi_of_location(store: Store, city: str) -> dict[str, str]:
    places = store.tables.read(city, "places").to_pylist()
    return {place["location_id"]: place["poi_id"] for place in places if place["is_match"]}


@dataclass(kw_only=True)
class _Collector:
    """Takes entries one by one; each ends in `posts`, `drops` or, beside its row in `posts`, in `deferred`."""

    store: Store
    pseudonyms: Pseudonyms
    poi_of_location: Mapping[str, str]
    limits: PictureLimits
    source: str
    posts: list[dict[str, object]] = field(default_factory=list)
    images: dict[str, dict[str, object]] = field(default_factory=dict)
    media_ids: dict[str, str] = field(default_factory=dict)
    drops: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)

    def one_of_each(self, entries: Iterable[Entry]) -> list[tuple[Entry, PostFields]]:
        """One entry per media id, the others dropped: first one at a POI, then one with media, then by path."""
        by_id: defaultdict[str, list[tuple[Entry, PostFields]]] = defaultdict(list)
        for entry in entries:
            if entry.fields is None:
                self.drops[self.pseudonyms.file_key(entry.path)] = entry.reason
            else:
                by_id[entry.fields.media_id].append((entry, entry.fields))
        chosen = []
        for same in by_id.values():
            first, *others = sorted(same, key=self._preference)
            chosen.append(first)
            self.drops.update({self.pseudonyms.file_key(entry.path): "duplicate_post" for entry, _ in others})
        return chosen

    def take(self, entry: Entry, fields: PostFields) -> None:
        """Judge one post and keep it with its pictures, or count why not."""
        key = self.pseudonyms.post_key(fields.media_id)
        location, taken_utc, media = fields.location, fields.taken_utc, entry.media
        if location is None:
            self.drops[key] = "no_place"
        elif location.location_id not in self.poi_of_location:
            self.drops[key] = "unmatched_place"
        elif taken_utc is None:
            self.drops[key] = "bad_time"
        elif not media.pictures and media.has_video and all(fields.is_videos or (True,)):
            self.drops[key] = "video"
        else:
            pictures = [picture for path in media.pictures if (picture := self._picture(path))]
            if pictures and all(picture.outcome != OK for picture in pictures):
                self.drops[key] = pictures[0].outcome
                return
            if not pictures:
                self.deferred[key] = "image_missing"
            self.posts.append(self._row(key, entry, fields, location, taken_utc, [p.digest for p in pictures]))
            self.media_ids[key] = fields.media_id

    def _preference(self, post: tuple[Entry, PostFields]) -> tuple[bool, bool, str]:
        entry, fields = post
        is_placed = fields.location is not None and fields.location.location_id in self.poi_of_location
        return not is_placed, not (entry.media.pictures or entry.media.has_video), entry.path

    def _picture(self, path: Path) -> CheckedPicture | None:
        """The picture without its bytes; None where the file went away or may not be read, as if it were missing."""
        try:
            picture = check_picture(path, self.limits)
        except OSError:
            return None
        if picture.data is not None:
            self.store.blobs.put("original", picture.data)
        self.images[picture.digest] = {
            name: getattr(picture, name) for name in ("digest", "width", "height", "format", "num_bytes", "outcome")
        }
        return replace(picture, data=None)

    def _row(
        self, key: str, entry: Entry, fields: PostFields, location: LocationStub, taken_utc: datetime,
        digests: list[str],
    ) -> dict[str, object]:  # fmt: skip
        latitude, longitude = fields.coordinates or (None, None)
        return {
            "post_key": key,
            "media_key": self.pseudonyms.media_key(fields.media_id),
            "user_key": self.pseudonyms.user_key(fields.owner),
            "poi_id": self.poi_of_location[location.location_id],
            "location_id": location.location_id,
            "taken_utc": taken_utc,
            "caption": fields.caption,
            "hashtags": hashtags(fields.caption),
            "image_digests": digests,
            "num_media": len(fields.is_videos) if fields.is_videos else max(1, len(digests)),
            "latitude": latitude,
            "longitude": longitude,
            "source": self.source,
            "retrieved_utc": entry.retrieved_utc,
            "state": "active",
        }


def _no_posts(archive: Archive, drops: Mapping[str, str]) -> str:
    told = ", ".join(f"{reason.split('/')[1]} {count}" for reason, count in reason_counts(drops).items())
    return f"none of the {len(archive)} metadata files in {archive.root} is a post ({told}): {HOW_TO_FILL}"


def _outcome(num_files: int, collector: _Collector) -> Outcome:
    num_dropped, num_deferred = len(collector.drops), len(collector.deferred)
    num_kept = len(collector.posts) - num_deferred
    assert num_files == num_kept + num_dropped + num_deferred, "a file of the archive was lost or counted twice"
    counts = {
        "files": num_files, "posts": len(collector.posts), "kept": num_kept, "deferred": num_deferred,
        "dropped": num_dropped, "users": len({post["user_key"] for post in collector.posts}),
        "images": sum(image["outcome"] == OK for image in collector.images.values()),
        **reason_counts(collector.deferred, "deferred"), **reason_counts(collector.drops),
    }  # fmt: skip
    return Outcome(counts=counts, notes=_notes(collector))


def _notes(collector: _Collector) -> list[str]:
    if not collector.posts:
        most = next(iter(reason_counts(collector.drops))).split("/")[1]
        return [f"no post is left, most were dropped as {most}: {WHAT_TO_DO.get(most, 'look at the files')}"]
    if len(collector.deferred) == len(collector.posts):
        return ["no post has its pictures: put them beside the metadata as <name>.jpg or <name>_<n>.jpg and rerun"]
    return []
