"""Exports to ONNX whose translations of torch's operators are read once: torch parses a thousand for each export."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from torch.onnx._internal.exporter._registration import ONNXRegistry

_read = cache(ONNXRegistry.from_torchlib)


@contextmanager
def read_once() -> Iterator[None]:
    """Every export inside is handed the same translations, which none of them changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(_read))
        yield
