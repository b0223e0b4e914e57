"""The endpoints over a place's posts, page by page; each is one way to ask and can say that the source has changed."""

from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints.endpoint import Endpoint, Page
from pipeline.collect.instagram.endpoints.instaloader_endpoint import InstaloaderEndpoint
from pipeline.collect.instagram.endpoints.page import PageEndpoint
from pipeline.collect.instagram.endpoints.sections import SectionsEndpoint
from pipeline.collect.instagram.endpoints.trial import try_in_turn

__all__ = ["ENDPOINTS", "Endpoint", "InstaloaderEndpoint", "Page", "PageEndpoint", "SectionsEndpoint", "try_endpoints"]

ENDPOINTS: tuple[Endpoint, ...] = (SectionsEndpoint(), PageEndpoint(), InstaloaderEndpoint())
"""In the order in which they are tried."""


def try_endpoints(client: Client, location_id: str) -> list[tuple[str, str]]:
    """Name and outcome of each endpoint, after at most one request on each."""
    return try_in_turn(ENDPOINTS, client, location_id)
