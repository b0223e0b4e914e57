"""What the server says about itself: its model with the places it knows, and whether it has room for a request."""

from typing import Literal

from pydantic import Field

from pipeline.predict.answer import NOTICE, Record
from pipeline.predict.predictor import ModelFacts, Predictor


class KnownPlace(Record):
    """A place that the model knows."""

    name: str
    category: str
    latitude: float
    longitude: float


class Model(ModelFacts):
    """The model that answers; its figures are of the test posts of its city."""

    num_places: int
    places: list[KnownPlace] | None = Field(description="null where the server answers coarsely")


class Models(Record):
    """All models of this server: one."""

    models: list[Model]
    notice: str = NOTICE


class Health(Record):
    """Whether a request would be accepted now, and what holds the places that are taken."""

    status: Literal["ok", "busy"]
    model: str = Field(description="what answers: mrlf, best or linear")
    in_work: int = Field(description="requests that are read, wait or are answered")
    max_in_work: int
    decoding: int = Field(description="pictures that are being decoded")
    max_decoding: int
    oldest_s: float = Field(description="since when the oldest of all this is in work, 0 where nothing is")


def models_of(predictor: Predictor, *, coarse: bool) -> Models:
    """The predictor's model; a coarse server does not show where its places are."""
    known = [
        KnownPlace(**{name: label[name] for name in KnownPlace.model_fields}) for label in predictor.places.labels
    ]
    about = predictor.facts.model_dump()
    return Models(models=[Model(**about, num_places=len(known), places=None if coarse else known)])
