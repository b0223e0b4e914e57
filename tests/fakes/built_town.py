"""The stages between collecting and releasing, built for a small town with what is built in."""

from pipeline.curate.curated_posts import CuratedPostsSettings, build_curated_posts
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.store import Store
from tests.fakes.town import CITY


def curate_and_clean(store: Store) -> None:
    """Keep every post that there is, and clean its pictures."""
    build_curated_posts(store, CITY, CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=1, language="any"))
    build_portrait_masks(store, CITY, PortraitMasksSettings(weights="builtin"))
    build_clean_images(store, CITY, CleanImagesSettings(weights="builtin"))
