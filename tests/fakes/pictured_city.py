"""A city after both picture stages, written straight into the store: one picture of every outcome, and what it shows.

Originals are striped in magenta, clean pictures plain in a colour of their outcome: a sheet shows which it holds.
"""

import numpy as np

from pipeline.picture_bytes import encode_clean, encode_mask
from pipeline.store import Store
from tests.fakes.pictures import encoded

CLEAN_COLOURS = {"filled": (200, 40, 40), "filled_again": (40, 40, 200), "unchanged": (200, 200, 40)}
DROPPED = ("mostly_person", "face_left", "not_finite", "original_gone")
SIDE_PX = 96
MAGENTA = (255, 0, 255)


def write_pictures(store: Store, *, num_each: int = 2, city: str = "demo") -> dict[str, list[str]]:
    """The digests of the originals by outcome."""
    masks, clean, digests = [], [], {}
    for outcome in (*CLEAN_COLOURS, *DROPPED):
        digests[outcome] = [store.blobs.put("original", encoded(_striped(outcome, n), "PNG")) for n in range(num_each)]
        masks += [_mask_row(outcome, number, digest) for number, digest in enumerate(digests[outcome])]
        clean += [_clean_row(store, outcome, number, digest) for number, digest in enumerate(digests[outcome])]
    store.tables.replace(city, "portrait_masks", masks)
    store.tables.replace(city, "clean_images", clean)
    return digests


def _striped(outcome: str, number: int) -> np.ndarray:
    picture = np.full((SIDE_PX, SIDE_PX, 3), 255, dtype=np.uint8)
    picture[:: 2 + number] = MAGENTA
    picture[0, : len(outcome)] = number
    picture[1, 0] = (*CLEAN_COLOURS, *DROPPED).index(outcome)
    return picture


def _mask_row(outcome: str, number: int, digest: str) -> dict[str, object]:
    mask = np.zeros((SIDE_PX, SIDE_PX), dtype=np.bool_)
    mask[20 : 60 + number, 30:70] = True
    has_mask = outcome not in ("unchanged", "original_gone")
    return {
        "digest": digest,
        "outcome": {True: "person", False: "no_person"}[has_mask],
        "portrait_ratio": float(mask.mean()) if has_mask else 0.0,
        "mask": encode_mask(mask) if has_mask else None,
        "network": "opencv",
        "weights_sha256": "",
        "recipe": "r",
    }


def _clean_row(store: Store, outcome: str, number: int, digest: str) -> dict[str, object]:
    clean_digest = None
    if outcome in CLEAN_COLOURS:
        picture = np.full((SIDE_PX, SIDE_PX, 3), CLEAN_COLOURS[outcome], dtype=np.uint8)
        picture[0, 0] = number
        clean_digest = store.blobs.put("clean", encode_clean(picture))
    return {
        "digest": digest,
        "outcome": outcome,
        "clean_digest": clean_digest,
        "inpainter": "opencv",
        "weights_sha256": "",
        "recipe": "r",
    }
