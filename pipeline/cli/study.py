"""The command `mrlf study`: the paper's tables and figures on a city's data set."""

import logging
from typing import Annotated

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.errors import plain_errors

log = logging.getLogger("mrlf")

SECTIONS = "table2, table3, fig2, fig3, fig4, best, leakage, splits, noise"
"""Those of `pipeline.study.plan`, spelt out: reading them there would make help wait for the packages of the study."""


def study(
    city: CityArgument,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Compute only this section; may be repeated: {SECTIONS}.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds per row; a study has at least three.")] = None,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="For a trial: at most so many epochs per network.")
    ] = None,
    fine_tuned: Annotated[
        bool | None,
        typer.Option("--fine-tuned/--no-fine-tuned", help="Train image networks on pixels; by default with a GPU."),
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Worker processes; by default one per core.")] = None,
) -> None:
    """Compute the paper's tables and figures on a city's data.

    These are Table II, Table III and Figures 2 to 4, and what the paper leaves out: masked label words, three kinds of
    splits, incomplete posts. It continues where it was stopped. The tables are printed, and written to study.html,
    .md, .txt and .json beside the city's report. What needs the original pictures (Table III, incomplete posts) is
    computed once and kept; run it before they are deleted.

    Examples:

        mrlf study demo

        mrlf study demo --only table2 --only fig3

        mrlf study melbourne --seeds 5 --fine-tuned
    """
    tuned = None if fine_tuned is None else ("always" if fine_tuned else "never")
    given = {"num_seeds": seeds, "max_epochs": max_epochs, "fine_tuned": tuned, "num_processes": processes}
    with plain_errors():
        log.info("%s study: %s; loading the packages of the study", city, ", ".join(only or ["all sections"]))
        from pipeline.stages import checked_city
        from pipeline.store import Store
        from pipeline.study.settings import StudySettings
        from pipeline.study.study import build_study
        from pipeline.study.study_render import PAGE_NAME, TEXT_NAME

        known, store = checked_city(city), Store.open()
        settings = known.settings("study", StudySettings, given)
        build_study(store, known, settings, only=only or ())
        typer.echo((store.report_folder(city) / TEXT_NAME).read_text())
        typer.echo(str(store.report_folder(city) / PAGE_NAME))
