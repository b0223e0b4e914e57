"""The settings of curation: the thresholds of its rules."""

from pydantic import Field

from pipeline.cities import Settings


class CuratedPostsSettings(Settings):
    """What a post must have; the defaults are the paper's."""

    min_hashtag_count: int = Field(50, ge=1, description="a hashtag of fewer posts of the city is dropped")
    min_posts_per_poi: int = Field(100, ge=1, description="a POI of fewer posts is dropped with all of them")
    language: str = Field("en", description="of the caption, ISO 639-1; any takes all")
    max_poi_distance_km: float = Field(2.0, gt=0, description="of a post's own coordinates, where it has any")
