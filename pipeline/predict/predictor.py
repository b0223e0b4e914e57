"""The predictor: questions in, answers out, all in memory. `pipeline.predict.loading` makes one from a store.

Law: a question is answered alike alone and among others, and nothing of it is kept or logged.
Threads: `read` may be called from many at once, `answer` from one at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.images.decode import Picture
from pipeline.predict.answer import (
    NO_PICTURE,
    NO_TEXT,
    Answer,
    CoarseAnswer,
    Places,
    Record,
    Why,
    ranked_kinds,
    ranked_places,
    spread_km,
    why,
)
from pipeline.predict.question import Question, read_question

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.explain.attention_shares import AttentionShares
    from models.trained import TrainedModel
    from models.vision.backbones import ImageFeatures


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What an answer is to hold: so many places; only the kind of place (coarse); what decided it (why)."""

    top: int = 5
    coarse: bool = False
    why: bool = False


class ModelFacts(Record):
    """What a person may know of the model: no path, no key, no post."""

    city: str
    city_name: str
    model: str
    run: str
    release: str
    is_synthetic: bool
    backbone: str
    backbone_weights_sha256: str
    test_accuracy: float
    mean_error_km: float


class Predictor:
    """A trained model, the network that looks at pictures, and the places that it knows.

    temperature: divides the log-probabilities; fitted on validation posts. known_hashtags: of the data set.
    """

    def __init__(
        self,
        model: "TrainedModel",
        backbone: "ImageFeatures",
        places: Places,
        facts: ModelFacts,
        *,
        temperature: float,
        known_hashtags: frozenset[str],
    ) -> None:
        self.model, self.backbone, self.places, self.facts = model, backbone, places, facts
        self.temperature, self.known_hashtags = temperature, known_hashtags

    def read(self, picture: bytes | None, caption: object) -> Question:
        """The question that these bytes and this caption make.

        Raises:
            RefusedQuestion: nothing is given, or it cannot be read.
        """
        return read_question(
            picture, caption, known_hashtags=self.known_hashtags, resized_side_px=self.backbone.input_side_px
        )

    def answer(self, questions: Sequence[Question], options: Sequence[PredictOptions]) -> list[Answer | CoarseAnswer]:
        """One answer per question: one pass of each network for all, and one more for those that ask why."""
        posts = self.samples(questions)
        proba_NC = self.probabilities(posts)
        asking = [row for row, wanted in enumerate(options) if wanted.why and not wanted.coarse]
        reasons = dict(zip(asking, self._why(posts.take(asking), proba_NC[asking].argmax(axis=1)), strict=True))
        return [
            self._coarse(question, proba_C)
            if wanted.coarse
            else self._fine(question, proba_C, wanted.top, reasons.get(row))
            for row, (question, wanted, proba_C) in enumerate(zip(questions, options, proba_NC, strict=True))
        ]

    def samples(self, questions: Sequence[Question]) -> "Samples":
        """The questions as the models read posts; features pass through float16, as those learnt from did."""
        from models.data.samples import Samples

        seen = [row for row, question in enumerate(questions) if question.picture is not None]
        image_ND = np.zeros((len(questions), self.backbone.num_features), dtype=np.float32)
        if seen:
            pictures: list[Picture] = [q.picture for q in questions if q.picture is not None]
            image_ND[seen] = self.backbone(pictures).astype("<f2").astype(np.float32)
        return Samples(
            keys=[str(row) for row in range(len(questions))],
            captions=[question.caption for question in questions],
            hashtags=[list(question.hashtags) for question in questions],
            image_ND=image_ND,
            labels_N=np.zeros(len(questions), dtype=np.int64),
            has_image_N=np.isin(np.arange(len(questions)), seen),
        )

    def probabilities(self, posts: "Samples") -> "np.ndarray[Any, Any]":
        """Probabilities (N, C) at the model's temperature."""
        from models.evaluation.calibration import with_temperature

        return with_temperature(self.model.predict_proba(posts), self.temperature)

    def _why(self, posts: "Samples", labels: "np.ndarray[Any, Any]") -> list[Why]:
        """What decided for `labels`, by leaving out parts; the variants of all posts go through the model at once."""
        from models.explain.explain import influences, joined, shown_hashtags, shown_words, variants

        if not len(posts):
            return []
        alone = [posts.take([row]) for row in range(len(posts))]
        varied = [variants(post) for post in alone]
        proba = self.probabilities(joined(varied))
        parts = np.split(proba, np.cumsum([len(one) for one in varied])[:-1])
        return [
            why(
                shown_words(post.captions[0]),
                shown_hashtags(post.hashtags[0]),
                influences(post, proba_VC, int(label)),
                attention,
            )
            for post, proba_VC, label, attention in zip(alone, parts, labels, self._attention(posts), strict=True)
        ]

    def _attention(self, posts: "Samples") -> "list[AttentionShares]":
        """Of the network itself, or of the networks of a blend, on average."""
        from models.explain.attention_shares import attention_shares, mean_shares
        from models.training.fitted import Fitted

        networks = [self.model] if isinstance(self.model, Fitted) else getattr(self.model, "networks", ())
        return mean_shares([attention_shares(network, posts) for network in networks], len(posts))

    def _fine(self, question: Question, proba_C: "np.ndarray[Any, Any]", top: int, reason: Why | None) -> Answer:
        expected, radius_50, radius_90 = spread_km(self.places, proba_C)
        return Answer(
            city=self.facts.city_name,
            places=ranked_places(self.places, proba_C, top),
            expected_error_km=round(expected, 3),
            radius_50_km=round(radius_50, 3),
            radius_90_km=round(radius_90, 3),
            why=reason,
            unknown_hashtags=list(question.unknown_hashtags),
            notes=_notes(question),
        )

    def _coarse(self, question: Question, proba_C: "np.ndarray[Any, Any]") -> CoarseAnswer:
        kinds = ranked_kinds(self.places, proba_C)
        return CoarseAnswer(city=self.facts.city_name, kinds=kinds, notes=_notes(question))


def _notes(question: Question) -> list[str]:
    notes = [NO_PICTURE] if question.picture is None else []
    return [*notes, NO_TEXT] if not question.caption and not question.hashtags else notes
