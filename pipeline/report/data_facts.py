"""What the report states about the data: what was dropped and why, how pictures were processed, size of the splits.

What ran is read from the stages' own records: network, digest of its weights, runtime, face gate.
"""

from collections import Counter

import pyarrow.compute as pc

from pipeline.curate.rules import meaning_of_drop
from pipeline.images import clean_images, portrait_masks
from pipeline.images.face_gate import OFF
from pipeline.images.face_recall import read_recall_text
from pipeline.images.fillers import BuiltinFill
from pipeline.images.maskers import BuiltinPortraits
from pipeline.images.people_left import PeopleLeft
from pipeline.release.read import Release
from pipeline.release.split import SPLITS
from pipeline.report.content import DrawnPeople, FaceGateFacts, Ledger, LedgerLine, PictureStage, RecallLine, SplitSize
from pipeline.report.wording import plain
from pipeline.stage import table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.store.store import StageRecord

LOSING_STAGES = ("posts", "curated_posts", "portrait_masks", "clean_images", "dataset")
PICTURE_STAGES = ("portrait_masks", "clean_images", "image_features")
STAND_INS = {
    BuiltinPortraits.network: portrait_masks.FALLBACK_NOTE,
    BuiltinFill.network: clean_images.FALLBACK_NOTE,
    **{
        f"{name}_fixed_seed": f"features come from a {title} of fixed random weights that never saw a picture"
        for name, title in (
            ("vgg19", "VGG19"),
            ("vgg16", "VGG16"),
            ("resnet50", "ResNet50"),
            ("resnet101", "ResNet101"),
            ("densenet121", "DenseNet121"),
            ("efficientnet_lite0", "EfficientNet-Lite0"),
        )
    },
}
"""Stand-ins for the paper's networks by the name in a stage's record, with a remark."""

MEANINGS = {
    # files of an archive
    "not_json": "the file is not JSON",
    "truncated_file": "the file is truncated or empty",
    "file_too_large": "the file is larger than any post's metadata",
    "nested_too_deep": "the JSON is nested deeper than any post's metadata",
    "too_many_medias": "the file holds far more posts than any page of Instagram's",
    "unknown_media_type": "the post is neither a photo, a video nor a carousel of them",
    "not_a_regular_file": "a link or a device in place of a file",
    "not_readable": "no permission to read the file",
    "not_instaloader": "JSON of another program",
    "not_a_post": "a file of Instaloader, but of a profile, a story or comments",
    "instaloader_v3": "written by Instaloader 3, whose files lack what is needed",
    "bad_media_id": "the post has no id",
    "no_owner": "the post names no author, so it cannot be kept to one split",
    "own_export": "a file of Instagram's own export, which says of no post where it was made",
    "part_of_post": "a file of one picture of a post, which is counted once",
    "duplicate_post": "another file of the archive has the same post",
    # places, times, media
    "no_place": "the post has no location",
    "unmatched_place": "its location belongs to none of the POIs",
    "bad_time": "it has no valid date",
    "video": "the post has a video and no picture",
    "image_not_readable": "no permission to read its picture; the post comes back once there is",
    "image_missing": "its picture is missing; the post comes back once it is there",
    "waiting": "something of the post was missing when the release was made",
    # posts collected live
    "private": "only followers may see the account",
    "opted_out": "its author has opted out",
    "gone": "it was deleted before its pictures were fetched",
    "media_gone": "its pictures are no longer available",
    "media_expired": "the addresses of its pictures have expired; it is tried again",
    "media_unreachable": "its pictures could not be fetched; it is tried again",
    "not_fetched_yet": "the run ended before its pictures were fetched; the next one continues",
    "refused_address": "the address of its picture is not allowed",
    "too_many_redirects": "the address of its picture redirects too often",
    "robots": "the picture's host forbids robots",
    "encoded_body": "its picture came in an unsupported encoding",
    # pictures
    "original_gone": "its picture is no longer in the store",
    "not_an_image": "its picture is not an image, but for example a web page",
    "unsupported_format": "its picture is no JPEG, PNG or WebP file (but HEIC, for example)",
    "bad_header": "the header of its picture is damaged",
    "truncated": "its picture is truncated",
    "too_many_bytes": "its picture file is larger than allowed",
    "too_many_pixels": "its picture has more pixels than allowed",
    "too_many_scans": "its picture is stored in more passes (JPEG scans) than any encoder writes",
    "too_small": "its picture is too small to show a place",
    "face_left": "a face was still found in its pictures after people were filled twice",
    "bad_mask": "the mask of its picture has another size than the picture",
    "too_narrow": "its picture is far longer than wide",
    "mostly_person": "masks of people cover more of its pictures than allowed: too little of the place is left",
}
"""The reasons of the ledger; `test_every_reason_of_the_code_is_explained` keeps the list complete."""


def data_inputs(store: Store, city: str) -> dict[str, str]:
    """The digests of all that this module reads beside the release."""
    tables = [("posts", "posts"), ("image_features", "image_features")]
    tables += [(table, stage) for stage in LOSING_STAGES for table in ("drops", "deferred")]
    records = [store.stage_record(city, stage) for stage in PICTURE_STAGES]
    facts = [(record.about, record.notes, record.counts) if record is not None else None for record in records]
    return {**table_inputs(store, city, tables), "picture_stages": json_digest(facts)}


def city_ledger(store: Store, city: str, release: Release) -> Ledger:
    """The ledger as it closed when the release was made, a line per stage and reason, in the order of the stages."""
    counts: dict[str, int] = release.manifest.about["ledger"]
    dropped = {tuple(name.split("/")[1:]): count for name, count in counts.items() if name.startswith("dropped/")}
    lines = [_line("dropped", stage, reason, count) for (stage, reason), count in dropped.items()]
    lines += _deferred_lines(store, city, counts["deferred"])
    order = {stage: row for row, stage in enumerate(LOSING_STAGES)}
    return Ledger(
        num_seen=counts["posts"],
        num_released=counts["released"],
        num_dropped=counts["dropped"],
        num_deferred=counts["deferred"],
        lines=sorted(lines, key=lambda line: (order.get(line.stage, len(order)), -line.num_posts, line.reason)),
    )


def picture_stages(store: Store, city: str) -> list[PictureStage]:
    """How each picture stage processed the pictures, by its own record."""
    records = [record for stage in PICTURE_STAGES if (record := store.stage_record(city, stage)) is not None]
    return [_picture_stage(record) for record in records]


def _picture_stage(record: StageRecord) -> PictureStage:
    """A built-in network counts as a stand-in, also if the settings asked for it."""
    network = record.about.get("network") or record.about.get("backbone") or "not recorded"
    notes = record.notes or [STAND_INS[network]] if network in STAND_INS else record.notes
    return PictureStage(
        stage=record.stage,
        network=network,
        weights_sha256=record.about.get("weights_sha256", ""),
        running=record.about.get("running", ""),
        is_stand_in=network in STAND_INS,
        notes=[plain(note, 400) for note in notes],
    )


def face_gate(store: Store, city: str) -> FaceGateFacts | None:
    """The face gate of the clean pictures, by the record of the stage."""
    record = store.stage_record(city, clean_images.STAGE)
    if record is None or "face_gate" not in record.about:
        return None
    about, counts = record.about, record.counts
    recall = [
        RecallLine(kind=found.kind, num_found=found.num_found, num_faces=found.num_faces)
        for found in read_recall_text(about.get("face_recall", ""))
    ]
    return FaceGateFacts(
        network=about["face_gate"],
        weights_sha256=about.get("face_gate_sha256", ""),
        off_reason=plain(about.get("face_gate_off_reason", ""), 400) if about["face_gate"] == OFF else "",
        num_filled_again=counts.get("pictures/filled_again", 0),
        num_dropped=counts.get("pictures/face_left", 0),
        recall=recall,
        not_shown=about.get("face_recall_shows_not", ""),
    )


def drawn_people(store: Store, city: str) -> DrawnPeople | None:
    """How many drawn people are left, by the record of the stage that fills them; None if no people were drawn."""
    record = store.stage_record(city, clean_images.STAGE)
    left = PeopleLeft.of_counts(record.counts) if record is not None else None
    if left is None:
        return None
    return DrawnPeople(
        num_pictures=left.num_pictures,
        num_dropped=left.num_dropped,
        num_face_left=left.num_face_left,
        num_body_left=left.num_body_left,
        percent_face_left=left.percent(left.num_face_left),
        percent_body_left=left.percent(left.num_body_left),
    )


def split_sizes(release: Release) -> list[SplitSize]:
    """Posts, users and days of each split."""
    sizes = []
    for split in SPLITS:
        posts = release.posts.filter(pc.equal(release.posts["split"], split))
        days = pc.min_max(posts["taken_day"]).as_py()
        sizes.append(
            SplitSize(
                split=split,
                num_posts=len(posts),
                num_users=len(posts["user_key"].unique()),
                first_day=days["min"],
                last_day=days["max"],
            )
        )
    return sizes


def _deferred_lines(store: Store, city: str, num_deferred: int) -> list[LedgerLine]:
    """By reason if the table is still the one that the release counted, else one line."""
    rows = store.tables.read(city, "deferred").to_pylist()
    if len(rows) != num_deferred:
        return [_line("deferred", "posts", "waiting", num_deferred)] if num_deferred else []
    counted = Counter((row["stage"], row["reason"]) for row in rows)
    return [_line("deferred", stage, reason, count) for (stage, reason), count in counted.items()]


def _line(outcome: str, stage: str, reason: str, num_posts: int) -> LedgerLine:
    return LedgerLine(outcome=outcome, stage=stage, reason=reason, num_posts=num_posts, meaning=meaning_of(reason))


def meaning_of(reason: str) -> str:
    """What a reason of the ledger means; the reason in words where nobody wrote one down."""
    return MEANINGS.get(reason) or meaning_of_drop(reason) or reason.replace("_", " ")
