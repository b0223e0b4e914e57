"""Progress: the time left at most, from this process's own steps, in words; logged once an epoch and once a minute."""

import dataclasses
import logging

import pytest

from models.settings.train_config import Epoch
from pipeline.training.training_log import Progress, in_words


class Clock:
    """A clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def epoch(number):
    return Epoch(
        epoch=number, train_loss=1.5, validation_loss=2.25, validation_accuracy=0.125, learning_rate=0.1, seconds=60.0
    )


@pytest.fixture
def clock():
    return Clock()


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_an_epoch_is_logged_with_its_figures_and_the_time_left(clock, caplog):
    caplog.set_level(logging.INFO, logger="mrlf")
    with Progress("demo train_mrlf", 30, clock) as progress:
        for number in (1, 2, 3):
            clock.now += 60
            progress.epoch(epoch(number))
    assert lines(caplog)[-1] == (
        "demo train_mrlf: epoch 3 of at most 30, loss 1.500, validation loss 2.250, accuracy 0.125, 60.0 s, "
        "about 27 min left"
    )
    assert [line.rsplit(", ", 1)[1] for line in lines(caplog)] == [
        "about 29 min left",
        "about 28 min left",
        "about 27 min left",
    ]


def test_long_epochs_are_logged_once_a_minute(clock, caplog):
    caplog.set_level(logging.INFO, logger="mrlf")
    with Progress("demo", 2, clock) as progress:
        for step in range(1, 11):
            clock.now += 30
            progress.step(1, step, 10)
        progress.epoch(epoch(1))
    assert lines(caplog)[0] == "demo: epoch 1 of at most 2, 20% of it, about 9 min left"
    assert len(lines(caplog)) == 4 + 1 and lines(caplog)[-1].endswith("about 5 min left")


def test_a_run_that_goes_on_counts_its_own_steps_only(clock, caplog):
    """Half of epoch 10 of 20 was done before: each of the five steps here took 10 s, so an epoch takes 100 s."""
    caplog.set_level(logging.INFO, logger="mrlf")
    with Progress("demo", 20, clock) as progress:
        for step in range(6, 11):
            clock.now += 10
            progress.step(10, step, 10)
        progress.epoch(epoch(10))
    assert lines(caplog)[-1].endswith("about 17 min left")


def test_what_comes_before_the_first_step_is_no_part_of_the_time(clock, caplog):
    """The text was encoded for ten minutes, then epochs of a single step take 6 s each."""
    caplog.set_level(logging.INFO, logger="mrlf")
    with Progress("demo", 11, clock) as progress:
        clock.now += 600
        for number in (1, 2):
            clock.now += 6
            progress.step(number, 1, 1)
            progress.epoch(dataclasses.replace(epoch(number), seconds=6.0))
    assert [line.rsplit(", ", 1)[1] for line in lines(caplog)] == ["about 60 s left", "about 54 s left"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "about 0 s"), (89, "about 89 s"), (90, "about 2 min"), (5399, "about 90 min"), (9000, "about 2.5 h")],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words
