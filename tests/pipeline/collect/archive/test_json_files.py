"""JSON of strangers: one whole value or a reason, whatever the bytes."""

import json
import lzma
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.archive import json_files
from pipeline.collect.archive.json_files import UnreadableFile, parse_json, read_json

GOOD = json.dumps({"a": [1, 2.5, True, False, None, 'é\u00fc\U0001f600 \\ " {'], "b": {"c": "x"}}, indent=1).encode()


def reason(path) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read_json(path)
    return caught.value.reason


def with_dictionary(packed: bytes, num_bytes: int) -> bytes:
    """The same xz file, whose block asks for a dictionary of this power of two (xz file format 1.2, section 5.3.1)."""
    size = (packed[12] + 1) * 4
    header = bytearray(packed[12 : 12 + size - 4])
    at = header.index(b"\x21\x01") + 2  # LZMA2, and one byte of properties
    header[at] = 2 * (num_bytes.bit_length() - 1 - 12)
    return packed[:12] + header + struct.pack("<I", zlib.crc32(header)) + packed[12 + size :]


def written(tmp_path, name: str, data: bytes):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("megabytes", "is_read"), [(64, True), (512, False)])
def test_a_packed_file_whose_unpacking_takes_too_much_memory_is_not_read(tmp_path, megabytes, is_read):
    """What is in it is small: xz reserves what the header asks for."""
    path = written(tmp_path, "a.json.xz", with_dictionary(lzma.compress(GOOD), megabytes * 2**20))
    assert read_json(path) == json.loads(GOOD) if is_read else reason(path) == "not_json"


@pytest.mark.parametrize("name", ["a.json", "a.json.xz"])
def test_a_whole_file_is_read(tmp_path, name):
    data = lzma.compress(GOOD) if name.endswith(".xz") else GOOD
    assert read_json(written(tmp_path, name, data)) == json.loads(GOOD)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert read_json(written(tmp_path, "a.json", b"\xef\xbb\xbf" + GOOD)) == json.loads(GOOD)


def test_every_cut_of_a_file_is_reported_as_one(tmp_path):
    packed = lzma.compress(GOOD, check=lzma.CHECK_NONE)
    for end in range(len(GOOD)):
        with pytest.raises(UnreadableFile, match="truncated_file"):
            parse_json(GOOD[:end])
    for end in range(0, len(packed), 5):
        assert reason(written(tmp_path, "a.json.xz", packed[:end])) == "truncated_file", end


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        pytest.param("a.json", b"<html><body>x</body></html>", "not_json", id="HTML"),
        pytest.param("a.json", b"PK\x03\x04" + bytes(range(256)), "not_json", id="binary"),
        pytest.param("a.json", b'{"a": 1} {"b": 2} and more of this', "not_json", id="two values"),
        pytest.param("a.json", b"{'a': 1, 'b': 'a Python dict, not JSON'}", "not_json", id="single quotes"),
        pytest.param("a.json", b"[" * 100_000 + b"]" * 100_000, "nested_too_deep", id="100,000 deep"),
        pytest.param("a.json", b"9" * 5000, "not_json", id="a number of 5,000 digits"),
        pytest.param("a.json.xz", b'{"not": "packed"}', "not_json", id="named .xz and not packed"),
    ],
)
def test_what_is_no_json_has_a_reason(tmp_path, name, data, expected):
    assert reason(written(tmp_path, name, data)) == expected


def test_size_is_bounded_packed_and_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "MAX_FILE_BYTES", 1000)
    assert reason(written(tmp_path, "a.json", b'"' + b"x" * 1000 + b'"')) == "file_too_large"
    assert reason(written(tmp_path, "a.json.xz", lzma.compress(b" " * 10_000_000))) == "file_too_large"


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:0e-.\\u truefalsn').map(str.encode))
def test_nothing_else_is_raised(data):
    try:
        parse_json(data)
    except UnreadableFile as error:
        assert error.reason in ("truncated_file", "not_json")
