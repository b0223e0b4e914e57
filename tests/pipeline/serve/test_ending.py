"""What holds a server's places is told, and the server ends (faults N9, N10)."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.fakes.town_server import served
from tests.pipeline.serve.test_limits import HEAD, answer_of, connected, drip, wait_until

pytestmark = pytest.mark.slow


@contextmanager
def stuck_server() -> Iterator[tuple[subprocess.Popen, str]]:
    """A process of `tests.fakes.stuck_server` and its address; it gives requests 1 s, and itself 4 s."""
    command = [sys.executable, "-m", "tests.fakes.stuck_server", "1", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def send(address: str, picture: bytes | None, caption: str, answers: list[dict[str, str]]) -> None:
    """Ask, and keep the answer."""
    files = {"caption": (None, caption)} | ({} if picture is None else {"image": ("p", picture)})
    answers.append(requests.post(f"{address}/predict", files=files, timeout=30).json())


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in lists for word in path.read_text().split()]


@pytest.mark.fault("N9")
@pytest.mark.parametrize(
    ("sig", "asked"),
    [
        pytest.param(signal.SIGTERM, (b"sleep", "x"), id="SIGTERM, decoding"),
        pytest.param(signal.SIGHUP, (b"sleep", "x"), id="SIGHUP, decoding"),
        pytest.param(signal.SIGTERM, (None, "sleep"), id="SIGTERM, in the networks"),
        pytest.param(signal.SIGINT, (None, "sleep"), id="SIGINT, in the networks"),
    ],
)
def test_the_server_ends_whatever_it_is_at_and_says_so_before(sig, asked):
    with stuck_server() as (process, address):
        answers: list[dict[str, str]] = []
        threads = [threading.Thread(target=send, args=(address, *asked, answers)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: requests.get(f"{address}/health", timeout=20).json()["in_work"] == 3)
        time.sleep(0.3)
        health = requests.get(f"{address}/health", timeout=20).json()
        assert health["decoding"] == (2 if asked[0] else 0)
        assert health["oldest_s"] > 0.2
        started = children(process.pid)
        assert len(started) >= health["decoding"]
        process.send_signal(sig)
        process.wait(8)
        for thread in threads:
            thread.join(5)
        assert [answer["message"] for answer in answers] == ["the server is ending: ask again later"] * 3
        wait_until(lambda: not [child for child in started if Path(f"/proc/{child}").exists()])


@pytest.mark.fault("N10")
def test_bodies_that_drip_hold_no_place_for_long():
    with served(max_in_work=3, pause_timeout_s=0.6) as address:
        stop, started = threading.Event(), time.monotonic()
        with connected(address) as one, connected(address) as two, connected(address) as three:
            for slow in (one, two, three):
                slow.sendall(f"{HEAD}Content-Length: 9000\r\n\r\n".encode())
                threading.Thread(target=drip, args=(slow, stop), daemon=True).start()
            ask = lambda: requests.post(f"{address}/predict", json={"caption": "amber"}, timeout=20)  # noqa: E731
            wait_until(lambda: ask().status_code == 429, seconds=0.5)
            wait_until(lambda: ask().status_code == 200)
            assert time.monotonic() - started < 4
            assert {answer_of(slow)[1]["error"] for slow in (one, two, three)} == {"too_slow"}
            stop.set()


@pytest.mark.fault("N10")
def test_a_body_that_comes_slowly_but_steadily_is_read():
    """20 kB in 1 s, where 10 kB/s are asked for after half of it."""
    body = b'{"caption": "amber"}'.ljust(20_000)
    with served(pause_timeout_s=0.5, least_bytes_per_s=10_000) as address, connected(address) as slow:
        slow.sendall(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode())
        for start in range(0, len(body), 2_000):
            slow.sendall(body[start : start + 2_000])
            time.sleep(0.1)
        assert answer_of(slow)[0] == 200
