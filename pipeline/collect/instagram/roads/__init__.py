"""The roads over a place's posts, page by page; each is one way to ask and can say that the source has changed."""

from pipeline.collect.instagram.door import Door
from pipeline.collect.instagram.roads.instaloader_road import InstaloaderRoad
from pipeline.collect.instagram.roads.page import PageRoad
from pipeline.collect.instagram.roads.road import Page, Road
from pipeline.collect.instagram.roads.sections import SectionsRoad
from pipeline.collect.instagram.roads.trial import try_in_turn

__all__ = ["ROADS", "InstaloaderRoad", "Page", "PageRoad", "Road", "SectionsRoad", "try_roads"]

ROADS: tuple[Road, ...] = (SectionsRoad(), PageRoad(), InstaloaderRoad())
"""In the order in which they are tried."""


def try_roads(door: Door, location_id: str) -> list[tuple[str, str]]:
    """Name and outcome of each road, after at most one request on each."""
    return try_in_turn(ROADS, door, location_id)
