"""What the command line says of how long Foursquare's answers are kept, and of what holds their names besides."""

from datetime import datetime
from pathlib import Path

from pipeline.cities import City
from pipeline.cli.collect_text import moment
from pipeline.collect.poi_sources.foursquare_client import KEY_VARIABLE
from pipeline.collect.poi_sources.keeping import (
    FOURSQUARE,
    KeptPois,
    is_to_be_asked,
    keep_hours,
    kept_pois,
    kept_until,
)
from pipeline.store import Store
from pipeline.store.files import IncompleteFolderError

SETTING = "foursquare_keep_hours"


def keeping_lines(store: Store, city: City, now: datetime) -> list[str]:
    """Since when and until when the POIs of a city are kept; nothing if they are not from Foursquare's API."""
    kept = kept_pois(store, city.key)
    if kept is None:
        return []
    lines = [f"  asked            {moment(kept.asked)}, of Foursquare", _until(store, city, kept, now)]
    releases = _releases(store, city.key)
    if releases:
        places = f"data sets {', '.join(releases)}, and the models and reports made of them"
        lines.append(f"  names also in    {places}: nothing there is deleted by age (docs/PRIVACY.md)")
    return lines


def _until(store: Store, city: City, kept: KeptPois, now: datetime) -> str:
    """Until when, and what then."""
    hours = keep_hours(city)
    if is_to_be_asked(store, city.key, hours, now):
        what = "all but the ids is deleted" if not kept.has_content else "all but the ids is to be deleted"
        return f"  expired          {what}; the next build requests them again ({KEY_VARIABLE})"
    if hours is None:
        return f"  kept             for ever ({SETTING}: null): only a contract with Foursquare can allow that"
    then = "then all but the ids is deleted, and the next build requests them again"
    return f"  kept until       {moment(kept_until(kept.asked, hours))} ({SETTING}: {hours:g}): {then}"


def _releases(store: Store, city: str) -> list[str]:
    """The data sets whose classes Foursquare named; an older one does not say who did."""
    folders = sorted((store.root / "datasets" / city).glob("*/"))
    return [folder.name for folder in folders if _source(store, folder) == FOURSQUARE]


def _source(store: Store, folder: Path) -> str:
    """Who named the classes of a data set; "" where the folder is none."""
    try:
        manifest = store.manifest(folder)
    except IncompleteFolderError:
        return FOURSQUARE
    return str(manifest.about.get("pois_source", FOURSQUARE)) if manifest is not None else ""
