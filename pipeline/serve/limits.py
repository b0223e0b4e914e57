"""The limits of the server: sizes of requests, requests at once, and timeouts. They bound its memory.

Bodies: at most `max_in_work * max_body_bytes` (320 MiB). Pixels: as many pictures at once as there are threads for
decoding, each within `pipeline.picture_bytes`. Behind that, pictures wait as small as the network reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond these a request is refused; the defaults suit one machine and its own page."""

    max_body_bytes: int = 10 * 1024**2
    max_in_work: int = 32
    """requests that are read, wait or are answered at one time; one more is refused with 429"""
    max_batch: int = 16
    """questions that go through the networks together"""
    body_timeout_s: float = 30.0
    """for the whole body"""
    pause_timeout_s: float = 5.0
    """for the next piece of it, and for the head of a request"""
    answer_timeout_s: float = 60.0
    """from the whole body to the answer"""
    max_connections: int = 2048
    decoding_threads: int = 2
    max_top: int = 50
