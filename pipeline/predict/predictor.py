"""The predictor: questions in, answers out, all in memory. `pipeline.predict.loading` makes one from a store.

Law: a question is answered alike alone and among others, and nothing of it is kept or logged.
Threads: `read` may be called from many at once, `answer` from one at a time.

A question is a picture and a caption from outside, brought into the form in which posts were learnt from: the caption
takes the same steps as a collected one (cleaned, hashtags apart, only those the data set knows), the picture that of a
clean one (same limits, upright, RGB), so that a post of the data set asked about is the post itself.
What cannot be read is refused with a reason, before a pixel of it is decoded if the header shows it.
Covered: every caption that JSON can hold, every picture of `pipeline.picture_bytes`. Not covered: people in the
picture are not painted over, as they were in training (see docs/DECISIONS.md); the language is not looked at.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.collect.archive.fields import MAX_CAPTION_CHARACTERS
from pipeline.picture_bytes import LIMITS, Decode, Picture, UnreadablePicture, decode_picture
from pipeline.predict.answer import (
    LESS_SURE,
    NO_PICTURE,
    NO_TEXT,
    NOTHING_KNOWN,
    Answer,
    CoarseAnswer,
    Doubt,
    Places,
    Record,
    Why,
    ranked_kinds,
    ranked_places,
    spread_km,
    why,
)
from pipeline.text.captions import clean_caption, hashtags, without_hashtags

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.explain.attention_shares import AttentionShares
    from models.trained import TrainedModel
    from models.vision.backbones import ImageFeatures


WHY_UNREADABLE = {
    "not_an_image": "these bytes are no picture: send a JPEG, PNG or WebP file",
    "unsupported_format": "pictures of this format are not taken: send a JPEG, PNG or WebP file",
    "truncated": "the picture is cut off or damaged: send the whole file",
    "undecodable": "to decode the picture takes more time or memory than a picture needs: save it anew",
    "bad_header": "the picture's header is damaged or holds megabytes of metadata: save the picture anew",
    "too_many_pixels": f"the picture has more than {LIMITS.max_pixels:,} pixels: send a smaller copy",
    "too_many_scans": "the picture is stored in more passes (JPEG scans) than any encoder writes: save it anew",
    "too_small": f"a side of the picture is shorter than {LIMITS.min_side_px} pixels: send a larger one",
    "too_narrow": f"the picture is more than {LIMITS.max_aspect_ratio:g} times as long as wide: send the part that "
    "matters",
}


class RefusedQuestion(ValueError):  # noqa: N818 (an answer to a person, not an error of the program)
    """What was asked cannot be answered; `reason` is a word that programs can go by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Question:
    """A post to place: either of `picture` and text may be missing, not both.

    picture: R x R pixels, R being the side that the picture network wants before its middle is cut out.
    caption: without hashtags. hashtags: those the data set knows; unknown_hashtags: the others, which are not read.
    """

    picture: Picture | None
    caption: str
    hashtags: tuple[str, ...]
    unknown_hashtags: tuple[str, ...]


def read_question(
    picture: bytes | None,
    caption: object,
    *,
    known_hashtags: Set[str],
    resized_side_px: int,
    decode: Decode = decode_picture,
) -> Question:
    """The question that these bytes and this caption (None or any text) make.

    Raises:
        RefusedQuestion: `nothing_given`, `caption_too_long`, `caption_no_text`, or a key of `WHY_UNREADABLE`.
    """
    text, tags = _read_text(caption)
    if picture is None and not text and not tags:
        raise RefusedQuestion("nothing_given", "there is neither a picture nor a word to go by: give one of them")
    return Question(
        picture=None if picture is None else _read_picture(picture, resized_side_px, decode),
        caption=text,
        hashtags=tuple(tag for tag in tags if tag in known_hashtags),
        unknown_hashtags=tuple(tag for tag in tags if tag not in known_hashtags),
    )


def _read_text(caption: object) -> tuple[str, list[str]]:
    if caption is not None and not isinstance(caption, str):
        raise RefusedQuestion("caption_no_text", f"the caption must be text, not {type(caption).__name__}")
    if len(caption or "") > MAX_CAPTION_CHARACTERS:
        raise RefusedQuestion(
            "caption_too_long",
            f"the caption has {len(caption or ''):,} characters: send at most {MAX_CAPTION_CHARACTERS:,}",
        )
    cleaned = clean_caption(caption)
    return without_hashtags(cleaned), hashtags(cleaned)


def _read_picture(data: bytes, resized_side_px: int, decode: Decode) -> Picture:
    """The middle square, no larger than the network reads it: what waits for its turn is small."""
    from models.vision.backbones import preprocess

    try:
        picture = decode(data, resized_side_px)
    except UnreadablePicture as unreadable:
        raise RefusedQuestion(unreadable.reason, WHY_UNREADABLE[unreadable.reason]) from None
    small: Picture = preprocess(picture, resized_side_px, resized_side_px).permute(1, 2, 0).numpy()
    return small


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
    model: str = Field(description="what answers: mrlf, best or linear")
    why_model: str = Field("", description="why that one answers")
    run: str
    release: str
    is_synthetic: bool
    backbone: str
    backbone_weights_sha256: str
    test_accuracy: float
    mean_error_km: float


@dataclass(frozen=True, kw_only=True)
class KnownPosts:
    """What the posts of the known places hold, by which a question is doubted that looks like none of these.

    words, hashtags: all of the data set. sureness: how sure the model is of validation posts, sorted, by the kinds of
    input that are shown of them ("text+image"). abstain: at or below which share of these a post is doubted.
    """

    words: frozenset[str]
    hashtags: frozenset[str]
    sureness: "Mapping[str, np.ndarray[Any, Any]]"
    abstain: float

    def doubt(self, question: Question, proba_C: "np.ndarray[Any, Any]") -> Doubt:
        """Whether a question with these probabilities shows a known place.

        What the data set does not have is not counted as shown: a caption of unknown words says nothing.
        """
        from models.data.text import normalise, words_of
        from models.evaluation.metrics import sureness, surer_than

        has_words = not self.words.isdisjoint(words_of(normalise(question.caption)))
        shown = {"text": has_words, "hashtags": bool(question.hashtags), "image": question.picture is not None}
        if not any(shown.values()):
            return Doubt(is_known_place=False, surer_than=None, note=NOTHING_KNOWN)
        known = self.sureness.get("+".join(kind for kind, is_shown in shown.items() if is_shown))
        if known is None or self.abstain * (len(known) + 1) < 1:
            return Doubt(is_known_place=True, surer_than=None, note="")
        share = float(surer_than(sureness(proba_C[None]), known)[0])
        if share > self.abstain:
            return Doubt(is_known_place=True, surer_than=share, note="")
        percent = f"{100 * (1 - share):.0f} %"
        return Doubt(is_known_place=False, surer_than=share, note=LESS_SURE.format(percent=percent))


class Predictor:
    """A trained model, the network that looks at pictures, and the places that it knows.

    temperature: divides the log-probabilities; fitted on validation posts.
    """

    def __init__(
        self,
        model: "TrainedModel",
        backbone: "ImageFeatures",
        places: Places,
        facts: ModelFacts,
        *,
        temperature: float,
        known: KnownPosts,
    ) -> None:
        self.model, self.backbone, self.places, self.facts = model, backbone, places, facts
        self.temperature, self.known = temperature, known

    def read(self, picture: bytes | None, caption: object, decode: Decode = decode_picture) -> Question:
        """The question that these bytes and this caption make.

        Raises:
            RefusedQuestion: nothing is given, or it cannot be read.
        """
        return read_question(
            picture,
            caption,
            known_hashtags=self.known.hashtags,
            resized_side_px=self.backbone.input_side_px,
            decode=decode,
        )

    def answer(self, questions: Sequence[Question], options: Sequence[PredictOptions]) -> list[Answer | CoarseAnswer]:
        """One answer per question: one pass of each network for all, and one more for those that ask why."""
        from models.evaluation.metrics import with_temperature

        posts = self.samples(questions)
        as_given_NC = self.model.predict_proba(posts)
        proba_NC = with_temperature(as_given_NC, self.temperature)
        doubts = [
            self.known.doubt(question, proba_C) for question, proba_C in zip(questions, as_given_NC, strict=True)
        ]
        asking = [row for row, wanted in enumerate(options) if wanted.why and not wanted.coarse]
        reasons = dict(zip(asking, self._why(posts.take(asking), proba_NC[asking].argmax(axis=1)), strict=True))
        return [
            self._coarse(question, doubt, proba_C)
            if wanted.coarse
            else self._fine(question, doubt, proba_C, wanted.top, reasons.get(row))
            for row, (question, doubt, wanted, proba_C) in enumerate(
                zip(questions, doubts, options, proba_NC, strict=True)
            )
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
        from models.evaluation.metrics import with_temperature

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
        """Of the network itself, or of the networks of a blend, on average; a linear model has none."""
        from models.explain.attention_shares import attention_shares, mean_shares
        from models.training.fitted import Fitted

        networks = [self.model] if isinstance(self.model, Fitted) else getattr(self.model, "networks", ())
        return mean_shares([attention_shares(network, posts) for network in networks], len(posts))

    def _fine(
        self, question: Question, doubt: Doubt, proba_C: "np.ndarray[Any, Any]", top: int, reason: Why | None
    ) -> Answer:
        expected, radius_50, radius_90 = spread_km(self.places, proba_C)
        return Answer(
            city=self.facts.city_name,
            model=self.facts.model,
            **doubt.model_dump(exclude={"note"}),
            places=ranked_places(self.places, proba_C, top),
            expected_error_km=round(expected, 3),
            radius_50_km=round(radius_50, 3),
            radius_90_km=round(radius_90, 3),
            why=reason,
            unknown_hashtags=list(question.unknown_hashtags),
            notes=_notes(question, doubt),
        )

    def _coarse(self, question: Question, doubt: Doubt, proba_C: "np.ndarray[Any, Any]") -> CoarseAnswer:
        return CoarseAnswer(
            city=self.facts.city_name,
            model=self.facts.model,
            **doubt.model_dump(exclude={"note"}),
            kinds=ranked_kinds(self.places, proba_C),
            notes=_notes(question, doubt),
        )


def _notes(question: Question, doubt: Doubt) -> list[str]:
    notes = [doubt.note] if doubt.note else []
    notes += [NO_PICTURE] if question.picture is None else []
    return [*notes, NO_TEXT] if not question.caption and not question.hashtags else notes
