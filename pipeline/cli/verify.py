"""The command `mrlf verify`: what lies in the store, compared with what was written."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
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

    With --deep all of the city: its tables, pictures, data sets, models, checkpoints, reports, study, records and
    caches, the files of what was collected, and the weights. A damaged picture is removed, a damaged checkpoint or
    count set aside or removed. Status 1, and a line for each thing that is not as it was written, with what makes it
    again; else what was compared with a digest, and what could only be read.

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
        num_damaged, seen = 0, Seen()
        for line in deep_lines(store, key, seen):
            typer.echo(line, err=True)
            num_damaged += 1
        typer.echo(f"compared with their digests: {_counted(seen.compared)}")
        typer.echo(f"read, as no digest is kept of them: {_counted(seen.read)}")
        if num_damaged:
            raise typer.Exit(1)
        typer.echo(f"{key}: everything in {store.root} is as it was written")


@dataclass
class Seen:
    """How many things of each kind were compared with a digest that is kept of them, and how many only read."""

    compared: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)


def _counted(things: Counter[str]) -> str:
    return ", ".join(f"{kind} {count:,}" for kind, count in things.items() if count) or "none"


def deep_lines(store: "Store", city: str, seen: Seen | None = None) -> Iterator[str]:
    """A line for each thing that is damaged. All is read; what of it is counted in `seen`."""
    seen = seen or Seen()
    for look in (_odd, _tables, _pictures, _records, _folders, _checkpoints, _reports, _counts, _databases, _weights):
        yield from look(store, city, seen)


def _odd(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """What is no file where one of ours belongs, or no folder."""
    from pipeline.store.out_of_place import out_of_place

    try:
        for path in out_of_place(store.root, city):
            yield f"{path} is not what belongs there: `mrlf run {city}` sets it aside and makes that again"
    except ValueError as error:
        yield str(error)


def _tables(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    from pipeline.records import TABLES

    for name in TABLES:
        seen.compared["tables"] += store.tables.path(city, name).exists()
        try:
            store.tables.check(city, name, is_deep=True)
        except ValueError as error:
            yield str(error)


def _pictures(store: "Store", city: str, seen: Seen) -> Iterator[str]:
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
        seen.compared[f"{kind} pictures"] += len(named)
        lost = damaged_pictures(store, kind, named)
        if lost:
            yield lost_sentence(city, kind, lost, f"which {table} names")


def _records(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """Small files that we keep; reading them says which is damaged."""
    from pipeline.store.kept import read_kept

    for folder in ("stages", "digests"):
        for path in _files(store.root / folder / city, "*.json"):
            seen.compared["records"] += 1
            if read_kept(path, dict) is None or (folder == "stages" and _is_no_record(store, city, path)):
                yield f"{path} is damaged: `mrlf run {city}` makes it again"
    of_sweeps = (path for folder in ("swept", "forgotten") for path in _files(store.root / folder, f"{city}.*"))
    for path in (*of_sweeps, *_files(store.root / "refused" / city, "*.json")):
        seen.read["notes of sweeps and refusals"] += 1
        yield from _unreadable(path)


def _is_no_record(store: "Store", city: str, path: Path) -> bool:
    return path != store.verified_path(city) and store.stage_record(city, path.stem) is None


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _unreadable(path: Path) -> Iterator[str]:
    try:
        path.read_bytes()
    except OSError as error:
        yield f"{path} cannot be read ({error.strerror})"


def _folders(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """Data sets, models and cells of the study; of the first two what has no manifest was never finished."""
    from pipeline.store.files import IncompleteFolderError, unseal

    latest = {
        parent / record.about[name]
        for stage, name, parent in (
            ("dataset", "version", store.root / "datasets" / city),
            ("train_mrlf", "run", store.root / "models" / "mrlf" / city),
        )
        if (record := store.stage_record(city, stage)) is not None and name in record.about
    }
    there = {
        "data sets": (store.root / "datasets" / city).glob("[!.]*/"),
        "models": (store.root / "models").glob(f"*/{city}/[!.]*/"),
        "cells of the study": (store.study_folder(city) / "cells").glob("[!.]*/"),
    }
    kinds = {folder: kind for kind, folders in there.items() for folder in folders}
    for folder in sorted({*latest, *kinds}):
        kind = kinds.get(folder, "")
        again = f"`mrlf study {city}` computes it again" if kind == "cells of the study" else OLD
        try:
            manifest = store.manifest(folder) if folder in latest else unseal(folder, again)
            if manifest is not None:
                seen.compared[kind] += 1
                manifest.verify()
            elif folder in latest:
                yield f"{folder} is gone, or its manifest is: `mrlf run {city}` makes it again"
        except IncompleteFolderError as error:
            yield str(error)


def _checkpoints(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """The states that a training goes on from, and the best model of each; with their own digests.

    Every network of an ensemble has its own, and so has each that is trained on validation posts too.
    """
    paths = [
        path
        for folder in (store.root / "models").glob(f"*/{city}/*/checkpoint")
        for path in _files(folder, "**/checkpoint*.safetensors")
    ]
    if not paths:
        return
    from models.trained import load_model
    from models.training.run import REFUSED, checkpoint_damage

    for path in (path for path in paths if path.name != REFUSED):
        seen.compared["checkpoints"] += 1
        if why := checkpoint_damage(path):
            path.replace(path.with_name(REFUSED))
            yield f"{path} is damaged ({why}) and is now called {REFUSED}: a training goes on without it"
    for folder in sorted({path.parent / "best" for path in paths}):
        if folder.is_dir():
            seen.compared["best models beside checkpoints"] += 1
            try:
                load_model(folder)
            except (ValueError, OSError) as error:
                yield f"{folder} is damaged ({error}): no stage reads it, remove it"


def _reports(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """Every file of the report and of the study, with the digests that their records lead to."""
    from pipeline.report.write import JSON_NAME, file_digests_of
    from pipeline.store.digests import file_digest

    folder, digests = store.report_folder(city), dict[str, tuple[str, str]]()
    report, study = (store.stage_record(city, stage) for stage in ("evaluate_mrlf", "study"))
    if report is not None:
        again = f"`mrlf run {city}` makes it again, with its stage evaluate_mrlf"
        stated = {JSON_NAME: report.about.get("report_sha256", ""), **file_digests_of(folder)}
        digests |= {name: (digest, again) for name, digest in stated.items()}
    if study is not None:
        files = {
            name.removeprefix("sha256/"): each for name, each in study.about.items() if name.startswith("sha256/")
        }
        digests |= {name: (digest, f"`mrlf study {city}` makes it again") for name, digest in files.items()}
    for name, (digest, again) in digests.items():
        seen.compared["files of reports"] += 1
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing: {again}"
        elif file_digest(path) != digest:
            yield f"{path} is not as it was written: {again}"


def _counts(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """What face gates find of known faces, of all cities: it is counted again where it is missing."""
    from pipeline.store.kept import read_kept

    for path in _files(store.root / "face_recall", "*.json"):
        seen.compared["counts of faces found"] += 1
        if read_kept(path, list if path.read_bytes()[:1] == b"[" else dict) is None:
            path.unlink()
            yield f"{path} was damaged and is removed: it is counted again where it is next asked for"


def _databases(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """The files of what was collected, and of the ids behind pseudonyms; a list that a person keeps."""
    from pipeline.store.sqlite_files import open_file

    ids = store.root / "private" / f"{city}.ids.sqlite"
    beside = f"or move it away with {ids.name}-wal and {ids.name}-shm: `mrlf run {city}` makes it again of the archive"
    for path in (store.root / "crawl" / f"{city}.sqlite", ids):
        if not path.is_file():
            continue
        seen.read["databases"] += 1
        try:
            with closing(open_file(path)) as file:
                found = file.execute("PRAGMA integrity_check").fetchone()[0]
        except (ValueError, OSError) as error:
            yield str(error)
            continue
        if found != "ok":
            what = f"{path} is damaged ({found.splitlines()[-1]}): put a copy of it back"
            yield f"{what}, {beside}" if path == ids else what
    for path in _files(store.root / "overrules", f"{city}.csv"):
        seen.read["overrule files"] += 1
        yield from _unreadable(path)


def _weights(store: "Store", city: str, seen: Seen) -> Iterator[str]:
    """The weights of all cities, as `mrlf weights verify`; each error says what brings them again."""
    from pipeline.weights import WeightsStore

    if not (store.root / "weights").is_dir():
        return
    weights = WeightsStore.of(store)
    for name in weights.recorded():
        seen.compared["weights"] += 1
        try:
            weights.verify(name)
        except ValueError as error:
            yield str(error)
