"""The settings of curation: the thresholds of its rules, and which parts of a post they ask for."""

from pydantic import Field, field_validator

from pipeline.cities import Settings

TEXT, HASHTAGS, IMAGE = PARTS = ("text", "hashtags", "image")


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
    require: list[str] = Field(
        list(PARTS),
        description="what a post must have, of text, hashtags and image; image is always needed, since later stages "
        "read a picture of every post",
    )

    @field_validator("require")
    @classmethod
    def _parts(cls, parts: list[str]) -> list[str]:
        """The parts in their own order, so that the order in the file makes no difference."""
        unknown = sorted({part for part in parts if part not in PARTS})
        if unknown:
            raise ValueError(f"there is no {', '.join(map(repr, unknown))}: take of {', '.join(PARTS)}")
        if IMAGE not in parts:
            raise ValueError(
                f"image is missing, and the stages that follow need a picture of every post: write "
                f"[{', '.join([*parts, IMAGE])}]"
            )
        twice = sorted({part for part in parts if parts.count(part) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands there twice: name each once")
        return [part for part in PARTS if part in parts]
