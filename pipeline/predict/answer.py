"""An answer: the most probable places, how far off one may be, what decided it; or, coarse, the kind of place alone.

Distances are great-circle km between POIs. `influence` is how far the first place's probability falls without a part;
`attention` is the share of the network's attention that a word (of the words) or hashtag (of the hashtags) receives.
A post that looks like none of the known places is said to; the places then are the best guesses among them.
A coarse answer names no place and no coordinates. A kind of place of which the model knows fewer than 3 is reported as
`other`, since it would name the place; where those are fewer than 3 in all, the next rarest kind joins them.
Shape letters: C classes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from models.explain.attention_shares import AttentionShares
    from models.explain.explain import Influences

MIN_PLACES_OF_A_KIND = 3
OTHER = "other"
NOTICE = (
    "Predicts which of the known places a picture and its caption resemble. It looks for no person and must not be "
    "used to find one. What you send stays in memory for the answer alone: nothing is stored or passed on."
)
NO_PICTURE = "no picture was given: the model learnt from posts that have one, so trust these probabilities less"
NO_TEXT = "no word was given: the model learnt from posts that have some, so trust these probabilities less"
NOTHING_KNOWN = (
    "none of these words and hashtags is in the data set: there is nothing to go by, and the rest is a guess"
)
LESS_SURE = (
    "the model is less sure of this post than of {percent} of the posts from its places that show as much: it was "
    "made somewhere else, or shows too little; the rest is a guess"
)
IS_KNOWN = "false: the post looks like none of the places that the model knows, and what follows is a guess among them"
SURER_THAN = (
    "share of the posts from known places (with the same kinds of input) of which the model is no surer; null where "
    "it could not be told"
)


class Record(BaseModel):
    """What the parts of an answer share: fixed once made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Record):
    """One POI and how probable it is."""

    rank: int
    name: str
    category: str
    latitude: float
    longitude: float
    probability: float
    distance_km: float = Field(description="from the first place")


class Part(Record):
    """A word or hashtag as the model reads it."""

    text: str
    influence: float = Field(description="how far the first place's probability falls without it; below 0: it rises")
    attention: float | None = Field(description="its share of the attention; null where the model has none")


class Why(Record):
    """What decided for the first place."""

    words: list[Part]
    hashtags: list[Part]
    picture_influence: float | None = Field(description="null where there was no picture")


class Doubt(Record):
    """Whether a post was made at one of the known places at all. note: why not; "" where it may have been."""

    is_known_place: bool
    surer_than: float | None
    note: str


class Answer(Record):
    """The most probable places of a city."""

    city: str
    model: str = Field(description="what answers: mrlf, best or linear")
    is_known_place: bool = Field(description=IS_KNOWN)
    surer_than: float | None = Field(description=SURER_THAN)
    places: list[Place]
    expected_error_km: float = Field(description="the first place's mean error, if the probabilities are right")
    radius_50_km: float = Field(description="around the first place, holds at least half of the probability")
    radius_90_km: float
    why: Why | None
    unknown_hashtags: list[str] = Field(description="too rare in the data set to be read")
    notes: list[str]
    notice: str = NOTICE


class Kind(Record):
    """A category of places and how probable it is."""

    category: str
    probability: float


class CoarseAnswer(Record):
    """The city and the kind of place, no more."""

    city: str
    model: str = Field(description="what answers: mrlf, best or linear")
    is_known_place: bool = Field(description=IS_KNOWN)
    surer_than: float | None = Field(description=SURER_THAN)
    kinds: list[Kind]
    notes: list[str]
    notice: str = NOTICE


@dataclass(frozen=True)
class Places:
    """The classes of a model, from its labels.json: one dict per class, in the order of its outputs."""

    labels: Sequence[dict[str, Any]]

    @property
    def latitudes(self) -> NDArray[np.float64]:
        """Degrees (C,)."""
        return np.array([label["latitude"] for label in self.labels], dtype=np.float64)

    @property
    def longitudes(self) -> NDArray[np.float64]:
        """Degrees (C,)."""
        return np.array([label["longitude"] for label in self.labels], dtype=np.float64)

    def kinds(self) -> list[str]:
        """Each class's category as a coarse answer may show it."""
        counted = Counter(label["category"] for label in self.labels)
        hidden = {""}  # of a place of unknown category there is nothing to show
        num_hidden = counted.pop("", 0)
        for kind in sorted(counted, key=lambda kind: (counted[kind], kind)):
            if counted[kind] < MIN_PLACES_OF_A_KIND or 0 < num_hidden < MIN_PLACES_OF_A_KIND:
                hidden.add(kind)
                num_hidden += counted[kind]
        return [OTHER if label["category"] in hidden else label["category"] for label in self.labels]


def ranked_places(places: Places, proba_C: NDArray[np.float64], top: int) -> list[Place]:
    """The `top` most probable places; of equally probable ones the lower class first, as argmax has it."""
    order = np.argsort(-proba_C, kind="stable")[:top]
    distance_C = _distances_km(places, int(order[0]))
    return [
        Place(
            rank=rank,
            name=places.labels[row]["name"],
            category=places.labels[row]["category"],
            latitude=places.labels[row]["latitude"],
            longitude=places.labels[row]["longitude"],
            probability=float(proba_C[row]),
            distance_km=round(float(distance_C[row]), 3),
        )
        for rank, row in enumerate(map(int, order), start=1)
    ]


def spread_km(places: Places, proba_C: NDArray[np.float64]) -> tuple[float, float, float]:
    """How far off the most probable place is: on average, and the radii that hold 50 and 90 % of the probability."""
    distance_C = _distances_km(places, int(proba_C.argmax()))
    order = np.argsort(distance_C, kind="stable")
    held_C = np.cumsum(proba_C[order])
    inside = np.searchsorted(held_C, [0.5 - 1e-9, 0.9 - 1e-9]).clip(max=len(proba_C) - 1)
    radius_50, radius_90 = distance_C[order][inside]
    return float(proba_C @ distance_C), float(radius_50), float(radius_90)


def ranked_kinds(places: Places, proba_C: NDArray[np.float64]) -> list[Kind]:
    """The kinds of places by probability, the most probable first."""
    total: Counter[str] = Counter()
    for kind, probability in zip(places.kinds(), proba_C, strict=True):
        total[kind] += float(probability)  # type: ignore[assignment]
    return [Kind(category=kind, probability=probability) for kind, probability in total.most_common()]


def why(words: Sequence[str], hashtags: Sequence[str], influences: "Influences", attention: "AttentionShares") -> Why:
    """Influence and attention, word by word."""
    return Why(
        words=_parts(words, influences.words_W, attention.words_W),
        hashtags=_parts(hashtags, influences.hashtags_T, attention.hashtags_T),
        picture_influence=influences.image,
    )


def _parts(texts: Sequence[str], influence: NDArray[np.float64], attention: NDArray[np.float64] | None) -> list[Part]:
    shares = [None] * len(texts) if attention is None else attention.tolist()
    return [
        Part(text=text, influence=float(fall), attention=share)
        for text, fall, share in zip(texts, influence, shares, strict=True)
    ]


def _distances_km(places: Places, row: int) -> NDArray[np.float64]:
    from models.evaluation.metrics import haversine_km

    lat_C, lng_C = places.latitudes, places.longitudes
    return haversine_km(lat_C[row], lng_C[row], lat_C, lng_C)
