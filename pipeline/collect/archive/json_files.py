"""JSON files that strangers wrote, `.json` and `.json.xz`, read as data: bounded, and never raising on their content.

Instaloader's own `load_structure_from_file` reads without a limit (1 MB of xz can hold gigabytes), in the encoding of
the machine; what it does with the JSON afterwards is done in `pipeline.collect.archive.fields`, by Instaloader too.
"""

import json
import lzma
from pathlib import Path

MAX_FILE_BYTES = 16 * 2**20
"""A post with all its comments stays far below; more is refused unread."""

_XZ_MAGIC = b"\xfd7zXZ\0"
_XZ_MEMORY_LIMIT = 128 * 2**20


class UnreadableFile(ValueError):  # noqa: N818 (an outcome of a file, counted, not an error of the program)
    """The file is not one whole JSON value; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_json(path: Path) -> object:
    """The JSON value of a file.

    Raises:
        UnreadableFile: `truncated_file` (cut, or empty), `file_too_large`, `nested_too_deep` or `not_json`.
        OSError: the disk does not give it.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableFile("file_too_large")
    return parse_json(_unpacked(data) if path.name.lower().endswith(".xz") else data)


def parse_json(data: bytes) -> object:
    """The JSON value of these bytes; raises UnreadableFile as `read_json` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile("truncated_file" if error.end == len(data) else "not_json") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableFile("truncated_file" if _is_cut(text, error) else "not_json") from None
    except RecursionError:
        raise UnreadableFile("nested_too_deep") from None
    except ValueError:  # a number of more than 4,300 digits
        raise UnreadableFile("not_json") from None


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_XZ_MAGIC[: len(data)]):
        raise UnreadableFile("not_json")
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_LIMIT)
    try:
        unpacked = unpacker.decompress(data, max_length=MAX_FILE_BYTES + 1)
    except lzma.LZMAError:
        raise UnreadableFile("not_json") from None
    if len(unpacked) > MAX_FILE_BYTES:
        raise UnreadableFile("file_too_large")
    if not unpacker.eof:
        raise UnreadableFile("truncated_file")
    return unpacked


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the text begins as a JSON object or list and is wrong only because it ends too early."""
    whole = text.strip()
    if not whole:
        return True
    is_at_end = len(text.rstrip()) - error.pos <= len('"\\u12"false')
    return whole[0] in "{[" and (is_at_end or error.msg.startswith("Unterminated string"))
