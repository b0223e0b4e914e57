"""Near-duplicate pictures: the same photograph in another size or quality, which must not be in two splits.

A picture's mark is its difference hash: 16 rows of 17 grey values, a bit for each that is brighter than the one before
it (the idea of N. Krawetz, 2013). Two pictures whose marks differ in few of the 256 bits are near-duplicates.
Covered: re-posts that were made smaller or compressed harder. Not covered: other crops, mirrored or drawn-over
pictures, and other photographs of the same place, which are to stay apart: those are what a model learns from.
"""

import io
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

ROWS = 16
MAX_BITS = 12
"""of 256. Tried: 21 photographs at quality 30, or half as large, differed in 12 at most and in 2 mostly; at a third of
their size 1 of 21 in more. Different photographs differed in 75 and more, 950 drawn pictures of the demo in 14."""
BLOCK = 1024
MAX_THREADS = 16


def mark_of(data: bytes) -> NDArray[np.bool_]:
    """The 256 bits of an encoded picture."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("L", (8 * ROWS, 8 * ROWS))
        grey = np.asarray(picture.convert("L").resize((ROWS + 1, ROWS), Image.Resampling.LANCZOS), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def shared_names(digests: Sequence[str], read: Callable[[str], bytes], title: str) -> dict[str, list[str]]:
    """For each picture that has near-duplicates, a name for each of them that both bear."""
    names: dict[str, list[str]] = defaultdict(list)
    for pair in near_duplicates(digests, read, title):
        for digest in pair:
            names[digest].append("/".join(pair))
    return names


def near_duplicates(digests: Sequence[str], read: Callable[[str], bytes], title: str) -> list[tuple[str, str]]:
    """Pairs among these pictures that are near-duplicates of each other."""
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:  # Pillow lets go of the interpreter
        found = threads.map(lambda digest: mark_of(read(digest)), digests)
        bar = tqdm(found, total=len(digests), desc=title, unit="picture", disable=None)
        marks = np.array(list(bar), dtype=np.bool_).reshape(-1, ROWS * ROWS)
    return [(digests[one], digests[other]) for one, other in close_pairs(marks)]


def close_pairs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Row numbers of all pairs whose marks differ in at most MAX_BITS bits; a flat picture has no mark to go by.

    As signs, the product of two marks is the number of bits minus twice that of the differing ones.
    """
    signs = np.where(marks, 1.0, -1.0).astype(np.float32)
    has_mark = marks.sum(axis=1) > MAX_BITS
    least = marks.shape[1] - 2 * MAX_BITS
    pairs = []
    for start in range(0, len(marks), BLOCK):
        close = signs[start : start + BLOCK] @ signs[start:].T >= least
        one, other = np.nonzero(np.triu(close, 1) & has_mark[start : start + BLOCK, None] & has_mark[None, start:])
        pairs += [(start + int(i), start + int(j)) for i, j in zip(one, other, strict=True)]
    return pairs
