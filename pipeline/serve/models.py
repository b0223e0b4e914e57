"""What the server tells of itself: its model with the places it knows, and whether there is room."""

from dataclasses import asdict
from typing import Literal

from pydantic import Field

from pipeline.predict.answer import NOTICE, Record
from pipeline.predict.predictor import Predictor


class KnownPlace(Record):
    """A place between which the model tells."""

    name: str
    category: str
    latitude: float
    longitude: float


class Model(Record):
    """The model that answers; its figures are of the test posts of its city."""

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
    ]  # fmt: skip
    about = asdict(predictor.facts)
    return Models(models=[Model(**about, num_places=len(known), places=None if coarse else known)])
