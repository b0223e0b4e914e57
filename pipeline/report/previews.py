"""Small figures for the Dagster UI: each a PNG under 200 KB, also where there is little or nothing to show; and the
report's first page.

Law: no text of a user and no picture of one.
"""

import re
from base64 import b64encode
from collections import Counter

import pyarrow.parquet as pq

from pipeline.errors import StageError
from pipeline.release.read import latest_release
from pipeline.report.content import Epoch
from pipeline.report.figures import PREVIEW_DPI, class_histogram, message, training_curve
from pipeline.report.maps import MapPoint, preview_map
from pipeline.store import Store
from pipeline.training.train_mrlf import latest_run

NUM_SHOWN_PARTS = 3
"""Of the report: its summary, the comparison with simpler models, and which input matters. The others name places and
show captions."""
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+\.png)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\([^)]+\)")


def report_summary(store: Store, city: str) -> str:
    """The first parts of a city's report in Markdown, with their charts in it, and where the whole report lies."""
    folder = store.report_folder(city)
    parts = (folder / "report.md").read_text().split("\n## ")[:NUM_SHOWN_PARTS]
    text = LINK.sub(r"\1", "\n## ".join(parts))  # what a link leads to lies beside the report

    def embedded(found: re.Match[str]) -> str:
        return f"![{found[1]}](data:image/png;base64,{b64encode((folder / found[2]).read_bytes()).decode()})"

    return f"{PICTURE.sub(embedded, text)}\n\nThe whole report: `{folder / 'report.html'}`\n"


def poi_map_png(store: Store, city: str) -> bytes:
    """The city's POIs, but those of which only the id is kept; a ring's area is its number of posts."""
    known = [poi for poi in store.tables.read(city, "pois").to_pylist() if poi["rank"]]
    pois = sorted(known, key=lambda poi: (poi["rank"], poi["poi_id"]))
    posts = Counter(store.tables.read(city, "posts")["poi_id"].to_pylist())
    points = [
        MapPoint(
            number=number,
            name=poi["name"],
            latitude=poi["latitude"],
            longitude=poi["longitude"],
            num_posts=posts[poi["poi_id"]],
        )
        for number, poi in enumerate(pois, start=1)
    ]
    return preview_map(points)


def class_histogram_png(store: Store, city: str) -> bytes:
    """Posts per place: of the release where there is one, else of the curated posts."""
    try:
        release = latest_release(store, city)
    except StageError:
        names = {poi["poi_id"]: poi["name"] for poi in store.tables.read(city, "pois").to_pylist()}
        counted = Counter(store.tables.read(city, "curated_posts")["poi_id"].to_pylist())
        posts = [(names.get(poi_id, "?"), count) for poi_id, count in counted.items()]
        return class_histogram(posts, title="posts per place after curation")
    posts = [(label["name"], label["num_posts"]) for label in release.labels]
    return class_histogram(posts, title="posts per place in the release")


def training_curve_png(store: Store, city: str) -> bytes:
    """Loss and accuracy of the latest run over its epochs."""
    try:
        run = latest_run(store, city)
    except StageError:
        return message("no model was trained yet")
    names = list(Epoch.__dataclass_fields__)
    rows = pq.read_table(run.folder / "history.parquet", columns=names).to_pylist()
    return training_curve([Epoch(**row) for row in rows], int(run.about["best_epoch"]), dpi=PREVIEW_DPI)
