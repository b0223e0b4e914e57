"""Everything on disk: `Store` is the one door through which the stages read and write."""

from pipeline.store.store import Store

__all__ = ["Store"]
