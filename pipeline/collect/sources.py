"""Where a city's POIs and posts come from: files that somebody has, Instagram, or a synthetic city's generator."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pipeline.cities import City, CityError, Settings
from pipeline.collect.archive.folder import Archive
from pipeline.errors import StageError
from pipeline.store import Store
from pipeline.store.files import naming
from pipeline.wrong_values import error_summary

if TYPE_CHECKING:
    from pipeline.demo import DemoCity, DemoSettings


class ArchiveSettings(Settings):
    """What the stages that read an archive share."""

    archive: Path | None = Field(
        None,
        description="folder of Instaloader files; by default the one set for the other stages of this city, "
        "else the files of the demo generator",
    )


def journal_path(store: Store, city: str) -> Path:
    """Where the journal of a city's live collection lies; nobody has made it where nothing was collected live."""
    return store.root / "crawl" / f"{city}.sqlite"


def demo_settings(city: City) -> "DemoSettings | None":
    """What a synthetic city is made from; None for every other city.

    Raises:
        CityError: the section `demo` of the city is wrong.
    """
    if city.demo is None:
        return None
    from pipeline.demo.settings import DemoSettings

    try:
        return DemoSettings.model_validate(city.demo)
    except ValidationError as error:
        raise CityError(f"demo settings of city {city.key}: {error_summary(error, DemoSettings)}") from None


def demo_city(store: Store, city: City) -> "DemoCity | None":
    """The files of a synthetic city, written where they are missing; None for every other city.

    Raises:
        CityError: the section `demo` of the city is wrong.
    """
    settings = demo_settings(city)
    if settings is None:
        return None
    from pipeline.demo import write_demo_city

    with store.lock(city.key, "demo", timeout_s=600), naming(demo_folder(store, city)):
        return write_demo_city(
            demo_folder(store, city), settings, centre=(city.latitude, city.longitude), radius_km=city.radius_km
        )


def demo_folder(store: Store, city: City) -> Path:
    """Where the files of a synthetic city lie once they are written."""
    return store.root / "archives" / city.key


def archive_or_live(store: Store, city: City, settings: ArchiveSettings) -> Archive | None:
    """The archive of a city's posts, listed; None for a city that is collected live and has none.

    Raises:
        StageError: the city has neither, or no metadata lies in the archive.
    """
    folder = archive_folder(store, city, settings)
    return Archive.scan(folder) if folder is not None else None


def archive_folder(store: Store, city: City, settings: ArchiveSettings) -> Path | None:
    """The folder of a city's posts; None for a city that is collected live and has none.

    Raises:
        StageError: the city has neither.
    """
    named = settings.archive or archive_in_cities(city)
    if named is not None:
        return named.expanduser()
    demo = demo_city(store, city)
    if demo is not None:
        return demo.archive
    if city.live is not None:
        return None
    raise StageError(
        f"city {city.key} has no source of posts: name a folder of Instaloader files in cities.yaml, under this city "
        "as `posts: {archive: path/to/folder}`, or collect them live with a section `live:` (docs/LIVE.md)"
    )


def archive_in_cities(city: City) -> Path | None:
    """The folder that cities.yaml names for the posts of a city."""
    named = (city.stages.get(stage, {}).get("archive") for stage in ("posts", "places"))
    return next((Path(str(folder)) for folder in named if folder), None)
