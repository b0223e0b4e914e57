"""HTTP as uvicorn speaks it, less patient: who connects and does not finish the head of a request is cut off.

The time for a body is the application's matter (`pipeline.serve.body`); the head comes before the application hears
of it, and uvicorn itself waits for it without end. Its h11 protocol is used since it bounds the size of a head.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.serve.limits import Limits


class ImpatientProtocol(H11Protocol):
    """Looks at the connection now and then: one that is between requests, or closing, two times over is ended."""

    pause_s: float = Limits.pause_timeout_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._look(None)

    def _look(self, last: tuple[object, ...] | None) -> None:
        now = self._state()
        if now is not None and now == last:
            if self.transport.is_closing():
                self.transport.abort()  # nobody takes what is left to send
                return
            self.timeout_keep_alive_handler()
        self._timer = self.loop.call_later(self.pause_s, self._look, now)

    def _state(self) -> tuple[object, ...] | None:
        """Equal at two looks: nothing came of it meanwhile. None: a request is being answered."""
        if self.transport.is_closing():
            return ("closing",)
        is_between = self.cycle is None or self.cycle.response_complete
        return (self.cycle,) if is_between else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no longer."""
        self._timer.cancel()
        super().connection_lost(exc)
