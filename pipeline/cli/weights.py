"""The commands of `mrlf weights`: list, fetch, verify and add the weights of the networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.errors import plain_errors

if TYPE_CHECKING:
    from pipeline.weights import WeightsStore
    from pipeline.weights.registry import WeightsEntry

weights = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The weights of the networks: list, fetch, verify, add."
)


@dataclass(frozen=True, kw_only=True)
class WeightsState:
    """One line of `mrlf weights list`; `error` says what is wrong with damaged ones."""

    name: str
    state: Literal["here", "not here", "damaged"]
    entry: "WeightsEntry | None" = None
    error: str = ""


@weights.command("list")
def list_weights() -> None:
    """List all weights and the stages that use them.

    Each with its architecture, licence and size, and whether it is here.

    Example: mrlf weights list
    """
    with plain_errors():
        weights_store = _open()
        states = [_state(weights_store, name, entry) for name, entry in weights_store.entries().items()]
        for line in _table(states):
            typer.echo(line)
        for state in states:
            if state.error:
                typer.echo(f"  note: {state.error}", err=True)
        typer.echo(f"the weights are stored in {weights_store.folder}", err=True)


@weights.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="By default those that the stages use by default.")
    ] = None,
) -> None:
    """Download weights, compare their digests and convert them.

    Intact ones are left alone. An interrupted download is resumed. If MRLF_WEIGHTS_MIRROR, a base URL, is set, it is
    tried first. The exit status is 1 if a download failed; the others are fetched all the same.

    Examples:

        mrlf weights fetch

        mrlf weights fetch u2net_human_seg big_lama

        MRLF_WEIGHTS_MIRROR=https://files.example.org/weights mrlf weights fetch
    """
    with plain_errors():
        from pipeline.weights.fetching import WeightsUnavailableError

        weights_store = _open()
        wanted = names or [entry.name for entry in weights_store.entries().values() if entry.is_default]
        for name in wanted:
            weights_store.entry(name)
        failed = []
        for name in wanted:
            try:
                found = weights_store.fetch(name)
            except WeightsUnavailableError as error:
                failed.append(name)
                typer.echo(f"mrlf: {error}", err=True)
                continue
            typer.echo(f"{found.name}: here, sha256 {found.weights_sha256}")
        if failed:
            raise typer.Exit(1)


@weights.command()
def verify() -> None:
    """Compare every file in the store with its digest.

    Published and converted ones; the exit status is 1 if one differs.

    Example: mrlf weights verify
    """
    with plain_errors():
        weights_store = _open()
        entries = weights_store.entries()  # of those here: some are files that the settings name by their path
        states = [_state(weights_store, name, entries.get(name)) for name in weights_store.recorded()]
        for state in states:
            typer.echo(f"{state.state:<8} {state.error or state.name}")
        if not states:
            typer.echo(f"no weights are here yet ({weights_store.folder}): run `mrlf weights fetch`")
        if any(state.state == "damaged" for state in states):
            raise typer.Exit(1)


@weights.command()
def add(
    file: Annotated[Path, typer.Argument(help="A weights file: .onnx, .pth, .pt or .safetensors.")],
    name: Annotated[
        str | None, typer.Option(help="For your own weights: their name in the settings (network: NAME).")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="For your own weights: the network they belong to, such as u2net.")
    ] = None,
) -> None:
    """Copy a weights file into the store.

    For machines without a network, and for weights of your own. A published file is recognised by its digest, whatever
    its name. No code in the file is run; a file that cannot be read without running code is refused.

    Examples:

        mrlf weights add u2net_human_seg.onnx

        mrlf weights add trained.pth --name my_net --architecture u2net
    """
    with plain_errors():
        found = _open().add(file, name, architecture)
        typer.echo(f"{found.name}: here, weights of {found.architecture}, sha256 {found.weights_sha256}")


def _open() -> "WeightsStore":
    from pipeline.store import Store
    from pipeline.weights import WeightsStore

    return WeightsStore.of(Store.open())


def _state(weights_store: "WeightsStore", name: str, entry: "WeightsEntry | None") -> WeightsState:
    """The state of these weights; every file of theirs is read whole."""
    from pipeline.errors import StageError
    from pipeline.weights import WeightsFile

    try:
        record = weights_store.verify(name)
        if record is None and entry is not None and entry.is_shipped:
            WeightsFile.shipped(entry).read()
            return WeightsState(name=name, state="here", entry=entry)
    except StageError as damage:
        return WeightsState(name=name, state="damaged", entry=entry, error=str(damage))
    if record is None or (entry is not None and record.published != entry.digest):
        return WeightsState(name=name, state="not here", entry=entry)
    return WeightsState(name=name, state="here", entry=entry)


def _table(states: list[WeightsState]) -> list[str]:
    from pipeline.progress import format_bytes

    rows = [("name", "architecture", "licence", "size", "state", "used by", "what it is")]
    for state in states:
        entry = state.entry
        assert entry is not None, "what is listed has an entry"
        size = format_bytes(entry.num_bytes) if entry.num_bytes else "?"
        stage = f"{entry.used_by} (by default)" if entry.is_default else entry.used_by
        rows.append((state.name, entry.architecture, entry.licence, size, state.state, stage, entry.about))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
