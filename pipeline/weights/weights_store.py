"""The store of weights, `data/weights/`: published files by their sha256, and what they were converted into.

    files/<sha256>.<ending>                  as published
    converted/<sha256>.<architecture>.safetensors
    records/<name>.json                      what belongs together, written last
    own.json                                 weights that a person added under a name of their own
Law: nothing is handed out whose digests were not compared in this process; a record is written when all is there.

A stage takes the weights of a file, of the store, downloaded ones, or the built-in way, with a warning.
Law: what a person named is taken or is an error. Only `auto` without a file falls back, it says so once in a process
and does not ask the same addresses again for a while; what is damaged is always an error.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import StageError, did_you_mean
from pipeline.networks import WeightsPolicy, is_left_unasked
from pipeline.progress import log
from pipeline.store import Store
from pipeline.store.digests import bytes_digest
from pipeline.store.files import exclusive_lock
from pipeline.weights.adding import copied_in, entry_of, from_file, recognised
from pipeline.weights.apart import convert_apart
from pipeline.weights.converting import CONVERTER_VERSION, convert
from pipeline.weights.digests import FileDigests, digest_once, read_digests
from pipeline.weights.fetching import WeightsUnavailableError, fetch_part
from pipeline.weights.records import DamagedWeightsError, Record, Records, read_own, write_own
from pipeline.weights.registry import REGISTRY, SHIPPED_FOLDER, WeightsEntry
from pipeline.weights.transfer import TransferLimits, forget

ASK_AGAIN_S = 900.0
_unavailable: dict[tuple[Path, str], tuple[float, str]] = {}
"""when a download was tried in vain in this process, and why it failed"""


@dataclass(frozen=True, kw_only=True)
class Int8:
    """What came of making a network in int8 for a city.

    path: OpenVINO's file, None where it did not pass its gate. sha256: of the network. about: verdict and figures.
    """

    path: Path | None
    sha256: str
    about: str


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """Weights that may be used: their digests were compared.

    path: safetensors in the names of our module; of a network that OpenCV reads the published file.
    weights_sha256: of the file as published. source: that file. int8: the same network in int8, where the settings ask
    for it.
    """

    name: str
    architecture: str
    path: Path
    weights_sha256: str
    source: Path
    int8: Int8 | None = None

    @property
    def int8_path(self) -> Path | None:
        """OpenVINO's file of the network in int8, where it is to be used."""
        return self.int8.path if self.int8 else None

    def recipe(self) -> list[str]:
        """What rows depend on beside the weights: the network in int8, where it is used."""
        return [self.int8.sha256] if self.int8 and self.int8.path else []

    @classmethod
    def shipped(cls, entry: WeightsEntry) -> "WeightsFile":
        """The weights of this entry in the package; who reads them compares their digest."""
        path = SHIPPED_FOLDER / entry.file_name
        return cls(
            name=entry.name, architecture=entry.architecture, path=path, weights_sha256=str(entry.sha256), source=path
        )

    def read(self) -> bytes:
        """What is at `path`, for a reader that takes the published file as it is.

        Raises:
            StageError: it is not the file that was chosen, or gone.
        """
        is_shipped = self.path.parent == SHIPPED_FOLDER
        advice = (
            "install this program again" if is_shipped else f"fetch it again with `mrlf weights fetch {self.name}`"
        )
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise StageError(f"{self.path} cannot be read ({error.strerror}): {advice}") from error
        if (actual := bytes_digest(data)) != self.weights_sha256:
            raise StageError(f"{self.path} has the sha256 {actual}, not {self.weights_sha256}: {advice}")
        return data


class WeightsStore:
    """The weights of one store."""

    def __init__(
        self, folder: Path, *, registry: Mapping[str, WeightsEntry] | None = None, limits: TransferLimits | None = None
    ) -> None:
        self.folder = folder
        self.registry = REGISTRY if registry is None else registry
        self.limits = limits or TransferLimits()
        self.own_path = folder / "own.json"
        self._records = Records(folder / "records")

    @classmethod
    def of(cls, store: Store) -> "WeightsStore":
        """The weights that lie in a store."""
        return cls(store.root / "weights")

    def entries(self) -> dict[str, WeightsEntry]:
        """All weights that can be named: the shipped ones, then the person's own, by name."""
        own = read_own(self.own_path)
        return {**self.registry, **{name: entry for name, entry in own.items() if name not in self.registry}}

    def entry(self, name: str) -> WeightsEntry:
        """The entry of this name.

        Raises:
            StageError: there is none, or the name is both a shipped and an own one.
        """
        if name in self.registry and name in read_own(self.own_path):
            raise StageError(
                f"{name} is the name of shipped weights and of your own in {self.own_path}: give yours another name"
            )
        entries = self.entries()
        if name not in entries:
            raise StageError(
                f"there are no weights {name!r}{did_you_mean(name, entries)}: take one of {', '.join(entries)}"
            )
        return entries[name]

    def find(self, name: str) -> WeightsFile | None:
        """The weights of this name, their digests compared; None where they are not here.

        Raises:
            DamagedWeightsError: a file is not what its record states.
        """
        entry = self.entry(name)
        record = self._records.read(name)
        if record is None or record.published != entry.digest:  # this version of the program wants another file
            return WeightsFile.shipped(entry) if entry.is_shipped else None
        self._check(record)
        if record.converter != CONVERTER_VERSION:
            log.info("%s is converted again, by this version of the program", name)
            record = self._convert(name, entry, self._absolute(record.source), record.sha256, record.num_bytes)
        return self._file(record)

    def fetch(self, name: str) -> WeightsFile:
        """The weights of this name: from the store, else downloaded and converted; what is damaged is mended.

        Raises:
            WeightsUnavailableError: no address gave the file.
            StageError: the disk is full, or another process has been at the same file for too long.
        """
        entry = self.entry(name)
        with self._lock(entry):
            try:
                if found := self.find(name):
                    return found
            except DamagedWeightsError as damage:
                log.warning("%s", damage)
            if source := self._whole_source(entry):
                return self._file(self._convert(name, entry, source, digest_once(source), source.stat().st_size))
            part = self.folder / f"{entry.file_name}.part"
            found_digests = fetch_part(entry, part, self.limits)
            return self._keep(entry, part, found_digests)

    def use_file(self, path: Path, name: str) -> WeightsFile:
        """A file that the settings name, in place of the weights `name`; it stays where it is.

        Its name is that of the entry it is, or says that it is the person's own.

        Raises:
            StageError: it is missing, damaged or of another architecture.
        """
        architecture, path = self.entry(name).architecture, path.absolute()
        if not path.is_file():
            raise StageError(f"there is no file {path}, which the settings name as weights_file")
        digests = read_digests(path)
        known = recognised(digests, self.entries())
        if known is not None and known.architecture != architecture:
            raise StageError(f"{path} is {known.name}, weights of {known.architecture} and not of {architecture}")
        entry = known or from_file(self.entry(name), digests)
        if known is None:
            log.warning("%s is none of the published weights; it is taken as your own %s", path, architecture)
        key = f"{digests.sha256}.{architecture}"
        with self._lock(entry):
            record = self._records.read(key)
            if record is None or record.converter != CONVERTER_VERSION or not self._is_whole(record):
                return self._file(self._convert(key, entry, path, digests.sha256, digests.num_bytes))
        return replace(self._file(record), name=entry.name, source=path)

    def add(self, path: Path, name: str | None = None, architecture: str | None = None) -> WeightsFile:
        """A copy of the file a person brought: known by its digest, or under a name of the person's own.

        Raises:
            StageError: it is not known and no name was given, the name is taken, it cannot be read without running
                it, or it is of another architecture.
        """
        entries = self.entries()
        try:
            with copied_in(path, self.folder) as (copy, digests):
                entry = entry_of(path, digests, entries, name, architecture)
                with self._lock(entry):
                    found = self._keep(entry, copy, digests)
                    if entry.is_own:
                        write_own(self.own_path, {**read_own(self.own_path), entry.name: entry})
                    return found
        except ValueError as error:
            raise StageError(str(error) if str(path) in str(error) else f"{path} is refused: {error}") from error

    def verify(self, name: str) -> Record | None:
        """The record of these weights, every byte of both files compared; None where they are not here.

        Raises:
            DamagedWeightsError: names expected and actual digest, and what to do.
        """
        record = self._records.read(name)
        if record is not None:
            self._check(record, is_once=False)
        return record

    def recorded(self) -> list[str]:
        """The names under which files are here, also of those that the settings name by their path."""
        return self._records.keys()

    def _keep(self, entry: WeightsEntry, file: Path, digests: FileDigests) -> WeightsFile:
        source = self.folder / "files" / f"{digests.sha256}{Path(entry.file_name).suffix}"
        source.parent.mkdir(parents=True, exist_ok=True)
        file.replace(source)
        forget(file)
        try:
            record = self._convert(entry.name, entry, source, digests.sha256, digests.num_bytes)
        except BaseException:  # also Ctrl-C over a file that takes long
            if entry.name not in self.registry:
                source.unlink()
            raise
        log.info("%s is here: %s", entry.name, source)
        return self._file(record)

    def _convert(self, key: str, entry: WeightsEntry, source: Path, sha256: str, num_bytes: int) -> Record:
        target = self.folder / "converted" / f"{sha256}.{entry.architecture}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        converted = (convert_apart if entry.is_own else convert)(source, entry.architecture, target)
        record = Record(
            name=entry.name,
            architecture=entry.architecture,
            published=entry.digest,
            sha256=sha256,
            num_bytes=num_bytes,
            source=self._relative(source),
            converted=self._relative(converted),
            converted_sha256=digest_once(converted),
            converter=CONVERTER_VERSION,
            licence=entry.licence,
            added_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._records.write(key, record)
        return record

    def _file(self, record: Record) -> WeightsFile:
        return WeightsFile(
            name=record.name,
            architecture=record.architecture,
            path=self._absolute(record.converted),
            weights_sha256=record.sha256,
            source=self._absolute(record.source),
        )

    def _check(self, record: Record, *, is_once: bool = True) -> None:
        """Both files against the record; each is read whole unless it was read before in this process."""
        for relative, expected in ((record.source, record.sha256), (record.converted, record.converted_sha256)):
            path = self._absolute(relative)
            if not path.is_file():
                raise DamagedWeightsError(f"{path} of the weights {record.name} is missing: {_mend(record)}")
            actual = digest_once(path) if is_once else read_digests(path).sha256
            if actual != expected:
                raise DamagedWeightsError(
                    f"{path} of the weights {record.name} is damaged and not used: expected sha256 {expected}, got "
                    f"{actual}: {_mend(record)}"
                )

    def _is_whole(self, record: Record) -> bool:
        try:
            self._check(record)
        except DamagedWeightsError as damage:
            log.warning("%s. It is converted again", damage)
            return False
        return True

    def _whole_source(self, entry: WeightsEntry) -> Path | None:
        """The published file, where it is here and whole but was not converted, or badly."""
        folder, suffix = self.folder / "files", Path(entry.file_name).suffix
        paths: Iterable[Path] = (
            folder.glob(f"*{suffix}") if entry.sha256 is None else [folder / f"{entry.sha256}{suffix}"]
        )
        return next((path for path in paths if path.is_file() and entry.matches(read_digests(path))), None)

    def _lock(self, entry: WeightsEntry) -> AbstractContextManager[None]:
        name, longest_s = entry.file_name, self.limits.total_s(entry.num_bytes)
        message = f"another process has been at {name} for more than {longest_s:.0f} s: stop it and try again"
        return exclusive_lock(
            self.folder / "locks" / f"{name}.lock",
            longest_s,
            busy=lambda waited_s: StageError(message),
            waiting=f"another process is at {name}, waiting for it",
        )

    def _absolute(self, relative: str) -> Path:
        return self.folder / relative

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)


def _mend(record: Record) -> str:
    if Path(record.source).is_absolute():
        return "bring the file back; it is converted again when a stage next takes it"
    return f"run `mrlf weights fetch {record.name}`"


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """No published weights: the stage takes its built-in way, and its rows and report say so."""

    why: str


def choose_weights(
    weights_store: WeightsStore, name: str, policy: WeightsPolicy, file: Path | None = None
) -> WeightsFile | Builtin:
    """The weights `name` by this policy: the file that is named, else the store's, else downloaded ones.

    auto: else the built-in way, with a warning. require: else an error. builtin: the built-in way at once.
    Choose once and hand the answer to the workers: each process that chooses may try its own download. Within
    `pipeline.networks.nobody_asked` nothing is downloaded and what is not here is the built-in way.

    Raises:
        StageError: `require` found none; or the file is missing, damaged or of another network.
    """
    if policy == "builtin":
        if file is not None:
            log.warning("weights: builtin was chosen, so the file %s is not used", file)
        return Builtin(why="the settings say weights: builtin")
    if file is not None:
        return weights_store.use_file(file, name)
    if found := _is_here(weights_store, name):
        return found
    if is_left_unasked(name):
        return Builtin(why="no address was asked for weights")
    if policy == "require":
        return _required(weights_store, name)
    return _fetched_or_builtin(weights_store, name)


def _is_here(weights_store: WeightsStore, name: str) -> WeightsFile | None:
    """The weights of this name, or the same ones in another format."""
    others = [entry.name for entry in weights_store.entries().values() if entry.same_as == name]
    return next((found for candidate in (name, *others) if (found := weights_store.find(candidate))), None)


def _required(weights_store: WeightsStore, name: str) -> WeightsFile:
    try:
        return weights_store.fetch(name)
    except WeightsUnavailableError as error:
        raise StageError(f"weights: require was chosen, and {error}. Or choose weights: auto or builtin") from error


def _fetched_or_builtin(weights_store: WeightsStore, name: str) -> WeightsFile | Builtin:
    key = (weights_store.folder, name)
    if key in _unavailable and time.monotonic() - _unavailable[key][0] < ASK_AGAIN_S:
        return Builtin(why=_unavailable[key][1])
    try:
        return weights_store.fetch(name)
    except WeightsUnavailableError as error:
        _unavailable[key] = (time.monotonic(), str(error))
        log.warning("The built-in way takes the place of the network, and its results are worse: %s", error)
        return Builtin(why=str(error))
