"""How commands end: one line for an error that the user can fix, one for Ctrl-C, neither with a traceback."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pipeline.cli.streams import READER_GONE, is_reader_gone, lead_nowhere
from pipeline.errors import IncompleteError, StageBusyError

EX_TEMPFAIL = 75
"""The exit status of a run to repeat later: it is incomplete, or another process is in its way (sysexits.h)."""

INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STOPPED = "stopped; what was collected is kept; run it again and it goes on"


@contextmanager
def plain_errors() -> Iterator[None]:
    """End a command with status 1 for errors that the user can fix, 75 for a run to repeat, 130 for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(STOPPED, err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError as error:
        if not is_reader_gone():
            raise _ended(error) from None
        lead_nowhere()
        raise typer.Exit(READER_GONE) from None
    except IncompleteError as error:
        typer.echo(f"mrlf: incomplete: {error}", err=True)
        raise typer.Exit(EX_TEMPFAIL) from None
    except StageBusyError as error:
        typer.echo(f"mrlf: {error}", err=True)
        raise typer.Exit(EX_TEMPFAIL) from None
    except (ValueError, OSError) as error:  # by our convention a ValueError is for the user
        raise _ended(error) from None


def _ended(error: ValueError | OSError) -> typer.Exit:
    """Print what happened; of an error of the system its words and file, without its number."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        files = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        said = f"{files}: {error.strerror}" if files else error.strerror
        if isinstance(error, (IsADirectoryError, NotADirectoryError)) and files:
            said += "; something else belongs there: move it away, as `mrlf run` of its city does in the data folder"
        if isinstance(error, FileNotFoundError) and not files:  # what the system says of a folder that was removed
            said = "the folder you are in is no longer there: go to another one"
        if error.errno in FULL and os.sep in said and "make room" not in said:
            said += "; what is there is kept: make room on that disk and run it again"
    typer.echo(f"mrlf: {said}", err=True)
    return typer.Exit(1)
