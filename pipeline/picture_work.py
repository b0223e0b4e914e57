"""How much work a picture's bytes make, told before any of it is done: the parts of its file, and a JPEG's scans.

A progressive JPEG goes over its pixels once for each scan, and a scan of nothing but runs of zeros takes a few bytes:
342 kB held 2,000 of them, minutes of work. Parts of a few bytes each cost a decoder as much as large ones.
Law: no more is read here than the limits allow, and what is counted is what a decoder does, not what a header claims.
"""

import re
import struct
from collections.abc import Iterator

MAX_SCANS = 100
"""Encoders write 1 to 11 (mozjpeg's search ends there, too), hand-made scripts of `jpegtran` 100 at most."""
MAX_SCANNED_PIXELS = 2_000_000_000
"""of all scans together: 0.8 s of a core per 10^9, up to twice that where they are coded arithmetically"""
MAX_METADATA_BYTES = 4 * 1024**2
"""the largest colour profiles of printers have 3 MB"""
MAX_JPEG_PARTS, MAX_PNG_PARTS = 1_000, 100_000
MAX_GAP_BYTES = 1024**2
"""between two segments of a JPEG, where nothing belongs; Pillow goes over it byte by byte"""

_MARK = re.compile(rb"\xff[^\0\1\xff\xd0-\xd7]")  # not a byte of a scan, nor a mark without a length
_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})


class CostlyPicture(ValueError):  # noqa: N818 (an outcome of a picture, counted, not an error of the program)
    """To open or decode the picture would take more work than a picture needs; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_work(data: bytes, kind: str) -> None:
    """Nothing, where the picture may be opened.

    Raises:
        CostlyPicture: `too_many_scans`, or `bad_header` for too many parts or too much metadata before the pixels.
    """
    if kind == "JPEG":
        _check_jpeg(data)
    elif kind == "PNG" and any(number == MAX_PNG_PARTS for number, _ in enumerate(_png_parts(data))):
        raise CostlyPicture("bad_header")


def _check_jpeg(data: bytes) -> None:
    """Scans are looked for one by one only where they may be many."""
    num_metadata_bytes = num_scans = 0
    most_scans = MAX_SCANS
    for number, (mark, begin, end, gap) in enumerate(_jpeg_parts(data)):
        num_metadata_bytes += end - begin if mark in _METADATA else 0
        is_header_costly = num_scans == 0 and (num_metadata_bytes > MAX_METADATA_BYTES or gap > MAX_GAP_BYTES)
        if number == MAX_JPEG_PARTS or is_header_costly:
            raise CostlyPicture("bad_header")
        if mark in _FRAMES:
            height, width = struct.unpack(">HH", data[begin + 3 : begin + 7].ljust(4, b"\0"))
            most_scans = min(most_scans, MAX_SCANNED_PIXELS // max(1, height * width))
        if mark == _SCAN:
            num_scans += 1
            if num_scans == 1 and data.count(b"\xff\xda", begin) < most_scans:
                return
            if num_scans > most_scans:
                raise CostlyPicture("too_many_scans")


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of each segment of the first picture, as decoders go: its mark, where it begins behind that and ends, and the
    number of bytes between the last one and it.
    """
    end = 2
    while (found := _MARK.search(data, end)) is not None:
        mark, begin, gap = data[found.end() - 1], found.end(), found.start() - end
        if mark == _END:
            return
        end = begin + max(2, int.from_bytes(data[begin : begin + 2], "big"))
        yield mark, begin, end, gap


def _png_parts(data: bytes) -> Iterator[int]:
    """Where each chunk begins."""
    begin = 8
    while begin + 12 <= len(data):
        yield begin
        begin += 12 + int.from_bytes(data[begin : begin + 4], "big")
