"""A server that can write to no file (PRIVACY.md feature 14; faults N2, N5): a thousand clients, its disk, its log."""

import asyncio
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fakes.pictures import encoded, pixels
from tests.fakes.predictor import caption, picture
from tests.fakes.town_server import ServerProcess, server_process

pytestmark = pytest.mark.slow

CANARIES = ("canary-caption-8842", "canaryhashtag8842", "canary-file-8842", "canary-query-8842", "canary-header-8842")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ServerProcess]:
    """The server in a process of its own."""
    home = tmp_path_factory.mktemp("server") / "home"
    home.mkdir()
    (home / "there.txt").write_text("before")
    with server_process(home, pause_timeout_s=20.0) as running:  # a busy machine is no slow client
        yield running


def listing(folder: Path) -> dict[str, str]:
    """Every file under a folder with its digest, every folder with the time it was changed."""
    result = {}
    for path in sorted(folder.rglob("*")):
        result[str(path)] = (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else str(path.stat().st_mtime_ns)
        )
    return result


def large_picture() -> bytes:
    """A PNG of about 5 MB, beyond what frameworks keep in memory."""
    import numpy as np

    return encoded(np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), dtype=np.uint8), "PNG")


@pytest.mark.fault("N5")
def test_a_hundred_calls_leave_no_trace_on_the_disk(server):
    """Nothing under its folders changes, and it could not write one byte to a file if it tried (RLIMIT_FSIZE 0)."""
    before, large = listing(server.home), large_picture()
    assert len(large) > 4 * 1024**2
    for number in range(100):
        photo = large if number % 20 == 0 else picture(number % 8, number)
        files = {"image": ("p.png", photo), "caption": (None, caption(number % 8, number)), "why": (None, "true")}
        assert requests.post(f"{server.address}/predict", files=files, timeout=60).status_code == 200
    assert listing(server.home) == before
    open_files = [os.readlink(f"/proc/{server.pid}/fd/{number}") for number in os.listdir(f"/proc/{server.pid}/fd")]
    assert not [path for path in open_files if "(deleted)" in path and "/memfd:" not in path]


@pytest.mark.fault("N5")
def test_the_log_holds_no_word_no_picture_and_no_coordinates(server):
    """All that a client may put words into, answered and refused, and then the whole log of the process."""
    text = f"{CANARIES[0]} #{CANARIES[1]}"
    headers = {"x-canary": CANARIES[4], "user-agent": CANARIES[4], "referer": f"http://{CANARIES[4]}/"}
    query = f"?caption={CANARIES[3]}"
    photos = (picture(0), b"no picture canary-file-8842", large_picture()[:-50])
    for photo in photos:
        files = {"image": (f"{CANARIES[2]}.jpg", photo), "caption": (None, text)}
        requests.post(f"{server.address}/predict{query}", files=files, headers=headers, timeout=60)
    for words in (
        {"caption": text},
        {"caption": [text]},
        {CANARIES[0]: text},
        {"image": f"http://{CANARIES[3]}/"},
    ):
        requests.post(f"{server.address}/predict", json=words, headers=headers, timeout=60)
    requests.post(f"{server.address}/predict", data=text, headers={**headers, "content-type": CANARIES[4]}, timeout=60)
    requests.get(f"{server.address}/{CANARIES[3]}{query}", headers=headers, timeout=60)
    requests.request(CANARIES[3].upper(), f"{server.address}/predict", headers=headers, timeout=60)
    deadline = time.monotonic() + 10
    while "(no such page) 404" not in (log := server.log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)  # its log comes through a pipe
    assert "POST /predict 200" in log and "POST /predict 422" in log and "(no such page) 404" in log
    folded = log.lower()
    assert not [canary for canary in CANARIES if canary in folded]
    place = requests.post(f"{server.address}/predict", json={"caption": "amber"}, timeout=60).json()["places"][0]
    assert not [
        word for word in (place["name"], str(place["latitude"]), "127.0.0.1") if word in server.log.read_text()
    ]


@pytest.mark.fault("N2")
def test_a_thousand_at_once_are_answered_or_sent_away_and_memory_stays_bounded(server):
    """3 MB each: 3 GB if all were taken in. Each gets 200 or 429, and the server answers as before."""
    photo = encoded_of_size(3 * 1024**2)
    before = server.resident_mb()
    outcomes = asyncio.run(flood(server.address, photo, 1000))
    assert set(outcomes) <= {200, 429}, outcomes
    assert outcomes[200] >= 32, "as many as there is room for"
    assert outcomes[429] > 0
    assert sum(outcomes.values()) == 1000
    assert server.most_resident_mb() - before < 700
    answered = requests.post(f"{server.address}/predict", json={"caption": caption(4)}, timeout=60)
    assert answered.json()["places"][0]["name"] == "Elm Theatre"
    assert requests.get(f"{server.address}/health", timeout=60).json()["in_work"] == 0


def encoded_of_size(num_bytes: int) -> bytes:
    """A small picture with bytes behind its end, which no decoder minds."""
    return encoded(pixels()).ljust(num_bytes, b"\0")


async def flood(address: str, photo: bytes, num_clients: int) -> Counter[int]:
    """The statuses that so many clients get who all connect at once."""
    body = b'--b\r\ncontent-disposition: form-data; name="image"; filename="p"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    question = (
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    host, port = address.removeprefix("http://").split(":")

    async def send() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(question)
        sending = asyncio.ensure_future(pieces(writer, body))
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = re.search(r"content-length: (\d+)", head)
            result = json.loads(await reader.readexactly(int(length[1])))
            sending.cancel()  # who has the answer sends no more
            status = int(head.split()[1])
            assert ("places" in result) == (status == 200), result
            return status
        finally:
            writer.close()

    return Counter(await asyncio.gather(*(send() for _ in range(num_clients))))


async def pieces(writer: asyncio.StreamWriter, body: bytes) -> None:
    """The body bit by bit, as far as the server takes it."""
    view = memoryview(body)
    for start in range(0, len(body), 65536):
        writer.write(view[start : start + 65536])
        await writer.drain()
        await asyncio.sleep(0)  # a thousand clients share this loop: each takes its turn, and hears the answer
