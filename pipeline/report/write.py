"""Writes the files of a report to disk, and finds the study that stands beside it.

Law: a reader sees the old report until all of the new one is flushed to the disk; `report.json` comes last and names
the digest of every other file, so that a report that is half old, half new, cut or edited is detected.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.report.content import Study
from pipeline.store import Store
from pipeline.store.digests import bytes_digest, file_digest
from pipeline.store.files import PREFIX, remove_dead, replacing, temporary_folder

JSON_NAME = "report.json"


def write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` in place of the report in `folder`, the last of them last; other files named `report*` go.

    Raises:
        OSError: the disk is full or read-only; the message names the path and the bytes needed.
    """
    num_bytes = sum(map(len, files.values()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_dead(folder.glob(f"{PREFIX}*"))
        with temporary_folder(folder) as staging:
            for name, data in files.items():
                with replacing(staging / name) as path:
                    path.write_bytes(data)
            for name in files:
                (staging / name).replace(folder / name)
            _forget_others(folder, files)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {num_bytes} bytes to {folder}: {error.strerror}") from error


def file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """The digests of the other files, which `report.json` holds."""
    return {name: bytes_digest(data) for name, data in files.items()}


def is_untouched(folder: Path, json_digest: str) -> bool:
    """Whether `report.json` has this digest and every file of the report is as it says."""
    path = folder / JSON_NAME
    if not path.is_file() or file_digest(path) != json_digest:
        return False
    digests = file_digests_of(folder)
    return all((folder / name).is_file() and file_digest(folder / name) == digest for name, digest in digests.items())


def file_digests_of(folder: Path) -> dict[str, str]:
    """The digests of the other files as the `report.json` of a folder has them; none where it cannot be read."""
    try:
        digests: dict[str, str] = json.loads((folder / JSON_NAME).read_bytes())["files"]
        return dict(digests)
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _forget_others(folder: Path, files: Mapping[str, bytes]) -> None:
    """Remove pictures of an earlier report that this one does not have."""
    for path in folder.glob("report*"):
        if path.name not in files:
            path.unlink()


STUDY_JSON, STUDY_PAGE = "study.json", "study.html"


def find_study(store: Store, city: str) -> Study | None:
    """The study's page, None where there is none."""
    folder = store.report_folder(city)
    is_there = (folder / STUDY_JSON).is_file() and (folder / STUDY_PAGE).is_file()
    return Study(page=STUDY_PAGE) if is_there else None


def study_input(store: Store, city: str) -> str:
    """What of the study the report depends on: whether it is there."""
    return "" if find_study(store, city) is None else STUDY_PAGE
