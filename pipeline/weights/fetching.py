"""Fetching a file of weights: its addresses in order, until one gives the file with the published digest.

Law: a file gets its name only after its digest was compared; a wrong one is removed and the next address is asked.
`MRLF_WEIGHTS_MIRROR`, where it is set, is asked before all others, for machines without the internet. Packages of an
index come last. A host that cannot be reached is not asked again for a while: where only an index is within reach, a
dead name is waited for once and not once for each file.
"""

import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import StageError
from pipeline.progress import ByteProgress, format_bytes, log
from pipeline.weights.addresses import TransferError, UnreachableError
from pipeline.weights.digests import FileDigests, read_digests
from pipeline.weights.kinds import wrong_kind
from pipeline.weights.packages import fetch_packed, package_of
from pipeline.weights.registry import SHIPPED, SHIPPED_FOLDER, WeightsEntry
from pipeline.weights.transfer import TransferLimits, cannot_keep, forget, transfer

MIRROR_VARIABLE = "MRLF_WEIGHTS_MIRROR"
ASK_AGAIN_S = 300.0
_unreachable: dict[str, tuple[float, str]] = {}
"""hosts that could not be reached in this process: when, and why"""


class WeightsUnavailableError(StageError):
    """The file could not be had: no network, no address, or none that gave the published file."""


def addresses(entry: WeightsEntry) -> tuple[str, ...]:
    """Where to ask for a file, in order."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip().rstrip("/")
    return (f"{mirror}/{entry.file_name}", *entry.addresses) if mirror else entry.addresses


def fetch_part(entry: WeightsEntry, part: Path, limits: TransferLimits) -> FileDigests:
    """Bring `part` to the published file, from the first address that has it.

    Raises:
        WeightsUnavailableError: no address gave it; the message names the reason of each.
        CannotKeepError: the disk is full or read-only.
    """
    asked = addresses(entry)
    if not asked:
        where = f"from {entry.page} " if entry.page else ""
        raise WeightsUnavailableError(
            f"{entry.name} has no address that lasts: bring {entry.file_name} ({entry.digest}) {where}here and run "
            f"`mrlf weights add {entry.file_name}`"
        )
    part.parent.mkdir(parents=True, exist_ok=True)
    problems: dict[str, list[str]] = {}
    for address in asked:
        try:
            _check_reachable(address)
            return _fetch_from(address, entry, part, limits)
        except TransferError as error:
            log.info("%s is not to be had from %s: %s", entry.name, _place(address), error)
            problems.setdefault(str(error), []).append(address)
    reasons = "; ".join(f"{' and '.join(where)}: {why}" for why, where in problems.items())
    raise WeightsUnavailableError(
        f"{entry.name} could not be fetched ({reasons}). Connect to the network and run "
        f"`mrlf weights fetch {entry.name}`, or bring {entry.file_name} ({entry.digest}) here and run "
        f"`mrlf weights add {entry.file_name}`"
    )


def _fetch_from(address: str, entry: WeightsEntry, part: Path, limits: TransferLimits) -> FileDigests:
    size = f" ({format_bytes(entry.num_bytes)})" if entry.num_bytes else ""
    log.info("fetching %s%s from %s", entry.name, size, _place(address))
    if address.startswith(SHIPPED):
        _copy_shipped(address, part)
    elif package := package_of(address):
        with ByteProgress(package.what, None) as progress:
            fetch_packed(package, part, entry.num_bytes, limits, progress.at)
    else:
        _transfer(address, entry, part, limits)
    found = read_digests(part)
    if entry.matches(found):
        return found
    came = wrong_kind(part) or "another file came, or a newer version of it"
    forget(part)
    raise TransferError(f"{came}: expected {entry.digest}, got {entry.actual(found)}, {found.num_bytes:,} bytes")


def _transfer(address: str, entry: WeightsEntry, part: Path, limits: TransferLimits) -> None:
    try:
        with ByteProgress(entry.name, entry.num_bytes) as progress:
            transfer(address, part, entry.num_bytes, limits, progress.at)
    except UnreachableError as error:
        _unreachable[urlsplit(address).netloc] = (time.monotonic(), str(error))
        raise


def _check_reachable(address: str) -> None:
    """Nothing, where nobody has found lately that the host of this address cannot be reached.

    Raises:
        UnreachableError: somebody has.
    """
    when, why = _unreachable.get(urlsplit(address).netloc, (-ASK_AGAIN_S, ""))
    if time.monotonic() - when < ASK_AGAIN_S:
        raise UnreachableError(why)


def _copy_shipped(address: str, part: Path) -> None:
    path = SHIPPED_FOLDER / address.removeprefix(SHIPPED)
    if not path.is_file():
        raise TransferError("it is not there: the program is not installed whole")
    forget(part)
    try:
        shutil.copyfile(path, part)
    except OSError as error:
        cannot_keep(part, error)


def _place(address: str) -> str:
    """Where an address leads, in a word or two."""
    if address.startswith(SHIPPED):
        return "this program"
    if package := package_of(address):
        return f"the package {package.what}, by {package.tool}"
    return urlsplit(address).hostname or address
