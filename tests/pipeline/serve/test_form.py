"""Bodies that are much work to parse (fault N10) are refused before they are parsed: parsing holds everybody up."""

import asyncio
import time

import pytest

from pipeline.serve.form import read_form
from pipeline.serve.limits import Limits
from pipeline.serve.refusals import Refusal

pytestmark = pytest.mark.fault("N10")

MANY = 3 * 1024**2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"caption":[' + b"[]," * MANY + b"1]}", id="lists"),
        pytest.param(b'{"caption":"x",' + b'"a":1,' * MANY + b'"b":1}', id="fields"),
        pytest.param(b"[" * MANY, id="depth"),
        pytest.param(b'{"caption":' + b"1" * MANY + b"}", id="digits"),
    ],
)
def test_json_of_very_many_parts_is_refused_at_once(body):
    started = time.process_time()
    with pytest.raises(Refusal) as refused:
        asyncio.run(read_form("application/json", body, Limits()))
    assert refused.value.reason == "bad_request"
    assert time.process_time() - started < 0.3


def test_a_caption_of_commas_and_a_picture_as_text_are_told_what_they_are():
    read = asyncio.run(read_form("application/json", b'{"caption": "' + b"," * 10_000 + b'"}', Limits()))
    assert read.caption == "," * 10_000
    with pytest.raises(Refusal, match="only as a file"):
        asyncio.run(read_form("application/json", b'{"image": "' + b"aGk" * MANY + b'"}', Limits()))
