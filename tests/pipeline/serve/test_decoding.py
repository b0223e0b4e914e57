"""Decoders (fault N9): whatever a picture does to the process that decodes it, the next one is decoded."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.picture_bytes import UnreadablePicture, decode_picture
from pipeline.serve.decoding import Decoders
from tests.fakes.pictures import encoded, pixels
from tests.fakes.stuck_decoder import work

pytestmark = [pytest.mark.fault("N9"), pytest.mark.slow]


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """One process, that does what it is told."""
    made = Decoders(1, cpu_s=0.3, work=work)
    yield made
    made.stop()


def soon() -> float:
    """Enough for all that ends."""
    return time.monotonic() + 20


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        pytest.param(b"busy", "undecodable", id="a core without end"),
        pytest.param(b"memory", "undecodable", id="8 GiB"),
        pytest.param(b"die", "undecodable", id="a crash"),
        pytest.param(b"lie", "undecodable", id="something else than pixels"),
        pytest.param(b"cut", "truncated", id="a reason"),
    ],
)
def test_a_process_that_is_lost_over_a_picture_is_the_pictures_fault_alone(decoders, what, reason):
    with pytest.raises(UnreadablePicture, match=reason):
        decoders.decode(what, 4, soon())
    assert decoders.decode(b"good", 4, soon()).tolist() == np.full((4, 6, 3), 7).tolist()
    assert decoders.num_busy == 0


def test_when_the_time_is_over_the_place_is_free(decoders):
    decoders.decode(b"good", 4, soon())
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        decoders.decode(b"sleep", 4, started + 0.2)
    assert decoders.num_busy == 0
    assert decoders.decode(b"good", 4, soon()).shape == (4, 6, 3)
    assert time.monotonic() - started < 10


def test_who_finds_no_free_place_in_time_waits_no_longer():
    with pytest.raises(TimeoutError):
        Decoders(0, cpu_s=1).decode(b"good", 4, time.monotonic() + 0.05)


def test_who_waits_when_they_are_ended_waits_no_longer(decoders):
    decoders.decode(b"good", 4, soon())
    threading.Timer(0.2, decoders.stop).start()
    started = time.monotonic()
    with pytest.raises(UnreadablePicture, match="undecodable"):
        decoders.decode(b"sleep", 4, soon())
    assert time.monotonic() - started < 5


def test_pixels_come_as_they_are_decoded_here():
    data = encoded(pixels(2, (300, 200)))
    decoders = Decoders(1, cpu_s=10)
    assert np.array_equal(decoders.decode(data, 50, soon()), decode_picture(data, 50))
    decoders.stop()
