"""The limits of the server: sizes of requests, requests at once, and timeouts. They bound its memory.

Bodies: at most `max_in_work * max_body_bytes` (320 MiB). Pixels: as many pictures at once as there are processes for
decoding (`pipeline.serve.decoding`). Behind that, pictures wait as small as the network reads them.
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
    least_bytes_per_s: int = 16 * 1024
    """of a body all in all, once it has taken longer than one pause may"""
    answer_timeout_s: float = 60.0
    """from the whole body to the answer; then its place is free, and its picture's decoder is ended"""
    max_connections: int = 2048
    decoding_threads: int = 2
    """processes that decode, each with a thread that waits for it"""
    decoding_cpu_s: float = 20.0
    """of one picture; the slowest that is taken needs 4 s"""
    max_top: int = 50
