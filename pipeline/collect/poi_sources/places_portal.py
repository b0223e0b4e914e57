"""Foursquare's Places Portal: which catalogue it opens, and the token that it gives.

Law: the token stands in the environment alone. One whose time is over is not sent.
"""

import base64
import binascii
import json
import os
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.cities import Settings
from pipeline.collect.web.errors import HumanError

TOKEN_VARIABLE = "FOURSQUARE_PORTAL_TOKEN"  # noqa: S105
ADDRESS = "https://catalog.h3-hub.foursquare.com/iceberg"
PORTAL = "make one in the Places Portal of Foursquare (API keys and OAuth pairs are not taken)"
OTHERS = (
    "without one, take an extract that you have as `pois: {os_places: path}` or a file of places as "
    "`pois: {file: path}` in cities.yaml"
)
MISSING_PACKAGE = (
    'reading the catalogue of OS Places needs the package pyiceberg: pip install "mrlf-pipeline[iceberg]"'
)


class CatalogSettings(Settings):
    """Which table of which catalogue."""

    address: str = Field(ADDRESS, description="address of the Iceberg REST catalogue")
    warehouse: str = Field("places", description="warehouse of the catalogue")
    table: str = Field("datasets.places_os", description="table of the places, with its namespace")
    max_age_days: float | None = Field(
        None, gt=0, le=36_500, description="age at which what is kept is taken anew, in days; null: it stays"
    )

    @field_validator("address")
    @classmethod
    def _safe(cls, address: str) -> str:
        """The token never travels in the clear over a network."""
        parts = urlsplit(address)
        is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and is_here)):
            raise ValueError(
                "an address that begins with https:// is needed (http:// is for a server on this machine)"
            )
        return address.rstrip("/")


def portal_token(now: datetime) -> str:
    """The token of the environment, after a look at the day when it ends: no request is sent with one that is over.

    Raises:
        HumanError: there is none, it is no token, or its time is over.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise HumanError(
            "no_token",
            f"OS Places is read from its catalogue with a token: {PORTAL} and put it into the environment variable "
            f"{TOKEN_VARIABLE}; {OTHERS}",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise HumanError("bad_token", f"{TOKEN_VARIABLE} holds spaces or letters that no token has: copy it again")
    ends = token_end(token)
    if ends is not None and ends <= now:
        raise HumanError(
            "expired_token",
            f"the token in {TOKEN_VARIABLE} ended at {ends:%Y-%m-%d %H:%M} UTC, so the catalogue was not asked: "
            f"{PORTAL}",
        )
    return token


def token_end(token: str) -> datetime | None:
    """When a JSON Web Token (RFC 7519, claim `exp`) ends; None where it says nothing of it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, OSError, binascii.Error):
        return None
