"""A request's body as bytes in memory: no larger and no slower than the limits, and never in a file.

What is too large is noticed while it comes in, whatever its Content-Length claims. A body holds a place from its first
byte to its last, so it has to come at a least rate. Frameworks write large uploads to temporary files; here nothing of
a request may reach a disk.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from pipeline.serve.limits import Limits
from pipeline.serve.refusals import Refusal

LINGER_S = 5.0
LINGER_BYTES = 16 * 1024**2


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body.

    Raises:
        Refusal: `body_too_large` or `too_slow`.
        starlette.requests.ClientDisconnect: nobody is there any more.
    """
    too_large = Refusal(
        "body_too_large",
        f"at most {limits.max_body_bytes:,} bytes are taken: send a smaller copy of the picture",
        is_unread=True,
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise too_large
    body, stream = bytearray(), request.stream()
    started = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(None) as patience:
            while True:
                earned_s = limits.pause_timeout_s + len(body) / limits.least_bytes_per_s
                patience.reschedule(started + min(earned_s, limits.body_timeout_s))
                chunk = await _next(stream, limits.pause_timeout_s)
                if not chunk:
                    break
                if len(body) + len(chunk) > limits.max_body_bytes:
                    raise too_large
                body += chunk
    except TimeoutError:
        raise Refusal("too_slow", "the request came in too slowly: send it again", is_unread=True) from None
    return bytes(body)


class AnswerBeforeTheEnd(JSONResponse):
    """An answer to a request whose body is not wanted: sent at once, then the connection ends.

    What still comes is let pass by for a moment, unkept: hung up on in mid-sentence, many clients never read why.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the whole answer, listen for a moment, and end it."""
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await _let_pass(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _let_pass(receive: Receive) -> None:
    """Take what comes, up to a bound, and keep nothing."""
    passed, has_more = 0, True
    while has_more and passed < LINGER_BYTES:
        message = await receive()
        passed += len(message.get("body", b""))
        has_more = message.get("more_body", False)


async def _next(stream: AsyncGenerator[bytes, None], timeout_s: float) -> bytes:
    """The next piece, empty at the end."""
    async with asyncio.timeout(timeout_s):
        return await anext(stream, b"")
