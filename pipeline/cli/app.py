"""The command line `mrlf`: the same stages that Dagster runs, one city at a time.

Law: a module of commands imports what it works with inside its commands, so that help comes at once.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.collect import collect, pois
from pipeline.cli.doctor import doctor, opt_out
from pipeline.cli.errors import plain_errors
from pipeline.cli.images import images
from pipeline.cli.predict import export, predict, serve
from pipeline.cli.study import study
from pipeline.cli.weights import weights
from pipeline.errors import StageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a city's name to a trained model that predicts where a single social post was made.",
)


@app.callback()
def _log() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("mrlf").setLevel(logging.INFO)


@app.command()
def run(
    city: CityArgument,
    to: Annotated[str, typer.Option(help="The last stage to build.")] = "evaluate_mrlf",
    only: Annotated[str | None, typer.Option(help="Build this stage alone.")] = None,
) -> None:
    """Build a city's stages in order, reusing those up to date.

    Examples:

        mrlf run demo

        mrlf run demo --to dataset

        mrlf run melbourne --only curated_posts
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.stages import STAGES, run_stage_of
        from pipeline.store import Store

        store, known = Store.open(), load_city(city)
        chosen = _chosen(to, only, list(STAGES))
        for name in chosen:
            known.settings(name, STAGES[name].settings)  # before any work: a wrong one is reported now
        expire_answers(store, datetime.now(UTC))
        for name in chosen:
            report = run_stage_of(store, known, name)
            for note in report.record.notes:
                typer.echo(f"  note: {note}", err=True)
        typer.echo(str(store.report_folder(city) / "report.html") if not only and to == "evaluate_mrlf" else "done")


@app.command()
def status(city: CityArgument) -> None:
    """Show the state of a city's stages and of its collection.

    Each stage with its counts and when it was last built, and how far live collection has come. It can be asked at any
    time, also while a run is under way.

    Example: mrlf status demo
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.cli.collect_text import status_lines, waiting_lines
        from pipeline.cli.keeping import keeping_lines
        from pipeline.collect.instagram.status import live_status
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.collect.waiting import what_waits
        from pipeline.refusals import refusal_of
        from pipeline.stages import STAGES
        from pipeline.store import Store

        store, known, now = Store.open(), load_city(city), datetime.now(UTC)
        expire_answers(store, now)
        for name in STAGES:
            record = store.stage_record(known.key, name)
            if record is None:
                refusal = refusal_of(store, known.key, name)
                is_own = refusal is not None and refusal.stage == name
                typer.echo(f"{name:<16} {f'refused: {refusal.why}' if refusal and is_own else 'not built yet'}")
                continue
            counts = ", ".join(f"{key} {value:,}" for key, value in record.counts.items())
            typer.echo(f"{name:<16} {record.finished_utc}  {counts}")
        for line in keeping_lines(store, known, now):
            typer.echo(line)
        live = live_status(store, known.key, now)
        if known.live is not None or live.has_journal:
            for line in status_lines(live):
                typer.echo(line)
        for line in waiting_lines(known.key, what_waits(store, known, datetime.now(UTC))):
            typer.echo(line)
        report = store.report_folder(known.key) / "report.html"
        if report.is_file():
            typer.echo(f"report: {report}")


@app.command()
def settings(city: CityArgument) -> None:
    """Print all settings of a city as JSON.

    They come from cities.yaml and the defaults. First the settings of its stages, by stage; then `live`, the limits of
    live collection (null where it is off), and the paths that MRLF_CITIES, MRLF_DATA and MRLF_INSTAGRAM_COOKIES name.

    Example: mrlf settings melbourne
    """
    with plain_errors():
        from pipeline.cities import cities_path, load_city
        from pipeline.collect.instagram.cookie_files import cookies_path
        from pipeline.collect.instagram.settings import live_settings
        from pipeline.stages import STAGES
        from pipeline.store.store import data_folder

        known = load_city(city)
        stages = {name: known.settings(name, stage.settings).model_dump(mode="json") for name, stage in STAGES.items()}
        live, cookies = live_settings(known), cookies_path()
        beside = {
            "live": None if live is None else live.model_dump(mode="json"),
            "cities_file": str(cities_path().absolute()),
            "data_folder": str(data_folder()),
            "cookie_file": None if cookies is None else str(cookies.absolute()),
        }
        typer.echo(json.dumps({**stages, **beside}, indent=2, ensure_ascii=False))


@app.command()
def cities() -> None:
    """List the cities of cities.yaml."""
    with plain_errors():
        from pipeline.cities import load_cities

        for key, city in load_cities().items():
            typer.echo(f"{key:<12} {city.name}{' (synthetic)' if city.is_synthetic else ''}")


@app.command()
def verify(city: CityArgument) -> None:
    """Compare every file of the latest data set with its digest.

    Example: mrlf verify demo
    """
    with plain_errors():
        from pipeline.cities import load_city
        from pipeline.release.read import latest_release
        from pipeline.store import Store

        release = latest_release(Store.open(), load_city(city).key, compare_all=True)
        typer.echo(f"{release.manifest.folder}: all {len(release.manifest.files)} files match the manifest")


app.command()(pois)
app.command()(collect)
app.command()(doctor)
app.command()(opt_out)
app.command()(predict)
app.command()(serve)
app.command()(export)
app.command()(study)
app.add_typer(images, name="images")
app.add_typer(weights, name="weights")


def _chosen(to: str, only: str | None, names: list[str]) -> list[str]:
    for name in filter(None, (to, only)):
        if name not in names:
            raise StageError(f"there is no stage {name!r}: take one of {', '.join(names)}")
    return [only] if only else names[: names.index(to) + 1]
