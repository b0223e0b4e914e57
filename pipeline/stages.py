"""All stages in the order the data takes, for the command line and for Dagster."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.cities import Cities, City, CityError, Settings, read_cities, unusable
from pipeline.code_digest import code_digest
from pipeline.collect import places, pois, posts
from pipeline.collect.instagram.settings import live_settings
from pipeline.collect.sources import demo_settings
from pipeline.curate import curated_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import IncompleteError, StageError
from pipeline.images import clean_images, portrait_masks
from pipeline.privacy.gone import tidy
from pipeline.refusals import forget_refusal, note_refusal
from pipeline.release import before_pictures, dataset
from pipeline.report import evaluate_mrlf
from pipeline.stage import StageReport
from pipeline.store import Store
from pipeline.store.files import naming
from pipeline.study import study, study_data
from pipeline.training import image_features, train_mrlf
from pipeline.training.settings import TrainMrlfSettings

READ_POIS = frozenset({places.STAGE, posts.STAGE, curated_posts.STAGE, dataset.STAGE})
"""Stages that read names and places of POIs, which are kept for a time only where Foursquare gave them."""

LOOK_AT_PICTURES = frozenset({portrait_masks.STAGE, clean_images.STAGE})
"""Stages that take long, for nothing where no data set can come of the curated posts."""

Build: TypeAlias = Callable[..., StageReport]
"""(store, city, settings, and what the stage can be watched with)"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: its name (also that of its asset and of its section in cities.yaml), room, settings and work."""

    name: str
    room: str
    settings: type[Settings]
    build: Build

    @property
    def code_version(self) -> str:
        """The digest of its code: edit what decides its result, and the stage runs again."""
        return code_digest(self.build)


def _stage(room: str, module: Any, settings: type[Settings], build: Build) -> Stage:
    return Stage(name=module.STAGE, room=room, settings=settings, build=build)


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        _stage("collect", pois, pois.PoisSettings, pois.build_pois),
        _stage("collect", places, places.PlacesSettings, places.build_places),
        _stage("collect", posts, posts.PostsSettings, posts.build_posts),
        _stage("curate", curated_posts, CuratedPostsSettings, curated_posts.build_curated_posts),
        _stage("images", portrait_masks, portrait_masks.PortraitMasksSettings, portrait_masks.build_portrait_masks),
        _stage("images", clean_images, clean_images.CleanImagesSettings, clean_images.build_clean_images),
        _stage("release", dataset, dataset.DatasetSettings, dataset.build_dataset),
        _stage("training", image_features, image_features.ImageFeaturesSettings, image_features.build_image_features),
        _stage("training", train_mrlf, TrainMrlfSettings, train_mrlf.build_train_mrlf),
        _stage("report", evaluate_mrlf, evaluate_mrlf.EvaluateMrlfSettings, evaluate_mrlf.build_evaluate_mrlf),
        _stage("report", study_data, study_data.StudyDataSettings, study_data.build_study_data),
        _stage("report", study, study.StudySettings, study.build_study),
    )
}


def checked_cities(path: Path | None = None) -> Cities:
    """The cities of the file; one with a wrong setting of any stage, of `demo` or of `live` is among the unusable."""
    cities = read_cities(path)
    for key, city in list(cities.usable.items()):
        try:
            for name, stage in STAGES.items():
                city.settings(name, stage.settings)
            live_settings(city)
            demo_settings(city)
        except CityError as error:
            cities.unusable[key] = unusable(cities.path, key, error)
            del cities.usable[key]
    return cities


def checked_city(key: str) -> City:
    """The city of this key, with settings that every stage takes.

    Raises:
        CityError: it is not in the file, or cannot be used.
    """
    return checked_cities().city(key)


def _noting_refusals(run: Build) -> Build:
    """The same; where a stage is refused, later messages can say so in place of advising to build it."""

    @wraps(run)
    def noted(store: Store, city: City, name: str, *options: Any, **watch: Any) -> StageReport:
        try:
            report = run(store, city, name, *options, **watch)
        except IncompleteError:
            raise
        except StageError as error:
            order = list(STAGES)
            note_refusal(store, city.key, name, str(error), order[order.index(name) + 1 :])
            raise
        forget_refusal(store, city.key, name)
        return report

    return noted


@_noting_refusals
def run_stage_of(
    store: Store, city: City, name: str, overrides: dict[str, Any] | None = None, **watch: Any
) -> StageReport:
    """Build one stage of a city with its settings from cities.yaml and `overrides` that are not None; what killed runs
    and posts that left have left behind goes first.

    A stage that reads POIs whose retention period has expired begins with building these again. What no data set can
    be made of is noted by `curated_posts` and refused before any picture.

    watch: callbacks of this stage while it runs (`on_epoch` of train_mrlf).
    """
    tidy(store, city.key)
    stage = STAGES[name]
    if name in READ_POIS:
        pois.renew_pois(store, city, city.settings(pois.STAGE, pois.PoisSettings))
    if name in LOOK_AT_PICTURES:
        before_pictures.refuse_hopeless(store, city)
    with naming(store.root):
        report = stage.build(store, city, city.settings(name, stage.settings, overrides), **watch)
    return before_pictures.with_hindrance(store, city, report) if name == curated_posts.STAGE else report
