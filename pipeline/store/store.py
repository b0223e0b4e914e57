"""The store: all state of the pipeline under one root, mode 0700; its files are 0600 whatever the umask."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.cities import CITIES_NAME
from pipeline.errors import StageBusyError
from pipeline.records import LEDGER_TABLES
from pipeline.store.blobs import Blobs, Kind
from pipeline.store.files import Manifest, exclusive_lock, keep_private, shared_lock, unseal
from pipeline.store.kept import read_kept, write_kept
from pipeline.store.tables import Tables

DATA_VARIABLE = "MRLF_DATA"
_MISREAD = re.compile(r"[\[\]\\|^\x01-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")
"""What the tables' library takes for a part of an address in the path of a table, through links and in any form."""
_SIGNED = re.compile(r"number \d+, since [\d :-]+ UTC, ")
VERIFIED = "verified"
"""A file beside the records of stages that is none."""
HAS_PICTURES: dict[str, Kind] = {"posts": "original", "clean_images": "clean", "dataset": "clean"}
"""Stages that have pictures in hand which no table or release names yet, or names no more."""


log = logging.getLogger("mrlf")


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What the last complete run of a stage left: equal `digest` and untouched outputs mean there is nothing to do.

    inputs: the digests of what it read, by name; none in records of older versions.
    """

    stage: str
    digest: str
    outputs: dict[str, str]
    versions: dict[str, int | None]
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    finished_utc: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


def data_folder(root: str | None = None) -> Path:
    """The folder `root`, else that which `MRLF_DATA` names, by default `./data`; it need not be there yet.

    Raises:
        ValueError: it is no folder of this machine, or can hold no tables.
    """
    root = os.path.expanduser(root or os.environ.get(DATA_VARIABLE) or "data")  # no shell has read it in a .env file
    if "://" in root:
        raise ValueError(f"{DATA_VARIABLE}={root}: only a folder of this machine can hold the data so far")
    folder = str(Path(root).resolve())
    misread = sorted(set(_MISREAD.findall(folder)))
    if misread:
        signs = ", ".join(map(ascii, misread))
        raise ValueError(
            f"no data can lie in {folder!r}: the tables' library misreads {signs} in the path of a folder; rename the "
            f"folder or name another as {DATA_VARIABLE}"
        )
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ValueError(f"{folder} is no folder: name the folder of the data with {DATA_VARIABLE}")
    return Path(root).absolute()


class Store:
    """Tables, pictures, releases, model runs and the records of stages of all cities."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        keep_private()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # on a disk that is read only, or of another user: it can be looked at all the same
            self.root.chmod(0o700)
        self.tables = Tables(self.root / "tables")
        self.blobs = Blobs(self.root / "blobs")

    @classmethod
    def open(cls, root: str | None = None) -> "Store":
        """The store at `root`, else at `MRLF_DATA`, by default `./data`.

        Raises:
            ValueError: it is no folder of this machine, or can hold no tables; or none was named, and the folder one
                is in has no data and no cities.yaml, so that it is no project.
        """
        folder = data_folder(root)
        is_named = bool(root or os.environ.get(DATA_VARIABLE))
        if not is_named and not folder.exists() and not Path(CITIES_NAME).is_file():
            raise ValueError(
                f"there is no {folder}, and no {CITIES_NAME} beside it that would make this a project's folder: go to "
                f"that folder, begin a project here with `mrlf init`, or name the folder of the data with "
                f"{DATA_VARIABLE}"
            )
        return cls(folder)

    @property
    def private(self) -> Path:
        """The folder of secrets, never read by an export."""
        folder = self.root / "private"
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def dataset_folder(self, city: str, version: str) -> Path:
        """Where a release lies."""
        return self.root / "datasets" / city / version

    def run_folder(self, model: str, city: str, run: str) -> Path:
        """Where a trained model lies."""
        return self.root / "models" / model / city / run

    def report_folder(self, city: str) -> Path:
        """Where the evaluation report of a city lies."""
        return self.root / "reports" / city

    def study_folder(self, city: str) -> Path:
        """Where the cells of a city's study lie."""
        return self.root / "study" / city

    def manifest(self, folder: Path) -> Manifest | None:
        """The manifest of a complete release or model run, None where it is not complete.

        Raises:
            IncompleteFolderError: it is damaged.
        """
        is_ours = folder.is_relative_to(self.root)
        return unseal(folder, f"`mrlf run {folder.parent.name}` makes it again") if is_ours else unseal(folder)

    def stage_record(self, city: str, stage: str) -> StageRecord | None:
        """The record of the last complete run of a stage, None where it never ran to its end or it is damaged."""
        return read_kept(self._record_path(city, stage), _record)

    def stage_records(self, city: str) -> list[StageRecord]:
        """The records of a city's stages that are whole."""
        paths = sorted((self.root / "stages" / city).glob("*.json"))
        records = (self.stage_record(city, path.stem) for path in paths if path != self.verified_path(city))
        return [record for record in records if record is not None]

    def write_stage_record(self, city: str, record: StageRecord) -> None:
        """Put the record of a complete run in place of the last one."""
        write_kept(self._record_path(city, record.stage), asdict(record))  # counts keep the order of the stage

    def forget_stage_record(self, city: str, stage: str) -> None:
        """Let a stage run again whatever its digest."""
        self._record_path(city, stage).unlink(missing_ok=True)

    def cities(self) -> list[str]:
        """Every city of which a stage has run to its end."""
        folder = self.root / "stages"
        return sorted(path.name for path in folder.glob("*/"))

    def output_digest(self, city: str, name: str, stage: str) -> str:
        """The content digest of what `stage` wrote to a table: of the ledger's tables its own rows, else all rows.

        Taken from the stage's record, without reading a row, where the table has had no commit since.
        """
        record = self.stage_record(city, stage)
        if record is not None and name in record.versions and record.versions[name] == self.tables.version(city, name):
            return record.outputs[name]
        return self.tables.digest(city, name, stage=stage if name in LEDGER_TABLES else None)

    def mend(self, city: str, name: str) -> bool:
        """Take out of a table what is damaged, so that all stages that wrote to it run again; whether anything was.
        The caller holds the lock of the table's stage.
        """
        odd = self.tables.damage(city, name)
        if not odd:
            return False
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        log.warning("the table %s is damaged (%s%s): made again", self.tables.path(city, name), odd[0], more)
        for record in self.stage_records(city):
            if name in record.outputs:
                self.forget_stage_record(city, record.stage)
        self.tables.mend(city, name)
        return True

    def verified_path(self, city: str) -> Path:
        """Where is kept which files of a release were compared."""
        return self.root / "stages" / city / f"{VERIFIED}.json"

    @contextmanager
    def lock(
        self, city: str, stage: str, timeout_s: float = 0, *, what: str = "", waiting: str = ""
    ) -> Iterator[None]:
        """Hold the one lock of (city, stage); the system frees it when the holder dies. That of a stage that has
        pictures in hand also keeps `no_picture_written` out.

        what: what the other process does, where that is not the building of a stage. waiting: what is logged where it
        is waited for.

        Raises:
            StageBusyError: another process holds it for longer than `timeout_s` seconds; the message says which.
        """
        keep_private()  # somebody may have changed the mask since
        path, kind = self.root / "locks" / f"{city}.{stage}.lock", HAS_PICTURES.get(stage)

        def busy(waited_s: float) -> StageBusyError:
            return StageBusyError(
                f"{what or f'stage {stage} of {city} is being built'} by another process ({_holder(path)}waited "
                f"{waited_s:.0f} s): let it finish, or stop it, and run this again"
            )

        with exclusive_lock(path, timeout_s, busy=busy, waiting=waiting):
            _sign(path)
            with shared_lock(self._pictures_lock(kind)) if kind else nullcontext():
                yield

    def no_picture_written(self, kind: Kind, timeout_s: float = 0) -> AbstractContextManager[None]:
        """Keep every stage of every city from writing pictures of a kind, and from releasing them.

        Raises:
            StageBusyError: one is at it for longer than `timeout_s` seconds.
        """
        message = f"another process is writing {kind} pictures or a release of them"
        return exclusive_lock(self._pictures_lock(kind), timeout_s, busy=lambda waited_s: StageBusyError(message))

    def _pictures_lock(self, kind: Kind) -> Path:
        return self.root / "locks" / f"pictures.{kind}.lock"

    def _record_path(self, city: str, stage: str) -> Path:
        return self.root / "stages" / city / f"{stage}.json"


_RECORDS = TypeAdapter(StageRecord)


def _record(content: Any) -> StageRecord:
    return _RECORDS.validate_python(asdict(StageRecord(**content)))


def _sign(path: Path) -> None:
    """Write into a lock that is held by whom and since when; on a full disk it stays unsigned."""
    with suppress(OSError):
        path.write_text(f"number {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, ")


def _holder(path: Path) -> str:
    """What the holder has written into its lock; "" before it did."""
    try:
        text = path.read_text()
    except OSError:
        return ""
    return text if _SIGNED.fullmatch(text) else ""
