"""The command line `mrlf`: the same stages that Dagster runs, one city at a time.

Law: a module of commands imports what it works with inside its commands, so that help comes at once.
"""

import json
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.collect import collect, pois
from pipeline.cli.doctor import doctor, opt_out
from pipeline.cli.environment import misspelt_variables
from pipeline.cli.errors import plain_errors
from pipeline.cli.images import images
from pipeline.cli.init import init
from pipeline.cli.predict import export, predict, serve
from pipeline.cli.streams import streams_of_a_command
from pipeline.cli.study import study
from pipeline.cli.verify import verify
from pipeline.cli.weights import weights
from pipeline.errors import StageError, did_you_mean

if TYPE_CHECKING:
    from pipeline.cities import City
    from pipeline.store import Store


SHOWN_FACTS = ("network", "backbone", "answers", "accuracy", "accuracy/mrlf")
"""Facts of a stage that `status` shows beside its counts: the networks that ran, and who answers."""


class _Commands(typer.Typer):
    """The commands as a process: with streams that are open, and what they said written out at the end."""

    def __call__(self, *words: Any, **how: Any) -> Any:
        with streams_of_a_command():
            return super().__call__(*words, **how)


app = _Commands(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a city's name to a trained model that predicts where a single social post was made.",
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        try:
            typer.echo(f"mrlf {version('mrlf-pipeline')}")
        except PackageNotFoundError:
            typer.echo("mrlf, not installed: this is a checkout alone")
        raise typer.Exit


@app.callback()
def _begin(
    is_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("mrlf").setLevel(logging.INFO)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a script's background: no thread is to hear it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # the engine, which begins to listen, least of all
    for sentence in misspelt_variables(os.environ):
        typer.echo(f"mrlf: {sentence}", err=True)


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
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.stages import STAGES, checked_city, run_stage_of
        from pipeline.store import Store

        known, chosen = checked_city(city), _chosen(to, only, list(STAGES))
        store = Store.open()
        expire_answers(store, datetime.now(UTC))
        told: list[str] = []
        for name in chosen:
            try:
                told = run_stage_of(store, known, name).record.notes
            except StageError as error:
                if str(error) not in told:
                    raise
                raise StageError(f"{city}: {name} is refused for what the last note says") from error
            for note in told:
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
        from pipeline.cli.keeping import keeping_lines
        from pipeline.collect.poi_sources.keeping import expire_answers
        from pipeline.refusals import refusal_of
        from pipeline.stages import STAGES
        from pipeline.store import Store
        from pipeline.store.tables import DamagedTableError

        known, now = load_city(city), datetime.now(UTC)
        store = Store.open()
        expire_answers(store, now)
        for name in STAGES:
            record = store.stage_record(known.key, name)
            if record is None:
                refusal = refusal_of(store, known.key, name)
                is_own = refusal is not None and refusal.stage == name
                typer.echo(f"{name:<16} {f'refused: {refusal.why}' if refusal and is_own else 'not built yet'}")
                continue
            counts = [f"{key} {value:,}" for key, value in record.counts.items()]
            counts += [f"{fact} {record.about[fact]}" for fact in SHOWN_FACTS if fact in record.about]
            typer.echo(f"{name:<16} {record.finished_utc}  {', '.join(counts)}")
        for part in (keeping_lines, _live_lines, _waiting_lines):
            try:
                lines = part(store, known, now)
            except DamagedTableError as error:
                lines = [f"damaged: {error}"]
            for line in lines:
                typer.echo(line)
        if not any(store.stage_record(known.key, name) for name in STAGES):
            typer.echo(f"nothing of {known.key} is in {store.root} yet")
        report = store.report_folder(known.key) / "report.html"
        if report.is_file():
            typer.echo(f"report: {report}")


def _live_lines(store: "Store", city: "City", now: datetime) -> list[str]:
    from pipeline.cli.collect_text import status_lines
    from pipeline.collect.instagram.status import live_status

    live = live_status(store, city.key, now)
    return list(status_lines(live)) if city.live is not None or live.has_journal else []


def _waiting_lines(store: "Store", city: "City", now: datetime) -> list[str]:
    from pipeline.cli.collect_text import waiting_lines
    from pipeline.collect.waiting import what_waits

    return list(waiting_lines(city.key, what_waits(store, city, now)))


@app.command()
def settings(city: CityArgument) -> None:
    """Print all settings of a city as JSON.

    They come from cities.yaml and the defaults. First the settings of its stages, by stage, those of train_mrlf with
    the preset's numbers: by preset where that depends on a data set that is not there yet. Then `live`, the limits of
    live collection (null where it is off), and the paths that MRLF_CITIES, MRLF_DATA and MRLF_INSTAGRAM_COOKIES name.

    Example: mrlf settings melbourne
    """
    with plain_errors():
        from pipeline.cities import cities_path
        from pipeline.collect.instagram.cookie_files import cookies_path
        from pipeline.collect.instagram.settings import live_settings
        from pipeline.settings_shown import settings_in_effect
        from pipeline.stages import checked_city
        from pipeline.store.store import data_folder

        known = checked_city(city)
        stages = settings_in_effect(known)
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
    """List the cities of cities.yaml, with what is wrong there."""
    with plain_errors():
        from pipeline.stages import checked_cities

        known = checked_cities().readable()
        for key in known.keys:
            city = known.usable.get(key)
            synthetic = " (synthetic)" if city is not None and city.is_synthetic else ""
            typer.echo(f"{key:<12} {known.unusable[key] if city is None else city.name + synthetic}")
        for fault in known.faults:
            typer.echo(f"mrlf: {fault}", err=True)


app.command()(init)
app.command()(verify)
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
    for name in (to, *([] if only is None else [only])):  # "" is none: of a script whose variable is empty
        if name not in names:
            raise StageError(f"there is no stage {name!r}{did_you_mean(name, names)}: take one of {', '.join(names)}")
    return names[: names.index(to) + 1] if only is None else [only]
