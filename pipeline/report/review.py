"""The page of `mrlf images review`: original, mask and clean picture side by side, to judge the picture stages.

Law: the page holds pictures of people. It is one file that loads nothing, of mode 0600, outside the store. The store
is only read, and the page is copied nowhere: into no log, no metadata, no report.
"""

import base64
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StageError
from pipeline.images.stages import picture_outcomes
from pipeline.picture_bytes import Mask, Picture, UnreadablePicture, decode_mask, decode_picture
from pipeline.refusals import how_to_build
from pipeline.store import Store
from pipeline.store.blobs import Kind
from pipeline.templates import environment

SIDE_PX = 480
GONE = "no longer in the store"
NO_MASK = "nobody was found"
NOT_RELEASED = "not released"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One picture of the review: each part is the bytes of a small PNG or JPEG, or a text in its place.

    masked: the share that the mask covers, its margin included; None without a mask.
    """

    digest: str
    outcome: str
    masked: float | None
    original: bytes | str
    mask: bytes | str
    clean: bytes | str


def review(store: Store, city: str, *, outcome: str | None, number: int) -> list[Shown]:
    """Up to `number` pictures, of one outcome or of all in turn.

    Raises:
        StageError: there are no clean pictures yet, or none of this outcome.
    """
    outcomes = picture_outcomes(store, city, "clean_images")
    if not outcomes:
        advice = how_to_build(store, city, "clean_images", f"run `mrlf run {city} --to clean_images` first")
        raise StageError(f"there are no clean pictures of {city} yet: {advice}")
    known = sorted(set(outcomes.values()))
    if outcome is not None and outcome not in known:
        raise StageError(f"no picture of {city} ended as {outcome}: take one of {', '.join(known)}")
    groups = [
        sorted(digest for digest, found in outcomes.items() if found == each)
        for each in known
        if outcome in (None, each)
    ]
    in_turn = (digest for digest in chain.from_iterable(zip_longest(*groups)) if digest is not None)
    digests = list(islice(in_turn, number))
    return list(_shown(store, city, digests, outcomes))


def write_page(store: Store, page: str, output: Path | None) -> Path:
    """Write the page to a new file of mode 0600, by default in the folder for temporary files, and return its path.

    Raises:
        StageError: the file would lie in the store, or exists already.
    """
    folder = Path(tempfile.gettempdir()) if output is None else output.expanduser().parent
    if folder.resolve().is_relative_to(store.root.resolve()):
        raise StageError(
            f"{folder} is in the store, where no picture of people may be left: name a file elsewhere with --output"
        )
    if output is None:
        handle, name = tempfile.mkstemp(prefix="mrlf-review-", suffix=".html")
        path = Path(name)
    else:
        path = output.expanduser().absolute()
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise StageError(f"{path} exists already: name another file with --output, or remove it") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(page)
    return path


def page_of(city_name: str, shown: list[Shown]) -> str:
    """The review as one HTML page that loads nothing."""
    pages = environment(Path(__file__).parent / "templates")
    pages.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return pages.get_template("review.html.j2").render(city_name=city_name, pictures=shown)


def _shown(store: Store, city: str, digests: list[str], outcomes: dict[str, str]) -> Iterator[Shown]:
    masks = _rows(store, city, "portrait_masks", ["digest", "mask"], digests)
    clean = _rows(store, city, "clean_images", ["digest", "clean_digest"], digests)
    for digest in digests:
        png, clean_digest = masks.get(digest, {}).get("mask"), clean[digest]["clean_digest"]
        mask = decode_mask(png) if png else None
        yield Shown(
            digest=digest,
            outcome=outcomes[digest],
            masked=float(mask.mean()) if mask is not None else None,
            original=_picture(store, "original", digest),
            mask=_small(_white_on_black(mask), "PNG") if mask is not None else NO_MASK,
            clean=_picture(store, "clean", clean_digest) if clean_digest is not None else NOT_RELEASED,
        )


def _rows(store: Store, city: str, table: str, columns: list[str], digests: list[str]) -> dict[str, dict[str, Any]]:
    is_wanted = pc.field("digest").isin(pa.array(digests, pa.string()))
    batches = store.tables.batches(city, table, columns, is_wanted)
    return {row["digest"]: row for batch in batches for row in batch.to_pylist()}


def _picture(store: Store, kind: Kind, digest: str) -> bytes | str:
    try:
        return _small(decode_picture(store.blobs.get(kind, digest), SIDE_PX), "JPEG")
    except FileNotFoundError:
        return GONE
    except UnreadablePicture as unreadable:
        return f"cannot be read: {unreadable.reason}"


def _white_on_black(mask: Mask) -> Picture:
    return (mask[..., None].repeat(3, axis=2) * 255).astype("uint8")


def _small(picture: Picture, kind: str) -> bytes:
    from PIL import Image

    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((SIDE_PX, SIDE_PX))
    image.save(buffer, kind)
    return buffer.getvalue()
