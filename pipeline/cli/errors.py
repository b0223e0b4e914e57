"""How commands end: one line for an error that the user can fix, one for Ctrl-C, neither with a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pipeline.errors import IncompleteError, StageBusyError

EX_TEMPFAIL = 75
"""The exit status of a run to repeat later: it is incomplete, or another process is in its way (sysexits.h)."""

INTERRUPTED = 130
STOPPED = "stopped; what was collected is kept; run it again and it goes on"


@contextmanager
def plain_errors() -> Iterator[None]:
    """End a command with status 1 for errors that the user can fix, 75 for a run to repeat, 130 for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(STOPPED, err=True)
        raise typer.Exit(INTERRUPTED) from None
    except IncompleteError as error:
        typer.echo(f"mrlf: incomplete: {error}", err=True)
        raise typer.Exit(EX_TEMPFAIL) from None
    except StageBusyError as error:
        typer.echo(f"mrlf: {error}", err=True)
        raise typer.Exit(EX_TEMPFAIL) from None
    except (ValueError, OSError) as error:  # by our convention a ValueError is for the user
        typer.echo(f"mrlf: {error}", err=True)
        raise typer.Exit(1) from None
