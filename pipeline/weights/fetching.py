"""Fetching a file of weights: its addresses in order, until one gives the file with the published digest.

Law: a file gets its name only after its digest was compared; a wrong one is removed and the next address is asked.
`MRLF_WEIGHTS_MIRROR`, where it is set, is asked before all others, for machines without the internet.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import StageError
from pipeline.progress import ByteProgress, format_bytes, log
from pipeline.weights.addresses import TransferError
from pipeline.weights.digests import FileDigests, read_digests
from pipeline.weights.kinds import wrong_kind
from pipeline.weights.registry import WeightsEntry
from pipeline.weights.transfer import TransferLimits, forget, transfer

MIRROR_VARIABLE = "MRLF_WEIGHTS_MIRROR"


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
            return _fetch_from(address, entry, part, limits)
        except TransferError as error:
            log.info("%s is not to be had from %s: %s", entry.name, urlsplit(address).hostname, error)
            problems.setdefault(str(error), []).append(address)
    reasons = "; ".join(f"{' and '.join(where)}: {why}" for why, where in problems.items())
    raise WeightsUnavailableError(
        f"{entry.name} could not be fetched ({reasons}). Connect to the network and run "
        f"`mrlf weights fetch {entry.name}`, or bring {entry.file_name} ({entry.digest}) here and run "
        f"`mrlf weights add {entry.file_name}`"
    )


def _fetch_from(address: str, entry: WeightsEntry, part: Path, limits: TransferLimits) -> FileDigests:
    size = f" ({format_bytes(entry.num_bytes)})" if entry.num_bytes else ""
    log.info("fetching %s%s from %s", entry.name, size, urlsplit(address).hostname)
    with ByteProgress(entry.name, entry.num_bytes) as progress:
        transfer(address, part, entry.num_bytes, limits, progress.at)
    found = read_digests(part)
    if entry.matches(found):
        return found
    came = wrong_kind(part) or "another file came, or a newer version of it"
    forget(part)
    raise TransferError(f"{came}: expected {entry.digest}, got {entry.actual(found)}, {found.num_bytes:,} bytes")
