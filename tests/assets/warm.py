"""Commands of Python modules as processes of their own that need not import Dagster anew: forks of one that has.

Nothing of ours is loaded before the fork: what our modules read as they are imported is the command's own environment.
What is about the start of a process (its imports, the interpreter's options) is tested on one that starts anew.
"""

import atexit
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOADED = ["dagster._cli", "dagster._core.storage.sqlite_storage", "alembic.command", "deltalake", "pandas"]
OUTPUT, ERRORS = "output", "errors"


class Command:
    """`python -W ignore -m WORDS...` in `folder`, started; it is ended at the end of a `with`."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path) -> None:
        self.words, self._printed = words, tempfile.TemporaryDirectory(prefix="mrlf-command-")
        context = get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self.process: BaseProcess = context.Process(
            target=_become, args=(words, environment, folder, self._printed.name)
        )
        self.process.start()

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()
        self._printed.cleanup()

    def wait(self, timeout_s: float) -> int:
        """Its exit status, or minus the signal that ended it."""
        self.process.join(timeout_s)
        assert self.process.exitcode is not None, f"{self.words} is still running"
        return self.process.exitcode

    def completed(self, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """What it came to, once it is over."""
        printed = [Path(self._printed.name, name) for name in (OUTPUT, ERRORS)]
        return subprocess.CompletedProcess(self.words, self.wait(timeout_s), *(path.read_text() for path in printed))


def stop_server() -> None:
    """End the process that commands are forks of, and wait for it."""
    forkserver._forkserver._stop()


def _become(words: list[str], environment: dict[str, str], folder: Path, printed: str) -> None:
    for number, name in ((1, OUTPUT), (2, ERRORS)):
        os.dup2(os.open(Path(printed, name), os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = list(words)
    warnings.simplefilter("ignore")
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except Exception:
        sys.excepthook(*sys.exc_info())
        raise SystemExit(1) from None
    finally:
        atexit._run_exitfuncs()
