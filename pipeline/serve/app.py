"""The server's routes: /predict, /models, /health, the page at /, and /openapi.json.

Law (PRIVACY.md, feature 14; faults N1 to N3, N5): a request lives in memory and is gone with its answer; what cannot
be answered is a typed refusal; no more is taken in than `Limits` say. FastAPI's own pages of documentation are off:
they load scripts from elsewhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from pipeline.picture_bytes import Decode
from pipeline.predict.answer import Answer, CoarseAnswer
from pipeline.predict.predictor import PredictOptions, Predictor, Question, RefusedQuestion
from pipeline.serve.batching import Batcher, PredictResponse
from pipeline.serve.body import AnswerBeforeTheEnd, read_body
from pipeline.serve.decoding import Decoders
from pipeline.serve.documentation import DESCRIPTION, HEALTH_ANSWERS, MODEL_ANSWERS, PREDICT_ANSWERS, PREDICT_BODY
from pipeline.serve.form import PredictRequest, read_form
from pipeline.serve.limits import Limits
from pipeline.serve.middleware import Envelope, OwnPages
from pipeline.serve.models import Health, Models, models_of
from pipeline.serve.page import render_page
from pipeline.serve.refusals import STATUS_OF_REASON, Refusal

NO_ROOM = "the server is at its limit of requests: try again in a second"


class Service:
    """The predictor with its threads and decoders, and since when each request is in work."""

    def __init__(self, predictor: Predictor, limits: Limits, *, coarse: bool) -> None:
        self.predictor, self.limits, self.coarse = predictor, limits, coarse
        self.batcher = Batcher(predictor, limits.max_batch)
        self.decoders = Decoders(limits.decoding_threads, limits.decoding_cpu_s)
        self.readers = ThreadPoolExecutor(limits.decoding_threads, thread_name_prefix="reading")
        self.in_work: dict[Request, float] = {}

    async def predict(self, http_request: Request) -> PredictResponse:
        """The answer to a request.

        Raises:
            Refusal: there is no room for it, or it cannot be answered.
        """
        if len(self.in_work) >= self.limits.max_in_work:
            raise Refusal("too_many_requests", NO_ROOM, is_unread=True)
        self.in_work[http_request] = time.monotonic()
        try:
            body = await read_body(http_request, self.limits)
            request = await read_form(http_request.headers.get("content-type", ""), body, self.limits)
            del body
            async with asyncio.timeout(self.limits.answer_timeout_s):
                return await self._answer(request)
        except TimeoutError:
            raise Refusal("too_busy", "no answer could be computed in time: ask again later") from None
        except asyncio.CancelledError:  # the server ends, and nothing else does that
            raise Refusal("too_busy", "the server is ending: ask again later") from None
        finally:
            del self.in_work[http_request]

    def health(self) -> Health:
        """What is in work; busy too while the networks take longer than any answer may."""
        now = time.monotonic()
        computing_since = self.batcher.computing_since or now
        is_late = now - computing_since > self.limits.answer_timeout_s
        return Health(
            status="busy" if is_late or len(self.in_work) >= self.limits.max_in_work else "ok",
            model=self.predictor.facts.model,
            in_work=len(self.in_work),
            max_in_work=self.limits.max_in_work,
            decoding=self.decoders.num_busy,
            max_decoding=self.limits.decoding_threads,
            oldest_s=round(now - min([computing_since, *self.in_work.values()]), 3),
        )

    async def stop(self) -> None:
        """End what is in work: decoders at once, the networks after a moment."""
        self.readers.shutdown(wait=False, cancel_futures=True)
        self.decoders.stop()
        await self.batcher.stop()

    async def _answer(self, request: PredictRequest) -> PredictResponse:
        options = PredictOptions(coarse=True) if self.coarse else request.options
        loop = asyncio.get_running_loop()
        decode = partial(self.decoders.decode, until=time.monotonic() + self.limits.answer_timeout_s)
        read = partial(self._read, request.picture, request.caption, decode)
        question = await loop.run_in_executor(self.readers, read)
        return await self.batcher.answer(question, options)

    def _read(self, picture: bytes | None, caption: object, decode: Decode) -> Question:
        try:
            return self.predictor.read(picture, caption, decode)
        except RefusedQuestion as refused:
            status = STATUS_OF_REASON.get(refused.reason, 422)
            raise Refusal(refused.reason, str(refused), status=status) from None


def create_app(
    predictor: Predictor, *, limits: Limits | None = None, coarse: bool = False, hosts: Collection[str] | None = None
) -> FastAPI:
    """The application.

    coarse: of every answer only the kind of place, and no place in the list of models. hosts: the names by which it
    may be asked, None for any.
    """
    service = Service(predictor, limits or Limits(), coarse=coarse)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        await service.stop()

    app = FastAPI(
        title="Where a post was made",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    _add_routes(app, service)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _internal)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_middleware(OwnPages, hosts=hosts)
    app.add_middleware(Envelope)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict",
        response_model=Answer | CoarseAnswer,
        responses=PREDICT_ANSWERS,
        openapi_extra=PREDICT_BODY,
        summary="The places that a picture, its caption or both may show",
    )
    async def predict(request: Request) -> Response:
        answer = await service.predict(request)
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.head("/models", include_in_schema=False)
    @app.get("/models", responses=MODEL_ANSWERS, summary="The model that answers, and the places it knows")
    async def models() -> Models:
        return models_of(service.predictor, coarse=service.coarse)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", responses=HEALTH_ANSWERS, summary="Whether there is room for a question now")
    async def health() -> Health:
        return service.health()

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        html, policy = render_page(service.predictor.facts, coarse=service.coarse, limits=service.limits)
        return HTMLResponse(html, headers={"content-security-policy": policy})


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    headers = {"retry-after": "1"} if error.status in (429, 503) else {}
    kind = AnswerBeforeTheEnd if error.is_unread else JSONResponse
    return kind(error.body().model_dump(), error.status, headers)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    """No such page or method: the answer does not repeat the request."""
    assert isinstance(error, HTTPException | StarletteHTTPException)
    word = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    message = "there are POST /predict, GET /models, GET /health, GET /openapi.json and the page at /"
    return JSONResponse({"error": word, "message": message}, error.status_code, error.headers)


async def _internal(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "internal", "message": "the server failed: its log says where"}, 500)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=400)  # for nobody
