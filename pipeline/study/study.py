"""Stage `study`: the paper's tables and figures on a city's data set, and what the paper leaves out.

Reads  the release, image_features, study_features; study/<city>/cells/
Writes study/<city>/cells/<digest>/; reports/<city>/: study.html (loads nothing), study.md with its figures, study.txt,
       study.json last
Law: a cell is computed once; a broken study goes on where it stopped, a changed setting computes its own rows anew.
What cannot be computed is a row with its reason.
"""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError, did_you_mean
from pipeline.networks import nobody_asked
from pipeline.release.read import latest_release
from pipeline.stage import Outcome, StageReport, run_stage
from pipeline.store import Store
from pipeline.store.digests import bytes_digest, file_digest, json_digest
from pipeline.store.files import write_atomically
from pipeline.study.cells import Cell, CellResult, read_cell
from pipeline.study.content import Study, section_json
from pipeline.study.plan import SECTIONS, PlannedSection, cells_of, plan_study
from pipeline.study.running import Job, default_processes, expected_seconds, run_jobs
from pipeline.study.scoring import Computed, section_of
from pipeline.study.settings import StudySettings
from pipeline.study.study_data import StudyDataSettings, build_released_features, build_study_data, source_of
from pipeline.study.study_render import render
from pipeline.study.variants import needs_study_data, population_of
from pipeline.study.words import findings, section_notes, study_notes, versions
from pipeline.study.work import CellRunner, Machine
from pipeline.training.samples import interval_unit

__all__ = ["STAGE", "StudySettings", "build_study"]

STAGE = "study"
NO_GPU = "not run: it learns from the pixels themselves, which takes a GPU and none is here; ask for it (--fine-tuned)"
SWITCHED_OFF = "not run: fine_tuned is never in the settings of the study"

log = logging.getLogger("mrlf")


def build_study(
    store: Store, city: City, settings: StudySettings, *, only: Iterable[str] = tuple(SECTIONS)
) -> StageReport:
    """Compute the cells of the sections `only` that are not there yet, and write the page of all sections.

    Raises:
        StageError: there is no release or no features, or there is no such section.
    """
    from models.settings.machine import device_for

    chosen = list(only) or list(SECTIONS)
    unknown = sorted(set(chosen) - set(SECTIONS))
    if unknown:
        raise StageError(
            f"the study has no section {', '.join(unknown)}{did_you_mean(unknown[0], SECTIONS)}: take some of "
            f"{', '.join(SECTIONS)}"
        )
    with store.lock(city.key, STAGE):
        _check_features(store, city)
        common = city.settings("curated_posts", CuratedPostsSettings).min_hashtag_count
        sections = plan_study(settings, min_hashtag_count=common, own=latest_release(store, city.key).split)
        wanted = cells_of(sections, chosen)
        log.info("%s study: %s, %d cells: looking which of them stand", city.key, ", ".join(chosen), len(wanted))
        device = device_for(settings.device)
        data_reason = _build_data(store, city, wanted)
        machine = Machine(device=device, num_threads=None if device.startswith("cuda") else 1)
        runner = CellRunner(store, city, machine)
        cells = Cells(runner, settings, data_reason)
        with nobody_asked() as unasked:
            is_all_there = all(map(cells.is_there, wanted))
        if unasked and not is_all_there:
            runner = CellRunner(store, city, machine)
            cells = Cells(runner, settings, data_reason)
        cells.compute(wanted, settings.num_processes or default_processes(device))
        computed = cells.known(cells_of(sections, SECTIONS), wanted)
        return _write(store, city, settings, runner, sections, computed)


def _check_features(store: Store, city: City) -> None:
    """The release's features are by the network that the settings name, shown pictures of the size that they name."""
    latest_release(store, city.key)
    record = store.stage_record(city.key, "image_features")
    with nobody_asked():
        source = source_of(store, city)
    stated = {} if record is None else {name: record.about[name] for name in ("backbone", "weights_sha256")}
    by_source = pc.field("backbone") == source.name
    batches = store.tables.batches(city.key, "image_features", ["recipe"], by_source)
    recipes = {recipe for batch in batches for recipe in batch["recipe"].unique().to_pylist()}
    if stated != {"backbone": source.name, "weights_sha256": source.weights_sha256} or recipes != {source.recipe}:
        raise StageError(
            f"the pictures of {city.key} have no features by {source.name} of these weights, at "
            f"{source.settings.image_size} pixels and precision {source.settings.precision}, yet: "
            f"`mrlf run {city.key} --only image_features`"
        )


def _build_data(store: Store, city: City, wanted: list[Cell]) -> str:
    """Build of study_data what a cell needs; why it could not be built, "" where it was or nothing needs it."""
    from models.candidates import CANDIDATES

    needing = [cell for cell in wanted if _needs_data(cell)]
    settings = city.settings("study_data", StudyDataSettings)
    try:
        if any(population_of(cell.variant) != "release" for cell in needing):
            build_study_data(store, city, settings)
        elif needing:
            backbones = {CANDIDATES[cell.candidate].backbone for cell in needing}
            build_released_features(store, city, [name for name in settings.backbones if name in backbones])
    except StageError as error:
        log.warning("%s study: %s", city.key, error)
        return str(error)
    return ""


def _needs_data(cell: Cell) -> bool:
    from models.candidates import CANDIDATES

    return needs_study_data(cell.variant, CANDIDATES[cell.candidate].backbone)


class Cells:
    """The cells of a study: their digests, which of them stand, and why others do not."""

    def __init__(self, runner: CellRunner, settings: StudySettings, data_reason: str) -> None:
        self._runner, self._settings, self._data_reason = runner, settings, data_reason
        self._digests: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._failed: Mapping[str, str] = {}

    def is_there(self, cell: Cell) -> bool:
        """Whether it stands, or is not computed here."""
        digest = self._digest(cell)
        return digest is not None and (
            read_cell(self._runner.folder(digest)) is not None or bool(self._hindrance(cell))
        )

    def compute(self, wanted: list[Cell], num_processes: int) -> None:
        """Compute the cells that do not stand yet."""
        jobs: dict[str, Job] = {}
        num_standing = 0
        num_train = len(self._runner.data.populations["release"])
        for cell in wanted:
            digest = self._digest(cell)
            if digest is not None and read_cell(self._runner.folder(digest)) is not None:
                num_standing += 1
                continue
            if digest is None or self._hindrance(cell):
                continue
            jobs.setdefault(digest, Job(cell=cell, digest=digest, seconds=expected_seconds(cell, num_train)))
        minutes = sum(job.seconds for job in jobs.values()) / num_processes / 60
        guess = f", about {max(1, round(minutes))} min on an idle machine" if jobs else ""
        log.info("%s study: %d cells to compute, %d stand%s", self._runner.city.key, len(jobs), num_standing, guess)
        self._failed = run_jobs(
            self._runner.store, self._runner.city, list(jobs.values()), self._runner.machine, num_processes
        )

    def known(self, cells: list[Cell], wanted: list[Cell]) -> Computed:
        """What stands of all cells, and why the others of those that were asked for do not."""
        results: dict[str, CellResult] = {}
        for cell in cells:
            digest = self._digest(cell)
            found = read_cell(self._runner.folder(digest)) if digest is not None else None
            if found is not None:
                results[cell.identity] = found
            elif reason := self._hindrance(cell) or self._failed.get(digest or "", ""):
                self._reasons[cell.identity] = reason
        asked = {cell.identity for cell in wanted}
        reasons = {identity: reason for identity, reason in self._reasons.items() if identity in asked}
        return Computed(
            results=results,
            reasons=reasons,
            num_resamples=self._settings.num_resamples,
            city=self._runner.city.key,
        )

    def _digest(self, cell: Cell) -> str | None:
        """The digest, None where its data or weights are not to be had, which is its reason."""
        if cell.identity not in self._digests and cell.identity not in self._reasons:
            try:
                self._digests[cell.identity] = self._runner.digest(cell)
            except ValueError as error:
                is_of_data = self._data_reason and _needs_data(cell)
                self._reasons[cell.identity] = self._data_reason if is_of_data else str(error)
        return self._digests.get(cell.identity)

    def _hindrance(self, cell: Cell) -> str:
        """Why a cell is not computed here although it could be; one that stands from another run is shown."""
        from models.candidates import CANDIDATES

        if not CANDIDATES[cell.candidate].needs_pixels or self._settings.fine_tuned == "always":
            return ""
        if self._settings.fine_tuned == "never":
            return SWITCHED_OFF
        return "" if self._runner.machine.device.startswith("cuda") else NO_GPU


def _write(
    store: Store,
    city: City,
    settings: StudySettings,
    runner: CellRunner,
    sections: list[PlannedSection],
    computed: Computed,
) -> StageReport:
    """The page, unless this very page stands already."""
    scores = {
        key: [result.about["features"], bytes_digest(str(result.about["scores"]).encode())]
        for key, result in computed.results.items()
    }
    inputs = {
        "release": runner.data.release.version,
        "cells": json_digest(scores),
        "missing": json_digest(computed.reasons),
        "rows": json_digest([section_json(dataclasses.asdict(section)) for section in sections]),
    }
    folder, record = store.report_folder(city.key), store.stage_record(city.key, STAGE)
    if record is not None and not _is_untouched(folder, record.about):
        store.forget_stage_record(city.key, STAGE)
    return run_stage(
        store,
        city,
        STAGE,
        code_version=code_digest(build_study),
        settings=settings,
        inputs=inputs,
        is_of_release=True,
        work=partial(_work, folder, settings, runner, sections, computed),
    )


def _is_untouched(folder: Path, about: Mapping[str, str]) -> bool:
    files = {name.removeprefix("sha256/"): digest for name, digest in about.items() if name.startswith("sha256/")}
    return bool(files) and all(
        (folder / name).is_file() and file_digest(folder / name) == digest for name, digest in files.items()
    )


def _work(
    folder: Path, settings: StudySettings, runner: CellRunner, sections: list[PlannedSection], computed: Computed
) -> Outcome:
    release = runner.data.release
    filled = [section_of(section, computed, section_notes(section.key, runner.data)) for section in sections]
    study = Study(
        city=runner.city.key,
        city_name=release.city_name,
        is_synthetic=release.is_synthetic,
        num_seeds=settings.num_seeds,
        num_resamples=settings.num_resamples,
        split=release.split,
        unit=interval_unit(release),
        num_posts=release.posts.num_rows,
        num_users=len(set(release.posts["user_key"].to_pylist())),
        num_classes=len(release.labels),
        findings=findings(filled, num_classes=len(release.labels)),
        notes=study_notes(settings, filled),
        sections=filled,
        versions=versions(runner),
    )
    files = render(study)
    for left in folder.glob("study-*.png"):
        if left.name not in files:
            left.unlink()
    for name, data in files.items():
        write_atomically(folder / name, data)
    rows = [row for section in filled for row in section.rows]
    missing = sum(row.figures is None for row in rows)
    return Outcome(
        counts={"cells": len(computed.results), "rows": len(rows) - missing, "rows_without_figures": missing},
        notes=study.findings,
        about={f"sha256/{name}": bytes_digest(data) for name, data in files.items()},
    )
