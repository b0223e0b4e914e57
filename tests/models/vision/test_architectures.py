"""Architectures: each checks and builds through its own network's functions."""

import pytest
import torch

from models.vision.architectures import ARCHITECTURES
from models.vision.u2net_weights import random_state


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_an_empty_state_is_refused_with_its_origin(name):
    with pytest.raises(ValueError, match=r"empty\.pth"):
        ARCHITECTURES[name].check_state({}, "empty.pth")


@pytest.mark.slow
def test_a_checked_state_builds_its_network():
    architecture = ARCHITECTURES["u2netp"]
    network = architecture.build(architecture.check_state(random_state("u2netp"), "random"))
    assert not network.training
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)
