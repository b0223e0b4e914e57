"""Everything on disk: the stages read and write through `Store` alone."""

from pipeline.store.store import Store

__all__ = ["Store"]
