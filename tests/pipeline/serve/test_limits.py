"""Limits (fault N2): too large, too slow, too many and of the wrong type, over sockets that behave as strangers do."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from pipeline.predict.predictor import Predictor
from pipeline.serve.limits import Limits
from tests.fakes.predictor import caption, picture, town_predictor
from tests.fakes.town_server import served

pytestmark = pytest.mark.slow

HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
QUESTION = json.dumps({"caption": "amber"}).encode()


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A raw connection to the server."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and JSON of the answer, read until the server closes or all of it is here."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        if length and len(body) >= int(length[0]):
            return int(head.split()[1]), json.loads(body)
    raise AssertionError(f"the connection ended after {received!r}")


def is_closed_within(connection: socket.socket, seconds: float) -> bool:
    """Whether the server hangs up."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.mark.fault("N2")
def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not():
    with served(max_body_bytes=2000) as address:
        fits = json.dumps({"caption": "amber"}).ljust(2000)
        headers = {"content-type": "application/json"}
        assert requests.post(f"{address}/predict", data=fits, headers=headers, timeout=20).status_code == 200
        result = requests.post(f"{address}/predict", data=fits + " ", headers=headers, timeout=20)
        assert (result.status_code, result.json()["error"]) == (413, "body_too_large")
        assert result.headers["connection"] == "close"


@pytest.mark.fault("N2")
def test_a_body_that_claims_no_length_is_measured_while_it_comes():
    """Chunks without end: the server says no after its limit and hangs up; it does not take what is sent on and on."""
    with served(max_body_bytes=100_000) as address, connected(address) as connection:
        connection.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode())
        sent = 0
        chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
        try:
            while sent < 200_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 60_000_000, "what is let pass by after the answer, and what lies in buffers"


@pytest.mark.fault("N2")
def test_a_length_that_is_a_lie_does_not_help():
    with served(max_body_bytes=1000) as address:
        for length, status in (("999999999999", 413), ("-5", 400), ("1e3", 400)):
            with connected(address) as connection:
                connection.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + QUESTION)
                connection.shutdown(socket.SHUT_WR)
                head = connection.recv(65536)
            assert head.startswith(f"HTTP/1.1 {status}".encode())


@pytest.mark.fault("N2")
def test_who_asks_before_sending_is_told_before_sending():
    with served(max_body_bytes=1000) as address, connected(address) as connection:
        connection.sendall(f"{HEAD}Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n".encode())
        assert answer_of(connection) == (413, {"error": "body_too_large", "message": answer_message(1000)})


def answer_message(limit: int) -> str:
    return f"at most {limit:,} bytes are taken: send a smaller copy of the picture"


@pytest.mark.fault("N2")
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "image/jpeg",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/mixed",
        "",
        "nonsense",
    ],
)
def test_another_type_of_body_is_a_415(kind):
    with shared() as address:
        result = requests.post(f"{address}/predict", data=picture(0), headers={"content-type": kind}, timeout=20)
    assert (result.status_code, result.json()["error"]) == (415, "wrong_type")


@pytest.fixture(scope="module", autouse=True)
def _shared() -> Iterator[None]:
    """One server with short patience for the tests that need nothing else."""
    with pytest.MonkeyPatch.context() as patch, served(pause_timeout_s=0.6, body_timeout_s=1.5) as address:
        patch.setattr("pipeline.serve.body.LINGER_S", 0.5)
        SHARED.append(address)
        yield
        SHARED.clear()


SHARED: list[str] = []


@contextmanager
def shared() -> Iterator[str]:
    """The address of the shared server."""
    yield SHARED[0]


@pytest.mark.fault("N2")
def test_a_body_that_stops_coming_is_a_timeout():
    """Long before the time for the whole body is over."""
    with served(pause_timeout_s=0.5, body_timeout_s=60.0) as address, connected(address) as connection:
        connection.sendall(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
        assert answer_of(connection)[1]["error"] == "too_slow"
        assert is_closed_within(connection, 5)


@pytest.mark.fault("N2")
def test_a_body_that_drips_is_a_timeout_too():
    """A byte every 0.2 s is never late by itself, and still the whole is."""
    with shared() as address, connected(address) as connection:
        connection.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n".encode())
        stop = threading.Event()
        thread = threading.Thread(target=drip, args=(connection, stop))
        started = time.monotonic()
        thread.start()
        status, result = answer_of(connection)
        assert (status, result["error"]) == (408, "too_slow")
        assert time.monotonic() - started < 10
        assert is_closed_within(connection, 5)
        stop.set()
        thread.join()


def drip(connection: socket.socket, stop: threading.Event) -> None:
    """Send byte after byte."""
    while not stop.wait(0.2):
        try:
            connection.sendall(b" ")
        except OSError:
            return


@pytest.mark.fault("N2")
@pytest.mark.parametrize("sent", [b"", b"POST /predict HT", b"GET /health HTTP/1.1\r\nHost: x\r\nX: y\r\n"], ids=repr)
def test_a_request_whose_head_does_not_come_is_hung_up_on(sent):
    with shared() as address, connected(address) as connection:
        connection.sendall(sent)
        assert is_closed_within(connection, 6)


@pytest.mark.fault("N2")
def test_a_head_that_drips_is_hung_up_on():
    with shared() as address, connected(address) as connection:
        stop = threading.Event()
        thread = threading.Thread(target=drip, args=(connection, stop))
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        thread.start()
        assert is_closed_within(connection, 6)
        stop.set()
        thread.join()


@pytest.mark.fault("N2")
def test_a_head_without_end_is_refused():
    with shared() as address, connected(address) as connection:
        try:
            for _ in range(2000):
                connection.sendall(b"X" * 10_000)
        except OSError:
            return
        pytest.fail("20 MB of head were taken")


def test_a_connection_that_is_used_again_and_again_is_kept():
    with shared() as address, requests.Session() as session:
        for _ in range(5):
            assert session.get(f"{address}/health", timeout=20).status_code == 200
            time.sleep(0.4)  # less than the pause allowed


@pytest.mark.fault("N2")
def test_more_than_there_is_room_for_is_a_429_and_room_comes_back():
    with served(max_in_work=3, body_timeout_s=20, pause_timeout_s=20) as address:
        head = f"{HEAD}Content-Length: {len(QUESTION)}\r\n\r\n".encode()
        with connected(address) as one, connected(address) as two, connected(address) as three:
            holders = (one, two, three)
            for holder in holders:
                holder.sendall(head)
            wait_until(lambda: requests.get(f"{address}/health", timeout=20).json()["in_work"] == 3)
            assert requests.get(f"{address}/health", timeout=20).json()["status"] == "busy"
            refused = requests.post(f"{address}/predict", json={"caption": "amber"}, timeout=20)
            assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
            assert refused.headers["retry-after"] == "1"
            for holder in holders:
                holder.sendall(QUESTION)
                assert answer_of(holder)[0] == 200
            assert requests.post(f"{address}/predict", json={"caption": "amber"}, timeout=20).status_code == 200


@pytest.mark.fault("N2")
def test_clients_that_leave_in_mid_sentence_give_their_room_back():
    with served(max_in_work=2) as address:
        for _ in range(6):
            with connected(address) as connection:
                connection.sendall(f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode())
                wait_until(lambda: requests.get(f"{address}/health", timeout=20).json()["in_work"] > 0)
            wait_until(lambda: requests.get(f"{address}/health", timeout=20).json()["in_work"] == 0)
        assert requests.post(f"{address}/predict", json={"caption": "amber"}, timeout=20).status_code == 200


def wait_until(is_so, seconds: float = 10) -> None:
    """Until it is so, or fail."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Sleeper(Predictor):
    """The town's predictor, that takes its time or fails on a word."""

    def __init__(self) -> None:
        vars(self).update(vars(town_predictor()))
        self.wake = threading.Event()

    def answer(self, questions, options):
        """As ever, after waking up; with the question's own words in the error."""
        if any("fault" in question.caption for question in questions):
            raise RuntimeError(f"canary-4711 {[question.caption for question in questions]}")
        if any("sleep" in question.caption for question in questions):
            assert self.wake.wait(20)
        return super().answer(questions, options)


@pytest.mark.fault("N2")
def test_who_waits_too_long_for_an_answer_is_told():
    sleeper = Sleeper()
    with served(sleeper, answer_timeout_s=0.3) as address:
        result = requests.post(f"{address}/predict", json={"caption": "sleep"}, timeout=20)
        assert (result.status_code, result.json()["error"]) == (503, "too_busy")
        sleeper.wake.set()
        wait_until(lambda: requests.post(f"{address}/predict", json={"caption": "x"}, timeout=20).status_code == 200)


@pytest.mark.fault("N2")
def test_who_gave_up_in_the_queue_does_not_hold_up_those_behind():
    sleeper = Sleeper()
    with served(sleeper, answer_timeout_s=0.3) as address:
        for words in ("sleep", "amber in the queue"):
            assert requests.post(f"{address}/predict", json={"caption": words}, timeout=20).status_code == 503
        sleeper.wake.set()
        wait_until(lambda: requests.post(f"{address}/predict", json={"caption": "x"}, timeout=20).status_code == 200)


@pytest.mark.fault("N5")
def test_a_fault_of_the_server_is_a_500_without_words_and_the_next_question_is_answered(caplog):
    with served(Sleeper()) as address:
        result = requests.post(f"{address}/predict", json={"caption": "a fault in canary-4712"}, timeout=20)
        assert (result.status_code, result.json()["error"]) == (500, "internal")
        assert requests.post(f"{address}/predict", json={"caption": "amber"}, timeout=20).status_code == 200
    assert "RuntimeError at " in caplog.text and "test_limits.py" in caplog.text
    assert "canary" not in result.text + caplog.text


def test_questions_that_wait_together_are_answered_together_and_each_its_own():
    """While one sleeps, seven come: they are answered in two batches of at most four."""
    sleeper, sizes = Sleeper(), []
    plain = sleeper.answer
    sleeper.answer = lambda questions, options: [sizes.append(len(questions)), plain(questions, options)][1]
    result: dict[int, str] = {}

    def send(number: int) -> None:
        words = {"caption": "sleep"} if number < 0 else {"caption": caption(number)}
        answered = requests.post(f"{address}/predict", json=words, timeout=20).json()
        result[number] = answered["places"][0]["name"]

    with served(sleeper, max_batch=4) as address:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(-1, 7)]
        for thread in threads:
            thread.start()
            if thread is threads[0]:
                wait_until(lambda: sizes)
        wait_until(lambda: requests.get(f"{address}/health", timeout=20).json()["in_work"] == 8)
        time.sleep(0.2)
        sleeper.wake.set()
        for thread in threads:
            thread.join()
    assert sizes == [1, 4, 3]
    names = [label["name"] for label in town_predictor().places.labels]
    assert [result[number] for number in range(7)] == names[:7]


def test_the_limits_bound_the_memory_that_bodies_take():
    limits = Limits()
    assert limits.max_in_work * limits.max_body_bytes <= 512 * 1024**2
