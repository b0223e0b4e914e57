"""Settings of the demo city, and how often each kind of post occurs in it.

The frequencies are tuned so that no single one of hashtags, text and picture gives the place away, and all three
together do (`bench/demo_calibration.py` measures it); they are facts of the generator's version, not settings.
"""

from dataclasses import dataclass

from pydantic import Field

from pipeline.cities import Settings

GENERATOR_VERSION = "2"
"""Raised with every change of what is written: a city of another version is written anew."""


class DemoSettings(Settings):
    """What a demo city is made from; equal settings give equal bytes."""

    seed: int = Field(7, ge=0, description="Random seed of the city")
    num_pois: int = Field(12, ge=4, le=12, description="Number of POIs, from four categories in turn")
    num_posts: int = Field(
        1500, ge=48, le=100_000, description="Number of posts in the archive, including odd and broken ones"
    )
    num_users: int = Field(200, ge=8, le=100_000, description="Number of users; few of them post much, most a little")
    interaction: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of posts whose hashtag means one POI or another depending on the picture or the caption",
    )
    image_side: int = Field(256, ge=64, le=2048, description="Shorter side of every picture, in pixels")


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of all posts (each kind occurs at least once), or chances where a post may have several."""

    # whose post, where
    quiet_poi: float = 0.018  # the POI that stays below a floor of 40 posts
    elsewhere: float = 0.03  # at a location that is no POI
    far: float = 0.03  # the post's own coordinates are kilometres away
    repost: float = 0.03
    # its pictures
    carousel: float = 0.10
    video: float = 0.012
    portrait_full: float = 0.05
    portrait_side: float = 0.10
    rotated: float = 0.015  # stored on its side, with the orientation in EXIF
    cut: float = 0.004
    html: float = 0.003
    missing: float = 0.004
    anywhere_scene: float = 0.13
    own_scene: float = 0.68  # of the others: the place's own kind of picture
    # its words
    no_caption: float = 0.05
    other_language: float = 0.08
    name: float = 0.36
    category_sentence: float = 0.75
    second_category_sentence: float = 0.30
    detail: float = 0.42
    neighbour_detail: float = 0.05
    other_name: float = 0.06
    typo: float = 0.06  # of every word
    emoji: float = 0.30
    mention: float = 0.06
    link: float = 0.02
    # its hashtags
    no_hashtags: float = 0.05
    generic_tags: float = 0.60
    poi_tags: float = 0.52  # where the caption names the place or a detail of it
    poi_tags_alone: float = 0.78  # where it does not: who does not write it tags it
    category_tag: float = 0.45
    wrong_tag: float = 0.12
    rare_tag: float = 0.20
    inline_tags: float = 0.12  # of posts with tags: some stand inside the sentence


SHARES = Shares()
