"""Content digests: what makes two inputs, settings or stages the same."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OWN_DIGEST = "sha256_of_the_rest"
"""Where a JSON file has the digest of all else in it."""


def bytes_digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 in hex of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(value: object) -> str:
    """sha256 of a JSON value, independent of the order of keys."""
    return bytes_digest(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a JSON file and its own digest."""
    return {**content, OWN_DIGEST: json_digest(json.loads(json.dumps(content)))}


def without_digest(content: Any) -> Any:
    """The content of a JSON file alone, also of an older one that has no digest.

    Raises:
        ValueError: its digest is another one.
    """
    if not isinstance(content, dict) or OWN_DIGEST not in content:
        return content
    rest = {name: value for name, value in content.items() if name != OWN_DIGEST}
    if content[OWN_DIGEST] != json_digest(rest):
        raise ValueError("it is not as it was written")
    return rest


def stage_digest(
    *,
    stage: str,
    city: str,
    code_version: str,
    settings: Mapping[str, object],
    inputs: Mapping[str, str],
    weights: Mapping[str, str],
) -> str:
    """The digest of all that a stage's result depends on: change any and the stage runs, change none and it does not.

    inputs: name -> content digest of a table, file or folder; weights: network -> sha256.
    """
    return json_digest(
        {
            "stage": stage,
            "city": city,
            "code_version": code_version,
            "settings": dict(settings),
            "inputs": dict(inputs),
            "weights": dict(weights),
        }
    )
