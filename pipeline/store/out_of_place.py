"""Files and folders in each other's place: no folder where one of ours belongs, or no file where one does.

Law: it is set aside beside its place and told, never removed, as nobody knows whose it is. What belongs there is then
missing, and its stage makes it again. Where a folder belongs, a link that leads nowhere is a disk that is not mounted:
it stays, and is an error.
Covered: what the store keeps of a city under names of its own. Not covered: single pictures, which `Blobs` looks at as
it reads and writes them; what no stage makes again: the key of the pseudonyms, the journal of a collection, weights.
"""

import logging
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

SET_ASIDE = ".set-aside-"
"""How the new name begins of what lay in the place of something else."""

TOP = (
    "archives|blobs|crawl|datasets|digests|face_recall|forgotten|locks|models|overrules|private|refused|reports|stages|"
    "study|swept|tables|weights"
)
VERSION = "[0-9a-f]{16}"
OF_A_MODEL = r".+\.(json|parquet|safetensors)"
OF_A_CHECKPOINT = r"best|refit|network_[0-9]+"
PLACES = (
    ("", TOP, ""),
    ("blobs", "original|clean", ""),
    ("blobs/*", "[0-9a-f]{2}", ""),
    ("face_recall", "", r".+\.json"),
    ("locks", "", r".+\.lock"),
    ("overrules", "", r"CITY\.csv"),
    ("private", "", r"CITY\.ids\.sqlite"),
    ("swept", "", r"original|clean|tables|CITY\..+"),
    ("forgotten", "", r"CITY\..+"),
    *((name, "CITY", "") for name in ("datasets", "digests", "refused", "reports", "stages", "study", "tables")),
    *((f"{name}/CITY", "", r".+\.json") for name in ("digests", "refused", "stages")),
    ("reports/CITY", "", r"(report|study).*|model_card\.md"),
    ("datasets/CITY", VERSION, ""),
    ("datasets/CITY/*", "", r".+\.(json|parquet|tar)"),
    ("models", "mrlf", ""),
    ("models/mrlf", "CITY", ""),
    ("models/mrlf/CITY", VERSION, ""),
    ("models/mrlf/CITY/*", "checkpoint|linear|tensorboard", OF_A_MODEL),
    ("models/mrlf/CITY/*/linear", "", OF_A_MODEL),
    *((f"models/mrlf/CITY/*/checkpoint{deeper}", OF_A_CHECKPOINT, OF_A_MODEL) for deeper in ("", "/*", "/*/*")),
    ("tables/CITY", "[a-z_]+", ""),
    ("tables/CITY/*", "_delta_log", r".+\.parquet"),
    ("tables/CITY/*/_delta_log", "", r"[0-9]{20}\..+|_last_checkpoint"),
)
"""Folders from the top, with what the folders and the files in them are called."""

log = logging.getLogger("mrlf")


def set_odd_aside(root: Path, city: str) -> None:
    """Rename whatever lies in the place of something of the city, or of the store, and is of another kind.

    Raises:
        ValueError: a link leads nowhere where a folder belongs.
    """
    for path in out_of_place(root, city):
        log.warning("%s, and what belongs there is made again", set_aside(path))


def out_of_place(root: Path, city: str) -> Iterator[Path]:
    """What lies there so, from the top.

    Raises:
        ValueError: a link leads nowhere where a folder belongs.
    """
    for parent, *patterns in PLACES:
        folders, files = (re.compile(pattern.replace("CITY", re.escape(city))) for pattern in patterns)
        for folder in root.glob(parent.replace("CITY", city)) if parent else [root]:
            for entry in _entries(folder):
                if folders.fullmatch(entry.name) and not entry.is_dir():
                    if not os.path.exists(entry.path):
                        raise ValueError(
                            f"{entry.path} is a link that leads nowhere: mount the disk that it leads to, or remove it"
                        )
                    yield Path(entry.path)
                elif files.fullmatch(entry.name) and not entry.is_file():
                    yield Path(entry.path)


def set_aside(path: Path) -> str:
    """Rename what lies at `path`; a sentence that tells it."""
    kinds = {"a folder": path.is_dir(), "a file": path.is_file(), "a link that leads nowhere": not path.exists()}
    kind = next((kind for kind, is_it in kinds.items() if is_it), "neither file nor folder")
    names = (path.with_name(f"{SET_ASIDE}{path.name}-{number}") for number in count(1))
    aside = next(name for name in names if not os.path.lexists(name))
    path.rename(aside)
    return f"{path} was {kind}, which does not belong there: it is set aside as {aside}"


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
