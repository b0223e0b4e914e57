"""What the store of weights writes down: a record per file, and the list of the person's own weights."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import StageError
from pipeline.store.files import write_atomically
from pipeline.weights.registry import USED_BY, WeightsEntry

OWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class DamagedWeightsError(StageError):
    """A file in the store of weights is not what its record states; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One file: what it is of, as it was published, and what it was converted into.

    source, converted: paths, relative to the store's folder or absolute; equal where the file is used as it is.
    """

    name: str
    architecture: str
    published: str
    sha256: str
    num_bytes: int
    source: str
    converted: str
    converted_sha256: str
    converter: str
    licence: str
    added_utc: str


class Records:
    """The records of a store of weights, JSON files by key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> Record | None:
        """The record, None where there is none.

        Raises:
            DamagedWeightsError: it cannot be read.
        """
        path = self._path(key)
        try:
            return Record(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DamagedWeightsError(
                f"{path} cannot be read ({error}): remove it, and fetch or add the weights {key} again"
            ) from error

    def write(self, key: str, record: Record) -> None:
        """Put a record in place of the last one."""
        write_atomically(self._path(key), json.dumps(asdict(record), indent=1, ensure_ascii=False).encode())

    def keys(self) -> list[str]:
        """All keys."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def read_own(path: Path) -> dict[str, WeightsEntry]:
    """The person's own entries by name.

    Raises:
        StageError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_text())
        return {name: _own_entry(name, fields) for name, fields in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StageError(f"{path} cannot be read ({type(error).__name__}: {error}): mend it or remove it") from error


def write_own(path: Path, entries: Mapping[str, WeightsEntry]) -> None:
    """Write all own entries."""
    content = {
        name: {
            "architecture": entry.architecture,
            "file_name": entry.file_name,
            "sha256": entry.sha256,
            "num_bytes": entry.num_bytes,
        }
        for name, entry in entries.items()
    }
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def own_entry(name: str, architecture: str, file_name: str, sha256: str, num_bytes: int) -> WeightsEntry:
    """An entry that a person made.

    Raises:
        StageError: the name cannot be one.
    """
    if not OWN_NAME.fullmatch(name):
        raise StageError(f"{name!r} cannot be a name of weights: take small letters, digits and _, a letter first")
    return WeightsEntry(
        name=name,
        architecture=architecture,
        file_name=file_name,
        about="your own",
        licence="yours to know",
        used_by=USED_BY.get(architecture, ""),
        sha256=sha256,
        num_bytes=num_bytes,
        is_own=True,
    )


def _own_entry(name: str, fields: Mapping[str, object]) -> WeightsEntry:
    num_bytes = fields["num_bytes"]
    if not isinstance(num_bytes, int):
        raise TypeError(f"num_bytes of {name} is {num_bytes!r}")
    return own_entry(name, str(fields["architecture"]), str(fields["file_name"]), str(fields["sha256"]), num_bytes)
