"""The settings of a data set: how its posts are split, and how many a shard holds."""

from typing import Any

from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.release.cut import SplitChoice


class DatasetSettings(Settings):
    """How the release is cut."""

    split: SplitChoice = Field(
        "auto",
        description=(
            "How posts are split: user, no user in two splits; time, train on the past, validate and test on what "
            "follows; auto, user where ten independent users or more posted and the shares come out, else time."
        ),
    )
    seed: int = Field(0, ge=0, description="Random seed of the split by user.")
    min_posts_per_poi: int | None = Field(
        None,
        ge=1,
        description="Minimum number of posts per POI after the image stages; by default as in curated_posts.",
    )
    max_samples_per_shard: int = Field(1000, ge=1, description="Maximum number of posts per shard.")

    def floor(self, city: City) -> int:
        """The minimum number of posts per POI, the city's own of curation where none is set here."""
        return self.min_posts_per_poi or city.settings("curated_posts", CuratedPostsSettings).min_posts_per_poi

    def in_effect(self, city: City, num_train_posts: int | None) -> dict[str, Any]:
        """All settings, with the minimum that curation gives."""
        return super().in_effect(city, num_train_posts) | {"min_posts_per_poi": self.floor(city)}
