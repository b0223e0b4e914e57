"""The settings of curation: the thresholds of its rules."""

from pydantic import Field

from pipeline.cities import Settings


class CuratedPostsSettings(Settings):
    """What a post must have; the defaults are the paper's."""

    min_hashtag_count: int = Field(
        50, ge=1, description="minimum number of posts per hashtag; rarer hashtags are dropped"
    )
    min_posts_per_poi: int = Field(
        100, ge=1, description="minimum number of posts per POI; smaller POIs are dropped with their posts"
    )
    language: str = Field("en", description="language of the captions, ISO 639-1; any: all languages")
    max_poi_distance_km: float = Field(
        2.0, gt=0, description="maximum distance of a post's own coordinates, if any, from its POI"
    )
