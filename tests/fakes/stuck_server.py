"""A server whose decoders and networks do what a picture or caption says: for what no real picture does any more.

By hand: `python -m tests.fakes.stuck_server FINISH_WITHIN_S END_WITHIN_S` prints its port.
"""

import sys
import time
from contextlib import suppress
from functools import partial

from pipeline.predict.answer import CoarseAnswer
from pipeline.predict.predictor import ModelFacts, Predictor, Question
from pipeline.serve import app, run
from pipeline.serve.decoding import Decoders
from pipeline.serve.limits import Limits
from tests.fakes.stuck_decoder import work


class Stuck(Predictor):
    """Reads without networks, and never answers the caption `sleep`."""

    def __init__(self) -> None:
        """No networks, but the name of a model."""
        self.facts = ModelFacts(
            city="nowhere",
            city_name="Nowhere",
            model="mrlf",
            run="0",
            release="0",
            is_synthetic=True,
            backbone="none",
            backbone_weights_sha256="0" * 64,
            test_accuracy=0.0,
            mean_error_km=0.0,
        )

    def read(self, picture, caption, decode=work):
        """The caption, after the picture was decoded."""
        if picture is not None:
            decode(picture, 4)
        return Question(picture=None, caption=str(caption), hashtags=(), unknown_hashtags=())

    def answer(self, questions, options):
        """Nothing, at once or never."""
        if any(question.caption == "sleep" for question in questions):
            time.sleep(60)
        return [CoarseAnswer(city="Nowhere", model="mrlf", kinds=[], notes=[]) for _ in questions]


def main(finish_within_s: str, end_within_s: str) -> None:
    """Serve until ended."""
    run.FINISH_WITHIN_S, run.END_WITHIN_S = int(finish_within_s), float(end_within_s)
    app.Decoders = partial(Decoders, work=work)
    limits = Limits()
    with run.listen("127.0.0.1", 0) as listening, suppress(KeyboardInterrupt):
        print(listening.getsockname()[1], flush=True)
        run.make_server(app.create_app(Stuck(), limits=limits), limits).run(sockets=[listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
