"""Partitions: what a command that names none makes of training and evaluation."""

import click
import pytest

from assets import partitions


@pytest.mark.fault("D16")
@pytest.mark.parametrize(
    ("words", "of_all"),
    [
        pytest.param({"select": "train_mrlf", "partition": None, "partition_range": None}, True, id="none is named"),
        pytest.param({"select": "*", "partition": "demo", "partition_range": None}, False, id="one is named"),
        pytest.param({"select": "*", "partition": None, "partition_range": "a...b"}, False, id="a range is named"),
        pytest.param({"module_name": "assets.definitions"}, False, id="a server loads them"),
    ],
)
def test_they_are_of_all_cities_at_once_only_in_a_command_without_a_partition(words, of_all):
    command = click.Context(click.Command("materialize"))
    command.params = words
    with command:
        assert partitions._names_no_partition() is of_all


def test_outside_a_command_they_are_of_each_city():
    assert not partitions._names_no_partition()
