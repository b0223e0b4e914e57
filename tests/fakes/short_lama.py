"""Big-LaMa with one of its eighteen blocks: the same kinds of layers, a ninth of the weights, for what only needs a
network to run. Its true size is tested where files of it are read.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

FIRST_BLOCK = 5


@contextmanager
def one_block() -> Iterator[None]:
    """Whatever is built or checked inside is the short network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.vision.lama._BLOCKS", (FIRST_BLOCK,))
        patch.setattr("models.vision.lama_weights._BLOCKS", [f"model.{FIRST_BLOCK}.conv{half}" for half in (1, 2)])
        yield
