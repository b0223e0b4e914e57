"""Folders that are written once and never edited: releases and model runs, complete when their manifest is there.

Law: `manifest.json` is written last and names every other file with its sha256 and size. A folder without one does
not exist for a reader; the next writer of the same version takes what a killed one left or begins anew.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.blobs import write_atomically
from pipeline.store.digests import file_digest

MANIFEST = "manifest.json"


class IncompleteFolderError(ValueError):
    """A file that the manifest names is missing, cut or changed."""


@dataclass(frozen=True)
class Manifest:
    """What a folder says of itself: `about` is the writer's, `files` maps names to sha256 and bytes."""

    folder: Path
    about: dict[str, Any]
    files: dict[str, dict[str, Any]]

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare these files with their digests, by default all.

        Raises:
            IncompleteFolderError: names the first file that is missing or differs.
        """
        for name in self.files if names is None else names:
            path = self.folder / name
            if not path.is_file():
                raise IncompleteFolderError(f"{path} is missing: build this version again")
            if file_digest(path) != self.files[name]["sha256"]:
                raise IncompleteFolderError(f"{path} is not what its manifest states: build this version again")


def seal(folder: Path, about: dict[str, Any], names: list[str]) -> Manifest:
    """Write the manifest of the files `names` (relative to `folder`), last of all."""
    files = {
        name: {"sha256": file_digest(folder / name), "num_bytes": (folder / name).stat().st_size}
        for name in sorted(names)
    }
    text = json.dumps({"about": about, "files": files}, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(folder / MANIFEST, text.encode())
    return Manifest(folder, about, files)


def unseal(folder: Path) -> Manifest | None:
    """The manifest of a complete folder, None where there is none.

    Raises:
        IncompleteFolderError: it is there and cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        return Manifest(folder, content["about"], content["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise IncompleteFolderError(f"{path} is damaged ({error!r}): build this version again") from error
