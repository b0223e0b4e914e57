"""How much work a picture's bytes make, told before any of it is done: the parts of its file, and a JPEG's scans.

A progressive JPEG goes over its pixels once for each scan, and a scan of nothing but runs of zeros takes a few bytes:
342 kB held 2,000 of them, minutes of work. Parts of a few bytes each cost a decoder as much as large ones; a packed
part of a PNG may become a thousand times its size.
Law: no more is read here than the limits allow, and what is counted is what a decoder does, not what a header claims.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice

MAX_SCANS = 100
"""Encoders write 1 to 11 (mozjpeg's search ends there, too), hand-made scripts of `jpegtran` 100 at most."""
MAX_SCANNED_PIXELS = 2_000_000_000
"""of all scans together: 0.8 s of a core per 10^9, up to twice that where they are coded arithmetically"""
MAX_METADATA_BYTES = 4 * 1024**2
"""the largest colour profiles of printers have 3 MB"""
MAX_JPEG_PARTS, MAX_PNG_PARTS = 1_000, 100_000
MAX_PNG_PACKED = 500
"""profiles and texts, which are unpacked one by one, each to a megabyte at most, whether it is kept or not"""
MAX_GAP_BYTES = 1024**2
"""between the segments of a JPEG, where nothing belongs; Pillow goes over it byte by byte"""

_MARK = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # the others have no length, or are passed over
_SCAN_MARK = re.compile(rb"\xff\xda")
_SCAN, _END = 0xDA, 0xD9
_PACKED = frozenset({b"iCCP", b"zTXt", b"iTXt"})
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
    elif kind == "PNG":
        _check_png(data)


def _check_png(data: bytes) -> None:
    num_packed = 0
    for number, begin in enumerate(_png_parts(data)):
        num_packed += data[begin + 4 : begin + 8] in _PACKED
        if number == MAX_PNG_PARTS or num_packed > MAX_PNG_PACKED:
            raise CostlyPicture("bad_header")


def _check_jpeg(data: bytes) -> None:
    """Scans are looked for one by one only where they may be many."""
    num_metadata_bytes = num_gap_bytes = num_scans = 0
    most_scans = MAX_SCANS
    for number, (mark, begin, end, gap) in enumerate(_jpeg_parts(data)):
        num_metadata_bytes += end - begin if mark in _METADATA else 0
        num_gap_bytes += gap
        is_header_costly = num_metadata_bytes > MAX_METADATA_BYTES or num_gap_bytes > MAX_GAP_BYTES
        if number == MAX_JPEG_PARTS or (is_header_costly and num_scans == 0):
            raise CostlyPicture("bad_header")
        if mark in _FRAMES:
            height, width = struct.unpack(">HH", data[begin + 3 : begin + 7].ljust(4, b"\0"))
            most_scans = min(most_scans, MAX_SCANNED_PIXELS // max(1, height * width))
            if most_scans < 10:
                return  # it has so many pixels that it is refused for them
        if mark == _SCAN:
            num_scans += 1
            if num_scans == 1 and len(list(islice(_SCAN_MARK.finditer(data, begin), most_scans))) < most_scans:
                return  # a tenth of the time that `bytes.count` takes
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
