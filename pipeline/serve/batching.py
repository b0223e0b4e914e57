"""Questions that wait together go through the networks together, in one thread; no more wait than there is room for.

Nothing is waited for to fill a batch: what came while the last one was computed is the next one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pipeline.predict.answer import Answer, CoarseAnswer
from pipeline.predict.predictor import PredictOptions, Predictor, Question

PredictResponse = Answer | CoarseAnswer
FINISH_BATCH_S = 2.0
Ticket = asyncio.Future[tuple[asyncio.Future[list[PredictResponse]], int]]


class Batcher:
    """Answers of one predictor; to be used within the event loop in which `start` was called."""

    def __init__(self, predictor: Predictor, max_batch: int) -> None:
        self._predictor, self._max_batch = predictor, max_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._waiting: deque[tuple[Question, PredictOptions, Ticket]] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.computing_since: float | None = None
        """when the batch that is being computed was begun, by `time.monotonic`"""

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._answer_on_and_on())

    async def stop(self) -> None:
        """Answer nothing more; what is being computed has a moment to finish."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + FINISH_BATCH_S
        while self.computing_since is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def answer(self, question: Question, options: PredictOptions) -> PredictResponse:
        """The answer, or the error that befell its batch; who does not wait any longer costs nothing."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._waiting.append((question, options, ticket))
        self._arrived.set()
        batch, place = await ticket
        return (await asyncio.shield(batch))[place]

    async def _answer_on_and_on(self) -> None:
        while True:
            await self._arrived.wait()
            batch = self._next_batch()
            if not batch:
                continue
            questions, options, tickets = zip(*batch, strict=True)
            answers = asyncio.get_running_loop().run_in_executor(self._thread, self._compute, questions, options)
            for place, ticket in enumerate(tickets):
                ticket.set_result((answers, place))
            await asyncio.wait([answers])

    def _next_batch(self) -> list[tuple[Question, PredictOptions, Ticket]]:
        batch: list[tuple[Question, PredictOptions, Ticket]] = []
        while self._waiting and len(batch) < self._max_batch:
            one = self._waiting.popleft()
            if not one[2].done():
                batch.append(one)
        if not self._waiting:
            self._arrived.clear()
        return batch

    def _compute(self, questions: Sequence[Question], options: Sequence[PredictOptions]) -> list[PredictResponse]:
        self.computing_since = time.monotonic()
        try:
            return self._predictor.answer(questions, options)
        finally:
            self.computing_since = None
