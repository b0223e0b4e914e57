"""A stage: one step of the pipeline, which runs when something it depends on changed and else is `reused`.

Law: a stage's outputs are committed before its record, so a killed run leaves no record and is run again; a record
counts only while its outputs are the ones it was written for. No stage works on what another has not finished: it is
refused where the other's record is missing, or was written for other outputs or inputs than those that are there.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from pipeline.cities import City, Settings
from pipeline.errors import StageError
from pipeline.networks import nobody_asked
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.digests import stage_digest
from pipeline.store.store import StageRecord

INCOMPLETE = "incomplete: "
"""How a note begins that says what waits for another run."""

log = logging.getLogger("mrlf")

ChoiceT = TypeVar("ChoiceT")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the work of a stage reports: counts, notes for a person, and small facts (versions, networks)."""

    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """What a stage did: `reused` means that its inputs, settings, code and weights were those of the last run."""

    stage: str
    city: str
    digest: str
    is_reused: bool
    record: StageRecord

    @property
    def counts(self) -> dict[str, int]:
        """Rows by kind and drops by reason."""
        return self.record.counts


def table_inputs(store: Store, city: str, tables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The content digests of what stages wrote: pairs (table, stage) -> `table@stage`: sha256.

    Raises:
        DamagedTableError: a table is not as it was written.
    """
    pairs = list(tables)
    for table, _ in pairs:
        store.tables.check(city, table)
    return {f"{table}@{stage}": store.output_digest(city, table, stage) for table, stage in pairs}


def count_values(prefix: str, values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, as `<prefix>/<value>`, in the order of the values."""
    return {f"{prefix}/{value}": count for value, count in sorted(Counter(values).items())}


def require_finished(store: Store, city: str, inputs: Mapping[str, str]) -> None:
    """Compare the records of the stages that wrote `inputs` (as `table_inputs` names them) with the tables, and with
    what the stages before these wrote last.

    Raises:
        StageError: one has not finished, or not run since; what it lacks would be lost on the way.
    """
    for stage in dict.fromkeys(stage for _, stage in map(_table_of, inputs) if stage):
        record = store.stage_record(city, stage)
        if record is None or not _outputs_are_untouched(store, city, record):
            raise StageError(f"the stage {stage} of {city} has not finished: build {stage} first")
        for name, digest in record.inputs.items():
            table, before = _table_of(name)
            last = store.stage_record(city, before) if before else None
            if last is not None and last.outputs.get(table, digest) != digest:
                raise StageError(f"the stage {stage} of {city} has not run since {before} did: build {stage} first")


def _table_of(name: str) -> tuple[str, str]:
    """The table and stage of an input; the stage is "" for one that is no table."""
    table, _, stage = name.partition("@")
    return table, stage


def run_stage(
    store: Store,
    city: City,
    stage: str,
    *,
    code_version: str,
    settings: Settings,
    inputs: Mapping[str, str],
    work: Callable[[], Outcome],
    outputs: tuple[str, ...] = (),
    weights: Mapping[str, str] | None = None,
    is_of_release: bool = False,
) -> StageReport:
    """Run `work` unless the last complete run had the same digest and its outputs are untouched. What is damaged of
    the tables that the stage writes is taken out of them first.

    outputs: the tables the stage writes. is_of_release: it works on what is released, and the tables may have gone on
    since. The caller holds the lock of (city, stage).

    Raises:
        StageError: a stage that wrote an input has not finished.
        DamagedTableError: a table that an earlier stage began is damaged.
    """
    _mend(store, city.key, stage, outputs)
    digest = _digest(city, stage, code_version, settings, inputs, weights or {})
    record = _current_record(store, city.key, stage, digest)
    if record is not None:
        log.info("%s %s: reused, nothing it depends on changed", city.key, stage)
        return StageReport(stage=stage, city=city.key, digest=digest, is_reused=True, record=record)
    if not is_of_release:
        require_finished(store, city.key, inputs)
    outcome = work()
    record = _record(store, city.key, stage, digest, outcome, outputs, inputs)
    store.write_stage_record(city.key, record)
    log.info("%s %s: %s", city.key, stage, _sentence(outcome.counts))
    return StageReport(stage=stage, city=city.key, digest=digest, is_reused=False, record=record)


def run_network_stage(
    store: Store,
    city: City,
    stage: str,
    *,
    code_version: str,
    settings: Settings,
    inputs: Mapping[str, str],
    choose: Callable[[], ChoiceT],
    weights: Callable[[ChoiceT], Mapping[str, str]],
    work: Callable[[ChoiceT], Outcome],
    outputs: tuple[str, ...] = (),
    **how: Any,
) -> StageReport:
    """`run_stage` with the networks that `choose` finds; their addresses are asked only where there is work to do.

    What the built-in way made is reused while the weights are not here: `mrlf weights fetch` brings them.
    how: what else `run_stage` is to be told.
    """
    _mend(store, city.key, stage, outputs)
    with nobody_asked() as unasked:
        choice = choose()
    if unasked:
        digest = _digest(city, stage, code_version, settings, inputs, weights(choice))
        if _current_record(store, city.key, stage, digest) is None:
            choice = choose()
    return run_stage(
        store,
        city,
        stage,
        code_version=code_version,
        settings=settings,
        inputs=inputs,
        weights=weights(choice),
        outputs=outputs,
        work=partial(work, choice),
        **how,
    )


def _mend(store: Store, city: str, stage: str, outputs: tuple[str, ...]) -> None:
    """Begin the stage's own damaged tables anew, and refuse those that an earlier stage began.

    Raises:
        DamagedTableError: the message says which stage makes the table again.
    """
    for name in outputs:
        if TABLES[name].stage == stage:
            store.mend(city, name)
            store.tables.remember(city, name)
        store.tables.check(city, name)


def _digest(
    city: City,
    stage: str,
    code_version: str,
    settings: Settings,
    inputs: Mapping[str, str],
    weights: Mapping[str, str],
) -> str:
    return stage_digest(
        stage=stage,
        city=city.key,
        code_version=code_version,
        settings=settings.model_dump(mode="json", exclude=set(settings.PER_RUN)),
        inputs=inputs,
        weights=weights,
    )


def _current_record(store: Store, city: str, stage: str, digest: str) -> StageRecord | None:
    """The record of the last run, where that had this digest and nobody has touched its outputs since."""
    record = store.stage_record(city, stage)
    if record is not None and _has_lost_outputs(store, city, record):
        store.forget_stage_record(city, stage)  # a table that begins anew comes to the same version again
        return None
    if record is None or record.digest != digest or not _outputs_are_untouched(store, city, record):
        return None
    return record


def _has_lost_outputs(store: Store, city: str, record: StageRecord) -> bool:
    """Whether a table is gone, or is older than its record."""
    for name, version in record.versions.items():
        now = store.tables.version(city, name)
        if version is not None and (now is None or now < version):
            return True
    return False


def _outputs_are_untouched(store: Store, city: str, record: StageRecord) -> bool:
    return all(store.output_digest(city, name, record.stage) == digest for name, digest in record.outputs.items())


def _record(
    store: Store,
    city: str,
    stage: str,
    digest: str,
    outcome: Outcome,
    outputs: tuple[str, ...],
    inputs: Mapping[str, str],
) -> StageRecord:
    return StageRecord(
        stage=stage,
        digest=digest,
        outputs={name: store.output_digest(city, name, stage) for name in outputs},
        inputs=dict(inputs),
        versions={name: store.tables.version(city, name) for name in outputs},
        finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        counts=outcome.counts,
        notes=outcome.notes,
        about=outcome.about,
    )


def _sentence(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "done"
