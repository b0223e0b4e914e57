"""Write the demo city's folder, once: an archive, a file of POIs, and `demo.json`, which says what it was made from.

Law: the folder appears under its name complete or not at all; what a killed writer left is taken away by the next.
The caller sees to it that no two write the same folder at once.
"""

import csv
import json
import logging
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.demo.places import PLACES
from pipeline.demo.posts import FIRST_DAY, DemoPlan, plan_city
from pipeline.demo.settings import GENERATOR_VERSION, DemoSettings
from pipeline.errors import StageError

log = logging.getLogger("mrlf")

DESCRIPTION = "demo.json"
LOG_EVERY = 500
POI_COLUMNS = (
    "fsq_place_id",
    "name",
    "latitude",
    "longitude",
    "category_ids",
    "category_name",
    "semantic_label",
    "popularity",
)


@dataclass(frozen=True, kw_only=True)
class DemoCity:
    """Where a demo city lies: an archive of Instaloader's files, and a CSV file of POIs."""

    archive: Path
    pois_file: Path


def write_demo_city(
    folder: Path, settings: DemoSettings, *, centre: tuple[float, float], radius_km: float
) -> DemoCity:
    """The demo city of these settings in `folder`; one that is there already is left as it is.

    centre: latitude and longitude in degrees.

    Raises:
        StageError: `folder` holds something that is no demo city.
    """
    description = _description(settings, centre, radius_km)
    city = DemoCity(archive=folder / "archive", pois_file=folder / "pois.csv")
    partial, old = (folder.with_name(f".{folder.name}.{end}") for end in ("partial", "old"))
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    if _read_description(folder) == description:
        return city
    _refuse_foreign(folder)
    plan = plan_city(settings, centre=centre, radius_km=radius_km)
    _write(partial, plan, settings, description)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return city


def read_plan(folder: Path) -> tuple[DemoSettings, DemoPlan] | None:
    """What the demo city in `folder` was made from; None where none of this generator's version lies there."""
    description = _read_description(folder)
    if not isinstance(description, dict) or description.get("generator_version") != GENERATOR_VERSION:
        return None
    settings = DemoSettings.model_validate(description["settings"])
    return settings, plan_city(settings, centre=tuple(description["centre"]), radius_km=description["radius_km"])


def poi_id(place: int) -> str:
    """An id that looks like Foursquare's and begins like `demo`."""
    return f"de30{sha256(PLACES[place].name.encode()).hexdigest()[:20]}"


def _description(settings: DemoSettings, centre: tuple[float, float], radius_km: float) -> dict[str, Any]:
    written = settings.model_dump(mode="json")
    if not settings.interaction:
        del written["interaction"]  # a city without it is that of before the setting was there
    return {
        "what": "a synthetic city: no person, post or place in it is real",
        "generator_version": GENERATOR_VERSION,
        "settings": written,
        "centre": list(centre),
        "radius_km": radius_km,
    }


def _read_description(folder: Path) -> Any:
    try:
        return json.loads((folder / DESCRIPTION).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not (folder / DESCRIPTION).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise StageError(
            f"{folder} holds something that is no demo city (it has no {DESCRIPTION}): "
            "move it away, or name another folder for the demo city"
        )


def _write(folder: Path, plan: DemoPlan, settings: DemoSettings, description: dict[str, Any]) -> None:
    from tqdm import tqdm

    from pipeline.demo.archive import write_archive

    folder.mkdir(parents=True)
    log.info("writing the demo city: %d posts about %d invented places", len(plan.posts), len(plan.coordinates))
    posts = write_archive(folder / "archive", plan, settings.image_side)
    shown = tqdm(posts, total=len(plan.posts), desc="demo city", unit="post", disable=None)
    for count, _ in enumerate(shown, start=1):
        if count % LOG_EVERY == 0:
            log.info("demo city: %d of %d posts written", count, len(plan.posts))
    _write_pois(folder / "pois.csv", plan)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
    for path in (folder / "pois.csv", folder / DESCRIPTION, folder):
        os.utime(path, (FIRST_DAY.timestamp(), FIRST_DAY.timestamp()))


def _write_pois(path: Path, plan: DemoPlan) -> None:
    counts = [sum(post.location.place == place for post in plan.posts) for place in range(len(plan.coordinates))]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(POI_COLUMNS)
        for index, (latitude, longitude) in enumerate(plan.coordinates):
            place = PLACES[index]
            category_id = f"de30{sha256(place.category_name.encode()).hexdigest()[:20]}"
            popularity = round(counts[index] / max(counts), 4)
            table.writerow(
                [
                    poi_id(index),
                    place.name,
                    latitude,
                    longitude,
                    category_id,
                    place.category_name,
                    place.semantic_label,
                    popularity,
                ]
            )
