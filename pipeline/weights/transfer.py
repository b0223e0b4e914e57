"""One file from one address into a part beside its place, going on where an earlier try broke off.

Covered: a body cut short, resets, silence, a drip, a file larger than stated, an endless body, a server without
ranges, a file that changed between two tries (`If-Range`), a web page in place of the file, a full disk.
What came is judged by its digest, elsewhere.
"""

import errno
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from pipeline.errors import StageError
from pipeline.progress import format_bytes
from pipeline.weights.addresses import BrokenTransferError, TransferError, ask

PIECE_BYTES = 2**18
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
PASSING = frozenset({408, 425, 500, 502, 503, 504})
"""statuses worth another try"""
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class CannotKeepError(StageError):
    """The disk is full or may not be written: no other address can mend that."""


@dataclass(frozen=True, kw_only=True)
class TransferLimits:
    """How long and how much. One address takes at most patience_s + size / slowest_bytes_per_s in all."""

    connect_s: float = 4.0
    silence_s: float = 20.0
    answer_s: float = 10.0
    patience_s: float = 120.0
    slowest_bytes_per_s: float = 50_000
    max_bytes: int = 2 * 2**30
    max_tries: int = 4
    pause_s: float = 1.0

    def cap(self, num_bytes: int | None) -> int:
        """The most bytes a file may have: those stated, else `max_bytes`."""
        return self.max_bytes if num_bytes is None else num_bytes

    def total_s(self, num_bytes: int | None) -> float:
        """The longest time at one address."""
        return self.patience_s + self.cap(num_bytes) / self.slowest_bytes_per_s


def transfer(
    address: str, part: Path, num_bytes: int | None, limits: TransferLimits, seen: Callable[[int], None]
) -> None:
    """Bring `part` to the whole file of this address; `seen` is called with how many bytes are here.

    Raises:
        TransferError: the file could not be had here; what came of it stays in `part`.
        CannotKeepError: the disk is full or read-only.
    """
    end = time.monotonic() + limits.total_s(num_bytes)
    tries_left = limits.max_tries
    while True:
        had = _size(part)
        try:
            _Try(address, part, num_bytes, limits, seen, end).run()
            return
        except BrokenTransferError as error:
            tries_left = limits.max_tries - 1 if _size(part) > had else tries_left - 1
            if tries_left <= 0 or time.monotonic() >= end:
                raise TransferError(f"{error}, {format_bytes(_size(part))} of it are kept") from None
        time.sleep(limits.pause_s)


def forget(part: Path) -> None:
    """Remove a part and what is known of it."""
    part.unlink(missing_ok=True)
    _origin_path(part).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Try:
    address: str
    part: Path
    num_bytes: int | None
    limits: TransferLimits
    seen: Callable[[int], None]
    end: float

    def run(self) -> None:
        origin = self._origin()
        offset = _size(self.part) if origin else 0
        headers = {"Range": f"bytes={offset}-", "If-Range": origin["validator"]} if origin and offset else {}
        with ask(
            self.address,
            headers,
            connect_s=self.limits.connect_s,
            silence_s=self.limits.silence_s,
            answer_s=min(self.limits.answer_s, max(0.1, self.end - time.monotonic())),
        ) as answer:
            if answer.status_code == 416:
                forget(self.part)
                raise BrokenTransferError("it refused to go on where the last try broke off")
            offset = self._judge(answer, offset)
            whole = self._whole_bytes(answer, offset)
            check_room(self.part, whole - offset)
            self._receive(answer, offset)
            if _size(self.part) < whole:
                raise BrokenTransferError("the connection ended in the middle of the file")

    def _origin(self) -> dict[str, Any] | None:
        """Where the part is from, None where it is of no use for this address."""
        try:
            origin: dict[str, Any] = json.loads(_origin_path(self.part).read_text())
        except (OSError, ValueError):
            return None
        return origin if isinstance(origin, dict) and origin.get("address") == self.address else None

    def _judge(self, answer: requests.Response, offset: int) -> int:
        """Where the body of this answer begins in the file."""
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise TransferError("it sends the file compressed, although it was asked not to")
        if "text/html" in answer.headers.get("Content-Type", "").lower() and answer.ok:
            raise TransferError("a web page came in place of the file")
        match answer.status_code:
            case 200:
                return 0
            case 206 if offset:
                stated = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
                if stated is None or int(stated[1]) != offset:
                    forget(self.part)
                    raise BrokenTransferError("it went on at another place than where the last try broke off")
                return offset
            case status if status in PASSING:
                raise BrokenTransferError(f"status {status}")
            case status:
                raise TransferError(f"status {status}{' (not there)' if status in (404, 410) else ''}")

    def _whole_bytes(self, answer: requests.Response, offset: int) -> int:
        """The size of the whole file, by the answer or as we know it."""
        length = answer.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self.num_bytes or offset
        whole = offset + int(length)
        if whole > self.limits.cap(self.num_bytes):
            raise TransferError(f"the file there has {whole:,} bytes, at most {self._cap:,} were expected")
        if self.num_bytes is not None and whole < self.num_bytes:
            raise TransferError(f"the file there has {whole:,} bytes, {self.num_bytes:,} were expected")
        return whole

    @property
    def _cap(self) -> int:
        return self.limits.cap(self.num_bytes)

    def _receive(self, answer: requests.Response, offset: int) -> None:
        try:
            with self.part.open("ab" if offset else "wb") as file:
                if not offset:
                    _origin_path(self.part).unlink(missing_ok=True)
                    self._remember(answer)
                self._write(answer, file, offset)
        except OSError as error:
            cannot_keep(self.part, error)

    def _remember(self, answer: requests.Response) -> None:
        """What lets a later try go on: a validator that is strong, so that equal means the same bytes."""
        tag = answer.headers.get("ETag", "")
        validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
        if validator:
            _origin_path(self.part).write_text(json.dumps({"address": self.address, "validator": validator}))

    def _write(self, answer: requests.Response, file: BinaryIO, offset: int) -> None:
        here = offset
        while piece := _piece(answer, self.limits.silence_s):
            here += len(piece)
            if here > self._cap:
                file.close()
                forget(self.part)
                raise TransferError(f"it sends more than the {self._cap:,} bytes that were expected")
            file.write(piece)
            self.seen(here)
            if time.monotonic() > self.end:
                raise TransferError(f"too slow: {format_bytes(here)} came before the time was up")


def _piece(answer: requests.Response, silence_s: float) -> bytes:
    """What is there of the body, so that a drip is noticed; empty at its end."""
    try:
        piece: bytes = answer.raw.read1(PIECE_BYTES, decode_content=False)
    except (requests.exceptions.Timeout, ReadTimeoutError):
        raise BrokenTransferError(f"silence for {silence_s:.0f} s in the middle of the file") from None
    except (requests.exceptions.RequestException, HTTPError, OSError):
        raise BrokenTransferError("the connection broke in the middle of the file") from None
    return piece


def check_room(part: Path, num_bytes: int) -> None:
    """Nothing, where so many bytes fit beside `part`.

    Raises:
        CannotKeepError: they do not.
    """
    free = shutil.disk_usage(part.parent).free
    if free < num_bytes:
        raise no_room(part, f"{format_bytes(num_bytes)} more are needed, {format_bytes(free)} are free")


def cannot_keep(part: Path, error: OSError) -> NoReturn:
    """Say why `part` could not be written.

    Raises:
        CannotKeepError: always.
    """
    if error.errno in NO_SPACE:
        raise no_room(part, f"{format_bytes(_size(part))} of the file were written") from error
    raise CannotKeepError(f"{part} cannot be written: {error.strerror or error}") from error


def no_room(part: Path, detail: str) -> CannotKeepError:
    """What is said where the disk is full."""
    return CannotKeepError(f"the disk of {part.parent} is full: {detail}. Make room and fetch again, it goes on")


def _origin_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
