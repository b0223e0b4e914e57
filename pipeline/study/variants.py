"""The data of a study's cells: which posts, what is shown of each, and how they are split.

Variants:
release               the posts of the release, as they are
masked                the same without the words of any place, in captions and hashtags
hashtags_from_<n>     the same with the hashtags that at least n posts of the city have (1: all of them)
all_pictures          every post with a picture, also without caption or hashtag: the first picture as it was taken
without_portraits     those with a picture that people fill to no more than the city's limit: that one, as it was taken
filled                those with a picture that was made clean: that one
complete_only         trained on complete posts, tested also on posts that lack caption, hashtag or picture
with_incomplete       the same, trained on those too
Near-duplicates among the released pictures stay on one side of a split that is made as the release has it. They are
looked for once per release and kept in study/<city>/near_duplicates/<version>.json. Of posts outside the release no
clean picture is kept: equal files link these, similar ones do not.
Law: variants that are compared share their splits: the last two one, the three of pictures one, the others one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.cities import City
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError
from pipeline.images.fillers import CleanImagesSettings
from pipeline.release.read import Release
from pipeline.release.split import SPLITS, shared_names
from pipeline.store import Store
from pipeline.store.kept import read_kept, write_kept
from pipeline.study.posts import StudyPost, StudyPosts, study_posts
from pipeline.study.splits import SplitKind, days_of, split_by_day, split_of
from pipeline.study.study_pictures import check_clean
from pipeline.study.vectors import StudyVectors
from pipeline.training.groups import groups_in
from pipeline.training.label_words import mask_label_words

if TYPE_CHECKING:
    from models.data.samples import Samples

RELEASE, MASKED = "release", "masked"
HASHTAGS_FROM = "hashtags_from_"
ALL_PICTURES, WITHOUT_PORTRAITS, FILLED = PICTURES = ("all_pictures", "without_portraits", "filled")
COMPLETE_ONLY = "complete_only"
INCOMPLETE = (COMPLETE_ONLY, "with_incomplete")

Picture = Callable[[StudyPost], "np.ndarray[Any, Any] | None"]
Population = Literal["release", "pictures", "incomplete"]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Train, validation and test of one cell; `is_complete` says of each test post whether the release has it."""

    train: "Samples"
    validation: "Samples"
    test: "Samples"
    is_complete: "np.ndarray[Any, np.dtype[np.bool_]]"


class StudyData:
    """All posts of a city's study with their vectors; the samples of a cell are made when asked for."""

    def __init__(self, store: Store, city: City, release: Release) -> None:
        self.release = release
        self._near_names = partial(near_names, store, city.key, release)
        limit = city.settings("clean_images", CleanImagesSettings).max_portrait_ratio
        self.vectors = StudyVectors(store, city.key, max_portrait_ratio=limit)
        self._min_hashtag_count = city.settings("curated_posts", CuratedPostsSettings).min_hashtag_count
        self._of_city: StudyPosts = study_posts(store, city.key, release)
        self._released: dict[str, dict[str, Any]] = {row["post_key"]: row for row in release.posts.to_pylist()}

    @cached_property
    def populations(self) -> dict[Population, list[StudyPost]]:
        """The posts that are split together, sorted by key."""
        posts = self._of_city.posts
        return {
            "release": [post for post in posts if post.is_complete],
            "pictures": [post for post in posts if post.image_digests],
            "incomplete": [post for post in posts if post.is_complete or post.lacks_modality],
        }

    @property
    def num_classes(self) -> int:
        """Places of the release."""
        return len(self.release.labels)

    @property
    def class_latitudes(self) -> "np.ndarray[Any, Any]":
        """Of each place, in float64."""
        return np.array([label["latitude"] for label in self.release.labels], dtype=np.float64)

    @property
    def class_longitudes(self) -> "np.ndarray[Any, Any]":
        """Of each place, in float64."""
        return np.array([label["longitude"] for label in self.release.labels], dtype=np.float64)

    def splits(self, population: Population, kind: SplitKind, seed: int) -> dict[str, str]:
        """post_key -> its split. The release's own split holds for its posts alone: by users as that of seed 0, in
        time, where nothing is drawn, as that of every seed."""
        if population == "release" and kind == self.release.split and (seed == 0 or kind == "time"):
            return {key: row["split"] for key, row in self._released.items()}
        return self._drawn_splits(population, kind, seed)

    def parts(self, variant: str, kind: SplitKind, seed: int, backbone: str | None = None) -> Parts:
        """The samples of a cell; `backbone` says whose features, None the city's own.

        Raises:
            StageError: features are missing, or a split is empty.
        """
        population = population_of(variant)
        splits = self.splits(population, kind, seed)
        picture = self._picture(variant, backbone)
        shown = [(post, picture(post)) for post in self.populations[population]]
        if population == "pictures":
            shown = [(post, vector) for post, vector in shown if vector is not None]
        samples, complete = {}, {}
        for split in SPLITS:
            trains_on_all = variant != COMPLETE_ONLY or split == "test"
            chosen = [
                (post, vector)
                for post, vector in shown
                if splits[post.post_key] == split and (trains_on_all or post.is_complete)
            ]
            if not chosen:
                raise StageError(f"the {kind} split of {variant} leaves no {split} posts: collect more posts")
            samples[split] = self._samples(variant, chosen, self._groups(split, kind, [post for post, _ in chosen]))
            complete[split] = np.array([post.is_complete for post, _ in chosen], dtype=bool)
        return Parts(**samples, is_complete=complete["test"])

    def clean_digests(self, keys: Sequence[str]) -> list[str]:
        """Of posts of the release, the digests of their clean pictures."""
        return [self._released[key]["clean_digest"] for key in keys]

    @lru_cache(maxsize=64)  # noqa: B019 (one object lives as long as its process)
    def _drawn_splits(self, population: Population, kind: SplitKind, seed: int) -> dict[str, str]:
        posts = self.populations[population]
        near = self._near if kind in ("user", self.release.split) else {}
        in_days = kind == "time" == self.release.split
        splits = split_by_day(posts, near) if in_days else split_of(posts, kind, seed, near)
        return dict(zip((post.post_key for post in posts), splits, strict=True))

    @cached_property
    def _near(self) -> dict[str, list[str]]:
        return self._near_names()

    def _picture(self, variant: str, backbone: str | None) -> Picture:
        if variant == ALL_PICTURES:
            return self.vectors.first_as_taken
        if variant == WITHOUT_PORTRAITS:
            return self.vectors.first_without_portrait
        if backbone is not None and variant in (RELEASE, MASKED):
            return lambda post: self.vectors.clean_by(backbone, self._clean_digest(post), post)
        return lambda post: self.vectors.clean(post, self._clean_digest(post))

    def _clean_digest(self, post: StudyPost) -> str | None:
        row = self._released.get(post.post_key)
        return None if row is None else str(row["clean_digest"])

    def _groups(self, split: str, kind: SplitKind, posts: Sequence[StudyPost]) -> list[str]:
        """Users, but in a release that is split in time days or months, as there."""
        by = self.release.split if kind == self.release.split else "user"
        users, keys = [post.user_key for post in posts], [post.post_key for post in posts]
        return groups_in(split, by, users, days_of(posts), keys, [self._shown(post) for post in posts])

    def _shown(self, post: StudyPost) -> list[str]:
        """Its pictures, and the group of those like its released one."""
        group = self._released.get(post.post_key, {}).get("picture_group")
        return [*post.image_digests, *([] if group is None else [f"group {group}"])]

    def _samples(self, variant: str, chosen: Sequence[tuple[StudyPost, Any]], groups: list[str]) -> "Samples":
        from models.data.samples import Samples

        width = next((len(vector) for _, vector in chosen if vector is not None), self.vectors.width)
        nothing = np.zeros(width, dtype=np.float32)
        samples = Samples(
            keys=[post.post_key for post, _ in chosen],
            captions=[self._released.get(post.post_key, {}).get("caption", post.caption) for post, _ in chosen],
            hashtags=[self._hashtags(variant, post) for post, _ in chosen],
            image_ND=np.stack([nothing if vector is None else vector for _, vector in chosen]).astype(np.float32),
            has_image_N=np.array([vector is not None for _, vector in chosen], dtype=bool),
            labels_N=np.array([post.label for post, _ in chosen], dtype=np.int64),
            groups=groups,
        )
        if variant != MASKED:
            return samples
        return mask_label_words(samples, self.release.labels, city_name=self.release.city_name)

    def _hashtags(self, variant: str, post: StudyPost) -> list[str]:
        """Those that are frequent enough: as the release has it, or as the variant says."""
        row = self._released.get(post.post_key)
        if row is not None and not variant.startswith(HASHTAGS_FROM):
            return list(row["hashtags"])
        threshold = variant.removeprefix(HASHTAGS_FROM)
        least = int(threshold) if threshold != variant else self._min_hashtag_count
        return [tag for tag in post.hashtags if self._of_city.hashtag_counts[tag] >= least]


def population_of(variant: str) -> Population:
    """The posts among which a variant's splits are drawn."""
    if variant in PICTURES:
        return "pictures"
    return "incomplete" if variant in INCOMPLETE else "release"


def needs_study_data(variant: str, backbone: str | None) -> bool:
    """Whether the stage study_data has to have run for it."""
    return backbone is not None or population_of(variant) != "release"


def near_names(store: Store, city: str, release: Release) -> dict[str, list[str]]:
    """post_key -> the names that its picture bears together with its near-duplicates; posts without any are left out.

    Raises:
        StageError: clean pictures are gone from the store.
    """
    path = store.study_folder(city) / "near_duplicates" / f"{release.version}.json"
    names = read_kept(path, _read_names)
    if names is None:
        names = _found_names(store, city, release)
        write_kept(path, names)
    return names


def _read_names(content: Any) -> dict[str, list[str]]:
    return {str(key): [str(name) for name in names] for key, names in content.items()}


def _found_names(store: Store, city: str, release: Release) -> dict[str, list[str]]:
    keys, clean = release.posts["post_key"].to_pylist(), release.posts["clean_digest"].to_pylist()
    check_clean(store, city, clean)
    shared = shared_names(sorted(set(clean)), partial(store.blobs.get, "clean"), f"{city} study: near-duplicates")
    return {key: shared[digest] for key, digest in zip(keys, clean, strict=True) if digest in shared}
