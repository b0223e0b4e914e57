"""Stage `study_data`: what a study needs beyond the release, computed while the originals are still there.

Reads  the release, posts, images, drops, portrait_masks, clean_images, blobs/original, blobs/clean
Writes study_features: of posts that the release left out, features of the clean picture and the share that people
       fill; of all, features of the picture as it was taken; of the released pictures, features by other networks
Law: a filled picture that only this stage made is never on disk, and of an unmasked one nothing but its vector is.
     What is computed stays when the originals go; what is not is refused from then on, with the count of what is gone.
"""

import logging
from collections.abc import Iterable
from functools import partial

from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.code_digest import code_digest
from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings
from pipeline.images.fillers import choose_filler, fill_recipe
from pipeline.images.maskers import PortraitMasksSettings, choose_masker, masks_recipe
from pipeline.networks import WeightsPolicy
from pipeline.release.read import Release, latest_release
from pipeline.stage import Outcome, StageReport, count_values, run_network_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.study.features import (
    TABLE,
    FeatureJob,
    FeatureSource,
    PictureNetworks,
    StudyFeatureWorker,
    StudyPictureWorker,
)
from pipeline.study.posts import StudyPost, study_posts
from pipeline.study.study_pictures import first_shown, left_aside, released_originals
from pipeline.training.image_features import ImageFeaturesSettings, city_weights

STAGE = "study_data"
BACKBONES = ("vgg16", "vgg19", "resnet50", "resnet101", "densenet121")
INPUTS = (
    ("posts", "posts"),
    ("images", "posts"),
    ("drops", "curated_posts"),
    ("drops", "portrait_masks"),
    ("drops", "clean_images"),
    ("portrait_masks", "portrait_masks"),
    ("clean_images", "clean_images"),
)

log = logging.getLogger("mrlf")


class StudyDataSettings(Settings):
    """Whose features of the pictures a study computes; how the networks run is set in the stages of the city."""

    backbones: list[str] = Field(list(BACKBONES), description="Backbones compared in Table II.")
    weights: WeightsPolicy | None = Field(
        None, description="Weights of the backbones that are not the city's own; by default as in image_features."
    )


def build_study_data(store: Store, city: City, settings: StudyDataSettings) -> StageReport:
    """Compute the features that a study wants and that are not there yet.

    Raises:
        StageError: there is no release, or originals that are needed are gone; the message counts them.
    """
    unknown = sorted(set(settings.backbones) - set(BACKBONES))
    if unknown:
        raise StageError(f"study_data knows no backbone {', '.join(unknown)}: take some of {', '.join(BACKBONES)}")
    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        return run_network_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_study_data),
            settings=settings,
            outputs=(TABLE,),
            inputs={"dataset": release.version, **table_inputs(store, city.key, INPUTS)},
            choose=lambda: (picture_networks(store, city), other_sources(store, city, settings.backbones)),
            weights=lambda chosen: _weights(*chosen),
            work=lambda chosen: _work(store, city.key, release, *chosen),
            is_of_release=True,
        )


def build_released_features(store: Store, city: City, backbones: Iterable[str]) -> None:
    """Compute the features of the released pictures by these networks alone, and leave the stage to be finished.

    For a part of a study that compares networks and needs no picture from outside the release.
    """
    with store.lock(city.key, STAGE):
        release = latest_release(store, city.key)
        store.mend(city.key, TABLE)
        store.tables.check(city.key, TABLE)
        posts = study_posts(store, city.key, release).posts
        for source in other_sources(store, city, sorted(backbones)):
            _run(store, city.key, [_of_released(store, city.key, release, posts, source)])


def _weights(networks: PictureNetworks, others: list[FeatureSource]) -> dict[str, str]:
    return {
        networks.masker.network: networks.masker.weights_sha256,
        networks.filler.network: networks.filler.weights_sha256,
        **{source.name: source.weights_sha256 for source in (networks.source, *others)},
    }


def source_of(store: Store, city: City, backbone: str | None = None) -> FeatureSource:
    """A network by the name of its backbone, by default the city's own, with the weights that are to be had.

    Raises:
        ValueError: they are required and missing, or damaged.
    """
    settings = city.settings("image_features", ImageFeaturesSettings)
    if backbone is not None and backbone != settings.backbone:
        weights = city.settings("study_data", StudyDataSettings).weights or settings.weights
        settings = settings.model_copy(update={"backbone": backbone, "weights_file": None, "weights": weights})
    return FeatureSource(settings=settings, weights=city_weights(store, settings, city.key))


def picture_networks(store: Store, city: City) -> PictureNetworks:
    """The networks of the city's own picture stages."""
    masks = city.settings("portrait_masks", PortraitMasksSettings)
    clean = city.settings("clean_images", CleanImagesSettings)
    masker = choose_masker(store, masks)
    if masks.precision == "int8":
        from pipeline.images.int8_masks import with_int8

        masker = with_int8(store, city.key, masks, masker, is_made=False)
    return PictureNetworks(
        masks=masks,
        masker=masker,
        clean=clean,
        filler=choose_filler(store, clean),
        source=source_of(store, city),
    )


def other_sources(store: Store, city: City, backbones: list[str]) -> list[FeatureSource]:
    """The other backbones whose weights are to be had; a missing one is logged as a warning."""
    own = city.settings("image_features", ImageFeaturesSettings)
    sources = []
    for backbone in sorted(set(backbones) - {own.backbone}):
        try:
            sources.append(source_of(store, city, backbone))
        except ValueError as error:
            log.warning("%s %s: no features of %s: %s", city.key, STAGE, backbone, error)
    return sources


def _work(
    store: Store, city: str, release: Release, networks: PictureNetworks, others: list[FeatureSource]
) -> Outcome:
    posts = study_posts(store, city, release).posts
    left = left_aside(posts)
    counts = {
        "posts": len(posts),
        "posts_of_the_release": sum(post.is_complete for post in posts),
        "pictures_left_aside": len(left),
    }
    for source in others:  # of clean pictures, which stay
        job = _of_released(store, city, release, posts, source)
        counts[f"new/clean/{source.name}"] = _run(store, city, [job])
    filling = _of_left_aside(city, networks, left)
    first = [digest for post in posts for digest in post.image_digests[:1]]
    counts["new/clean"] = _run(store, city, [filling, _as_taken(city, networks.source, first)], only=filling)
    shown = first_shown(store, city, posts, networks.clean.max_portrait_ratio)
    taken = _as_taken(city, networks.source, [*first, *shown])
    counts["new/original"] = _run(store, city, [taken])
    outcomes = [*filling.outcomes(store, city), *taken.outcomes(store, city)]
    counts |= {"pictures": len(filling.digests) + len(taken.digests), **count_values("pictures", outcomes)}
    sources = [networks.source, *others]
    return Outcome(counts=counts, about={"backbones": ", ".join(source.name for source in sources)})


def _run(store: Store, city: str, jobs: list[FeatureJob], only: FeatureJob | None = None) -> int:
    """Run `only`, or all; refuse before any of it where pictures of one of them are gone."""
    gone = set[str]().union(*(job.gone(store, city) for job in jobs))
    if gone:
        wanted = {digest for job in jobs for digest in job.digests}
        raise StageError(
            f"{len(gone):,} of {len(wanted):,} {jobs[0].kind} pictures that the study of {city} needs are gone "
            "from the store, and no features of them were kept: its rows on unmasked pictures and on incomplete posts "
            "cannot be computed any more. Collect these pictures again; next time build study_data before the "
            "originals are deleted"
        )
    return sum(job.run(store, city) for job in jobs if only is None or job is only)


def _of_left_aside(city: str, networks: PictureNetworks, digests: list[str]) -> FeatureJob:
    """Features of the pictures that the picture stages left aside: masked, filled, and shown to the city's network."""
    recipe = json_digest(
        [
            STAGE,
            code_digest(StudyPictureWorker),
            "left aside",
            networks.source.config(),
            masks_recipe(networks.masks, networks.masker),
            fill_recipe(networks.clean, networks.filler),
        ]
    )
    return FeatureJob(
        source=networks.source,
        picture="clean",
        kind="original",
        digests=digests,
        recipe=recipe,
        make_worker=partial(StudyPictureWorker, networks, recipe),
        title=f"{city} pictures outside the release",
    )


def _as_taken(city: str, source: FeatureSource, digests: list[str]) -> FeatureJob:
    """Features of pictures as they were taken."""
    recipe = json_digest([STAGE, code_digest(StudyFeatureWorker), "original", source.config()])
    return FeatureJob(
        source=source,
        picture="original",
        kind="original",
        digests=sorted(set(digests)),
        recipe=recipe,
        make_worker=partial(StudyFeatureWorker, source, "original", recipe),
        title=f"{city} unmasked pictures",
    )


def _of_released(
    store: Store, city: str, release: Release, posts: list[StudyPost], source: FeatureSource
) -> FeatureJob:
    """Features of the released pictures by another network than the city's own."""
    recipe = json_digest([STAGE, code_digest(StudyFeatureWorker), "released", source.config()])
    blobs = released_originals(store, city, release, posts)
    return FeatureJob(
        source=source,
        picture="clean",
        kind="clean",
        digests=sorted(blobs),
        recipe=recipe,
        blobs=blobs,
        make_worker=partial(StudyFeatureWorker, source, "clean", recipe),
        title=f"{city} released pictures, {source.name}",
    )
