"""How commands end: what the user can mend is told in one line, Ctrl-C in one sentence, neither with a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pipeline.errors import IncompleteError, StageBusyError

EX_TEMPFAIL = 75
"""The exit status of a run that another one is to go on with, or that another one is in the way of (sysexits.h)."""

INTERRUPTED = 130
STOPPED = "stopped; what was collected is kept; run it again and it goes on"


@contextmanager
def plain_errors() -> Iterator[None]:
    """Ends a command with status 1 for what the user can mend, 75 for what is to be run again, 130 for Ctrl-C."""
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
    except (ValueError, OSError) as error:  # by the house's rule a ValueError is for the user
        typer.echo(f"mrlf: {error}", err=True)
        raise typer.Exit(1) from None
