"""Files of SQLite whose errors a person can act on.

Law: a full disk, a folder that cannot be written and a damaged file name the path and what to do; a mistake of ours
stays the error it is.
"""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
NOT_WRITTEN = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_IOERR": errno.EIO,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_CANTOPEN": errno.EACCES,
    "SQLITE_PERM": errno.EACCES,
}

FoundT = TypeVar("FoundT")


class DamagedFileError(ValueError):
    """The file is no whole database."""


def open_file(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """The file, made where it is missing; each statement stands alone outside a transaction.

    Raises:
        OSError: the disk is full or read-only; so does every later statement.
        DamagedFileError: it is no whole database; so does every later statement.
    """
    try:
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=check_same_thread, factory=_File)
    except sqlite3.DatabaseError as error:
        raise _clear_error(path, error) from None
    file.path = path
    return file


@contextmanager
def transaction(file: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is written inside."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if file.in_transaction:  # a full disk has ended it already
            file.execute("ROLLBACK")
        raise
    file.execute("COMMIT")


def _clear_error(path: Path, error: sqlite3.DatabaseError) -> Exception:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(DAMAGED):
        return DamagedFileError(
            f"{path} is damaged ({error}): move it away with the files {path.name}-wal and {path.name}-shm beside it, "
            "and run this again; what only it held is collected anew"
        )
    number = next((number for code, number in NOT_WRITTEN.items() if name.startswith(code)), None)
    if number is None:
        return error
    return OSError(
        number,
        f"cannot write {path} ({error}): make room on its disk, or let this user write there, and run this again",
    )


class _Cursor(sqlite3.Cursor):
    def execute(self, *arguments: Any) -> Any:
        return _with_clear_errors(self, super().execute, *arguments)

    def executemany(self, *arguments: Any) -> Any:
        return _with_clear_errors(self, super().executemany, *arguments)

    def executescript(self, *arguments: Any) -> Any:
        return _with_clear_errors(self, super().executescript, *arguments)

    def fetchone(self) -> Any:
        return _with_clear_errors(self, super().fetchone)

    def fetchall(self) -> list[Any]:
        return _with_clear_errors(self, super().fetchall)

    def __next__(self) -> Any:
        return _with_clear_errors(self, super().__next__)


class _File(sqlite3.Connection):
    path: Path

    def cursor(self, factory: Any = _Cursor) -> Any:
        """A cursor whose errors name the path."""
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        """As of a connection, whose own way leads past `cursor`."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """As of a connection."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """As of a connection."""
        return self.cursor().executescript(*arguments)


def _with_clear_errors(cursor: sqlite3.Cursor, ask: Callable[..., FoundT], *arguments: Any) -> FoundT:
    try:
        return ask(*arguments)
    except sqlite3.DatabaseError as error:
        path = cast(_File, cursor.connection).path
        clear = _clear_error(path, error)
        if clear is error:
            raise
        raise clear from None
