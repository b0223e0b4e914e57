"""The section `live:` of a city: who collects its posts from Instagram, why, and how fast."""

from typing import Annotated

from pydantic import Field, ValidationError

from pipeline.cities import City, CityError, Settings
from pipeline.collect.instagram.pace import LONGEST_REST_S
from pipeline.collect.instagram.pressure import LONGEST_WINDOW_S
from pipeline.collect.instagram.terms import Terms
from pipeline.wrong_values import error_summary

Rest = Annotated[float, Field(ge=0, le=LONGEST_REST_S)]


class LiveSettings(Settings):
    """Purpose, legal basis and contact stand in every release; the paces are reported as safe for one session."""

    purpose: str = Field("", description="purpose of the collection")
    legal_basis: str = Field("", description="legal basis, for example of Article 6 GDPR")
    contact: str = Field("", description="contact for people who want to be left out")
    reads_per_minute: int = Field(8, ge=1, description="maximum number of requests to Instagram per minute")
    reads_per_hour: int = Field(200, ge=1, description="maximum number of requests to Instagram per hour")
    cool_downs_s: tuple[Rest, ...] = Field(
        (300, 900),
        description="pauses after the first, second, ... throttling within cool_down_window_s; then the run ends",
    )
    media_connections: int = Field(
        4,
        ge=1,
        le=16,
        description="maximum number of parallel connections to image hosts; a host that throttles is paused",
    )
    cool_down_window_s: float = Field(
        21_600,
        gt=0,
        le=LONGEST_WINDOW_S,
        description="window in which throttlings are counted, without the pauses themselves",
    )
    request_timeout_s: float = Field(30, gt=0, allow_inf_nan=False, description="timeout of a response")

    @property
    def terms(self) -> Terms:
        """What the person who collects declares."""
        return Terms(purpose=self.purpose, legal_basis=self.legal_basis, contact=self.contact)


def live_settings(city: City) -> LiveSettings | None:
    """The settings of live collection; None where the city has no section `live:`.

    Raises:
        CityError: a value is unknown or out of range.
    """
    if city.live is None:
        return None
    try:
        return LiveSettings.model_validate(city.live)
    except ValidationError as error:
        raise CityError(f"live settings of city {city.key}: {error_summary(error, LiveSettings)}") from None
