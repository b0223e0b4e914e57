"""Failures: a user's mistake ends a step with its message alone, without a traceback and without a second try."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster._utils.error import SerializableErrorInfo

from pipeline.errors import StageBusyError

PACKAGES = ("pipeline", "models", "assets")
FOLDERS = tuple(f"{Path(__file__).parent.parent / package}{os.sep}" for package in PACKAGES)


class UserError(DagsterUserCodeProcessError, dg.Failure):
    """A failure that Dagster shows by its message alone, and does not try again.

    Below any other failure Dagster prints the frames of its own machinery. It leaves them out where an error brings
    its description along from another process: this is used here, and a test checks it.
    """

    def __init__(self, message: str, where: str = "") -> None:
        shown = SerializableErrorInfo(message=message, stack=[], cls_name="UserError", cause=None, context=None)
        super().__init__(message, user_code_process_error_infos=[shown])
        self.allow_retries = False
        self.metadata = {"raised at": dg.MetadataValue.text(where)} if where else {}


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what our own code raised for the user into `UserError`, and a lost connection into another try.

    By the house's rule an error for the user is a ValueError (or a busy stage, or a full disk). One that a library
    raised is a fault of ours and keeps its traceback.
    """
    try:
        yield
    except (ConnectionError, TimeoutError) as error:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=30) from error
    except (ValueError, StageBusyError, OSError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        is_named_here = type(error).__module__.split(".")[0] in PACKAGES
        if not is_named_here and not last.filename.startswith(FOLDERS):
            raise
        raise UserError(str(error), f"{Path(last.filename).name}:{last.lineno} in {last.name}") from None
