"""The commands `mrlf weights`: what weights there are, and how they come here."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.errors import plain_errors
from pipeline.store import Store
from pipeline.weights import WeightsStore

weights = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The weights of the networks: list, fetch, verify, add."
)


@weights.command("list")
def list_weights() -> None:
    """All weights: name, architecture, licence, size, whether they are here, and which stage uses them.

    Example: mrlf weights list
    """
    from pipeline.weights.states import list_lines, listed

    with plain_errors():
        weights_store = WeightsStore.of(Store.open())
        states = listed(weights_store)
        for line in list_lines(states):
            typer.echo(line)
        for state in states:
            if state.told:
                typer.echo(f"  note: {state.told}", err=True)
        typer.echo(f"the store of weights is {weights_store.folder}", err=True)


@weights.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="By default those that the stages take by default.")
    ] = None,
) -> None:
    """Download weights, compare their digests and convert them; what is here and whole is left alone.

    A download that broke off goes on where it was. MRLF_WEIGHTS_MIRROR, a base address, is asked first where it is
    set. The exit status is 1 where one could not be had; the others are fetched all the same.

    Examples:

        mrlf weights fetch

        mrlf weights fetch u2net_human_seg big_lama

        MRLF_WEIGHTS_MIRROR=https://files.example.org/weights mrlf weights fetch
    """
    from pipeline.weights.fetching import WeightsUnavailableError

    with plain_errors():
        weights_store = WeightsStore.of(Store.open())
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
    """Compare every file in the store, published and converted, with its digest; status 1 where one differs.

    Example: mrlf weights verify
    """
    from pipeline.weights.states import verified

    with plain_errors():
        weights_store = WeightsStore.of(Store.open())
        states = verified(weights_store)
        for state in states:
            typer.echo(f"{state.state:<8} {state.told or state.name}")
        if not states:
            typer.echo(f"no weights are here yet ({weights_store.folder}): run `mrlf weights fetch`")
        if any(state.state == "damaged" for state in states):
            raise typer.Exit(1)


@weights.command()
def add(
    file: Annotated[Path, typer.Argument(help="A file of weights: .onnx, .pth, .pt or .safetensors.")],
    name: Annotated[
        str | None, typer.Option(help="For weights of your own: what the settings call them (network: NAME).")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="For weights of your own: the network they are of, such as u2net.")
    ] = None,
) -> None:
    """Put a copy of a file in the store of weights, for machines without the network and for weights of your own.

    A published file is known by its digest, whatever its name. No code in the file is run; a file that cannot be read
    without is refused.

    Examples:

        mrlf weights add u2net_human_seg.onnx

        mrlf weights add trained.pth --name my_net --architecture u2net
    """
    with plain_errors():
        found = WeightsStore.of(Store.open()).add(file, name, architecture)
        typer.echo(f"{found.name}: here, weights of {found.architecture}, sha256 {found.weights_sha256}")
