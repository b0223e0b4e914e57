"""The command `mrlf verify`: what lies in the store, compared with what was written."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.errors import plain_errors

if TYPE_CHECKING:
    from pipeline.store import Store

OLD = "it is of an earlier build, and `mrlf run` makes the latest alone: remove its folder if it is not wanted"


def verify(
    city: CityArgument,
    deep: Annotated[bool, typer.Option("--deep", help="Read all of the city, not the data set alone.")] = False,
) -> None:
    """Compare the files of the latest data set with their digests.

    With --deep all of the city: its tables, pictures, data sets, models, records and the files of what was collected.
    A damaged picture is removed. Status 1, and a line for each thing that is not as it was written; `mrlf run CITY`
    then makes it again.

    Examples:

        mrlf verify demo

        mrlf verify demo --deep
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.release.read import latest_release
        from pipeline.store import Store

        store, key = Store.open(), load_city(city).key
        if not deep:
            release = latest_release(store, key, compare_all=True)
            typer.echo(f"{release.manifest.folder}: all {len(release.manifest.files)} files match the manifest")
            return
        num_damaged = 0
        for line in deep_lines(store, key):
            typer.echo(line, err=True)
            num_damaged += 1
        if num_damaged:
            raise typer.Exit(1)
        typer.echo(f"{key}: everything in {store.root} is as it was written")


def deep_lines(store: "Store", city: str) -> Iterator[str]:
    """A line for each thing that is damaged. All is read."""
    from pipeline.records import TABLES

    for name in TABLES:
        try:
            store.tables.check(city, name, is_deep=True)
        except ValueError as error:
            yield str(error)
    yield from _pictures(store, city)
    yield from _records(store, city)
    yield from _folders(store, city)
    yield from _databases(store, city)


def _pictures(store: "Store", city: str) -> Iterator[str]:
    import pyarrow.compute as pc

    from pipeline.collect.post_rules import OK
    from pipeline.lost_pictures import damaged_pictures, lost_sentence
    from pipeline.privacy.named_pictures import values
    from pipeline.store.blobs import Kind
    from pipeline.store.tables import DamagedTableError

    kinds: dict[Kind, tuple[str, str, pc.Expression | None]] = {
        "original": ("images", "digest", pc.field("outcome") == OK),
        "clean": ("clean_images", "clean_digest", None),
    }
    for kind, (table, column, where) in kinds.items():
        try:
            named = values(store, city, table, column, where)
        except DamagedTableError:  # said already
            continue
        lost = damaged_pictures(store, kind, named)
        if lost:
            yield lost_sentence(city, kind, lost, f"which {table} names")


def _records(store: "Store", city: str) -> Iterator[str]:
    """Small files that we keep; reading them says which is damaged."""
    from pipeline.store.kept import read_kept

    for folder in ("stages", "digests"):
        for path in sorted((store.root / folder / city).glob("*.json")):
            if read_kept(path, dict) is None or (folder == "stages" and _is_no_record(store, city, path)):
                yield f"{path} is damaged: `mrlf run {city}` makes it again"


def _is_no_record(store: "Store", city: str, path: Path) -> bool:
    return path != store.verified_path(city) and store.stage_record(city, path.stem) is None


def _folders(store: "Store", city: str) -> Iterator[str]:
    """Data sets and models, the latest and earlier ones; of these what has no manifest was never finished."""
    from pipeline.store.files import IncompleteFolderError, unseal

    latest = {
        parent / record.about[name]
        for stage, name, parent in (
            ("dataset", "version", store.root / "datasets" / city),
            ("train_mrlf", "run", store.root / "models" / "mrlf" / city),
        )
        if (record := store.stage_record(city, stage)) is not None and name in record.about
    }
    there = [*(store.root / "datasets" / city).glob("*/"), *(store.root / "models").glob(f"*/{city}/*/")]
    for folder in sorted({*latest, *there}):
        try:
            manifest = store.manifest(folder) if folder in latest else unseal(folder, OLD)
            if manifest is not None:
                manifest.verify()
            elif folder in latest:
                yield f"{folder} is gone, or its manifest is: `mrlf run {city}` makes it again"
        except IncompleteFolderError as error:
            yield str(error)


def _databases(store: "Store", city: str) -> Iterator[str]:
    """The files of what was collected, and of the ids behind pseudonyms."""
    from pipeline.store.sqlite_files import open_file

    for path in (store.root / "crawl" / f"{city}.sqlite", store.root / "private" / f"{city}.ids.sqlite"):
        if not path.is_file():
            continue
        try:
            with closing(open_file(path)) as file:
                found = file.execute("PRAGMA integrity_check").fetchone()[0]
        except (ValueError, OSError) as error:
            yield str(error)
            continue
        if found != "ok":
            yield f"{path} is damaged ({found}): put a copy of it back"
