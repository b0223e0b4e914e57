"""docker-compose.yml read as Compose reads it, as far as it is used here: `${...}`, `.env`, `env_file`, mounts.

Covered: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`; the shell's variables stand above `.env`, `environment`
above `env_file`; short and long mounts. Not covered: everything else of the specification.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class ComposeError(ValueError):
    """What Compose would refuse."""


@dataclass(frozen=True)
class Mount:
    """source: a named volume, or a file or folder of the host as an absolute path."""

    source: str
    target: str
    is_read_only: bool

    @property
    def is_of_the_host(self) -> bool:
        """Whether it is no named volume."""
        return self.source.startswith("/")


@dataclass(frozen=True)
class Service:
    """One service, ready to be started; `waits` gives the condition for each service before it."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    mounts: tuple[Mount, ...]
    health: tuple[str, ...]
    waits: dict[str, str]
    grace_s: int


def services(checkout: Path, shell: Mapping[str, str]) -> dict[str, Service]:
    """The services of a checkout's docker-compose.yml, in the order of the file.

    Raises:
        ComposeError: a variable that must be set is not, a file or a volume that is named is not there.
    """
    known = {**dotenv(checkout / ".env", must_be_there=False), **shell}
    content = _fill(yaml.safe_load((checkout / "docker-compose.yml").read_text()), known)
    return {name: _service(checkout, name, raw, set(content["volumes"])) for name, raw in content["services"].items()}


def dotenv(path: Path, *, must_be_there: bool) -> dict[str, str]:
    """The variables of a file of `NAME=value` lines."""
    if not path.is_file():
        if must_be_there:
            raise ComposeError(f"env file {path} not found")
        return {}
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _fill(raw: Any, known: Mapping[str, str]) -> Any:
    """Put the variables' values in, all the way down."""
    if isinstance(raw, dict):
        return {key: _fill(value, known) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_fill(value, known) for value in raw]
    return _VARIABLE.sub(lambda match: _value(*match.groups(), known=known), raw) if isinstance(raw, str) else raw


def _value(name: str, kind: str | None, rest: str | None, *, known: Mapping[str, str]) -> str:
    value = known.get(name, "")
    if value or kind is None:
        return value
    if kind == "?":
        raise ComposeError(f"required variable {name} is missing a value: {rest}")
    return rest or ""


def _service(checkout: Path, name: str, raw: dict[str, Any], volumes: set[str]) -> Service:
    environment: dict[str, str] = {}
    for file in raw.get("env_file", []):
        environment |= dotenv(checkout / file["path"], must_be_there=file.get("required", True))
    health = raw.get("healthcheck", {}).get("test", ["NONE"])
    assert health[0] in ("CMD", "NONE"), f"{name}: {health[0]} is not known here"
    return Service(
        name=name,
        command=tuple(raw.get("command", ())),
        environment={**environment, **raw["environment"]},
        mounts=tuple(_mount(checkout, mount, volumes) for mount in raw["volumes"]),
        health=tuple(health[1:]),
        waits={other: wait["condition"] for other, wait in raw.get("depends_on", {}).items()},
        grace_s={"1m": 60}[raw["stop_grace_period"]] if "stop_grace_period" in raw else 10,
    )


def _mount(checkout: Path, raw: str | dict[str, Any], volumes: set[str]) -> Mount:
    """Short mounts are of the host where they begin with a dot or a slash, long ones where they say so."""
    if isinstance(raw, str):
        source, target, mode = (*raw.split(":"), "rw")[:3]
        is_bind, is_read_only = source[0] in "./", mode == "ro"
    else:
        source, target = raw["source"], raw["target"]
        is_bind, is_read_only = raw["type"] == "bind", raw.get("read_only", False)
    if not is_bind:
        if source not in volumes:
            raise ComposeError(f"undefined volume {source}")
        return Mount(source, target, is_read_only)
    path = checkout / source
    if not path.exists():
        raise ComposeError(f"bind source path does not exist: {path}")
    return Mount(str(path), target, is_read_only)
