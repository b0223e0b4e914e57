"""Picture networks drawn from a seed, each made once in a process: to draw and compile one takes up to a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest

from models.vision.backbones import fixed_seed_features

_kept = lru_cache(maxsize=4)(fixed_seed_features)


@contextmanager
def drawn_once() -> Iterator[None]:
    """Whoever asks inside for a network that was drawn before gets the same one, which is frozen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.vision.backbones.fixed_seed_features", _kept)
        yield
