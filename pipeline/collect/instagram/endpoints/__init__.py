"""The roads over a place's posts, page by page; each is one way to ask and can say that the source has changed."""

from pipeline.collect.instagram.client import Door
from pipeline.collect.instagram.endpoints.endpoint import Page, Road
from pipeline.collect.instagram.endpoints.instaloader_endpoint import InstaloaderRoad
from pipeline.collect.instagram.endpoints.page import PageRoad
from pipeline.collect.instagram.endpoints.sections import SectionsRoad
from pipeline.collect.instagram.endpoints.trial import try_in_turn

__all__ = ["ROADS", "InstaloaderRoad", "Page", "PageRoad", "Road", "SectionsRoad", "try_roads"]

ROADS: tuple[Road, ...] = (SectionsRoad(), PageRoad(), InstaloaderRoad())
"""In the order in which they are tried."""


def try_roads(door: Door, location_id: str) -> list[tuple[str, str]]:
    """Name and outcome of each road, after at most one request on each."""
    return try_in_turn(ROADS, door, location_id)
