"""The private map of a city as it stands on disk: post_key -> media id."""

import sqlite3
from contextlib import closing

from pipeline.store import Store


def read_private_ids(store: Store, city: str) -> dict[str, str]:
    """Empty where no post was collected yet."""
    path = store.private / f"{city}.ids.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as disk:
        return dict(disk.execute("SELECT post_key, media_id FROM ids").fetchall())
