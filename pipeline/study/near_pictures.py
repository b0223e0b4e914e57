"""Near-duplicates among the released pictures, which a split by users keeps on one side as the release does.

Reads  the release, blobs/clean
Writes study/<city>/near_duplicates/<version>.json: looked for once per release, not by every process of a study
Not covered: posts outside the release, of which no clean picture is kept; equal files link these, similar ones do not.
"""

import json
from functools import partial

from pipeline.release.near_duplicates import shared_names
from pipeline.release.read import Release
from pipeline.store import Store
from pipeline.store.blobs import write_atomically
from pipeline.study.study_pictures import check_clean


def near_names(store: Store, city: str, release: Release) -> dict[str, list[str]]:
    """post_key -> the names that its picture bears together with its near-duplicates; posts without any are left out.

    Raises:
        StageError: clean pictures are gone from the store.
    """
    path = store.study_folder(city) / "near_duplicates" / f"{release.version}.json"
    if not path.is_file():
        write_atomically(path, json.dumps(_looked_for(store, city, release), sort_keys=True).encode())
    names: dict[str, list[str]] = json.loads(path.read_text())
    return names


def _looked_for(store: Store, city: str, release: Release) -> dict[str, list[str]]:
    keys, clean = release.posts["post_key"].to_pylist(), release.posts["clean_digest"].to_pylist()
    check_clean(store, city, clean)
    shared = shared_names(sorted(set(clean)), partial(store.blobs.get, "clean"), f"{city} study: near-duplicates")
    return {key: shared[digest] for key, digest in zip(keys, clean, strict=True) if digest in shared}
