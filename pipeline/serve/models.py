"""What the server tells of itself: its model with the places it knows, and whether there is room."""

from typing import Literal

from pydantic import Field

from pipeline.predict.answer import NOTICE, Record
from pipeline.predict.predictor import ModelFacts, Predictor


class KnownPlace(Record):
    """A place between which the model tells."""

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
    """Whether a question would be taken now."""

    status: Literal["ok", "busy"]
    in_work: int
    max_in_work: int


def models_of(predictor: Predictor, *, coarse: bool) -> Models:
    """The predictor's model; a coarse server does not tell where its places are."""
    known = [
        KnownPlace(**{name: label[name] for name in KnownPlace.model_fields}) for label in predictor.places.labels
    ]
    about = predictor.facts.model_dump()
    return Models(models=[Model(**about, num_places=len(known), places=None if coarse else known)])
