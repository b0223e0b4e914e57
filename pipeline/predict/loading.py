"""A predictor from what a city's last training left: the model that answers, labels and picture network, proved to
belong together.

Reads  models/mrlf/<city>/<run>, datasets/<city>/<version>, blobs/clean, weights/
Law (fault N4): refused before the first question: an unknown city, a city without a model, a file that is not what its
manifest says, labels that are not the data set's, a picture network of other weights than the model learnt from,
and answers to known posts that are not the ones stored beside the model (another size of pictures, another cleaning
of captions, another version of a library).
"""

import json
import logging
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.cities import City, load_city
from pipeline.errors import StageError
from pipeline.predict.answer import Places
from pipeline.predict.predictor import KnownPosts, ModelFacts, Predictor
from pipeline.refusals import how_to_build
from pipeline.release.read import READ_ALWAYS
from pipeline.store import Store
from pipeline.store.blobs import LostPictureError
from pipeline.store.files import Manifest
from pipeline.training.image_features import (
    ImageFeaturesSettings,
    city_weights,
    feature_name,
    make_backbone,
)
from pipeline.training.run_files import (
    PREDICTIONS,
    answering_folder,
    answering_scores,
    answers_of,
    read_model,
    read_sureness,
)
from pipeline.training.settings import TrainMrlfSettings
from pipeline.training.train_mrlf import STAGE as TRAINING
from pipeline.training.train_mrlf import latest_run

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.weights import Builtin, WeightsFile

NUM_KNOWN_POSTS = 8
MAX_DIFFERENCE = 0.05
"""of a probability: bf16 on another processor stays below it, another size of pictures does not"""

log = logging.getLogger("mrlf")


def load_predictor(store: Store, city_key: str, *, device: str = "auto") -> Predictor:
    """The predictor of a city's last trained model; `device` is auto, cpu or cuda.

    Raises:
        ValueError: there is no such city or model, or its parts are of different versions.
    """
    from models.evaluation.metrics import useful_temperature

    city = load_city(city_key)
    run = latest_run(store, city.key)
    model = read_model(run, answering_folder(run))
    release, posts = _release(store, city.key, run)
    labels = _labels(run, release, model.num_classes)
    backbone = make_backbone(*picture_network(store, city, run, device))
    stored = _stored_answers(run, model.num_classes, "validation")
    predictor = Predictor(
        model,
        backbone,
        Places(labels),
        _facts(city, run),
        temperature=useful_temperature(
            np.stack(stored["probabilities"]), np.array(stored["label"]), stored["user_key"]
        ),
        known=_known_posts(city, run, posts),
    )
    _check_known_posts(store, predictor, posts, _stored_answers(run, model.num_classes, "test"))
    return predictor


def _release(store: Store, city: str, run: Manifest) -> "tuple[Manifest, pa.Table]":
    """The data set that the model learnt from, which need not be the latest, and its posts."""
    version = run.about["release"]
    release = store.manifest(store.dataset_folder(city, version))
    if run.about["city"] != city or release is None:
        advice = how_to_build(store, city, TRAINING, f"Train again: `mrlf run {city} --to train_mrlf`")
        raise StageError(
            f"the model of {city} learnt from data set {version} of {run.about['city']}, which is not here: it was "
            f"withdrawn or moved. {advice}"
        )
    release.verify(READ_ALWAYS)
    columns = ["post_key", "caption", "hashtags", "clean_digest"]
    return release, pq.read_table(release.folder / "posts.parquet", columns=columns)


def _known_posts(city: City, run: Manifest, posts: "pa.Table") -> KnownPosts:
    """What a question is compared with to tell whether it shows a known place."""
    from models.data.text import normalise, words_of

    captions = (words_of(normalise(caption)) for caption in posts["caption"].to_pylist())
    return KnownPosts(
        words=frozenset(chain.from_iterable(captions)),
        hashtags=frozenset(chain.from_iterable(posts["hashtags"].to_pylist())),
        sureness=read_sureness(run),
        abstain=city.settings(TRAINING, TrainMrlfSettings).abstain,
    )


def _labels(run: Manifest, release: Manifest, num_classes: int) -> list[dict[str, Any]]:
    """The model's classes, in the order of its outputs."""
    labels: list[dict[str, Any]] = json.loads((run.folder / "labels.json").read_text())
    if labels != json.loads((release.folder / "labels.json").read_text()):
        raise StageError(
            f"the labels beside the model {run.folder} are not those of its data set {release.folder}: "
            "they are of different versions; train again"
        )
    if [label["label"] for label in labels] != list(range(num_classes)):
        raise StageError(
            f"the model in {run.folder} has {num_classes} classes and its labels.json lists {len(labels)}: "
            "they are of different versions; train again"
        )
    return labels


def picture_network(
    store: Store, city: City, run: Manifest, device: str = "auto"
) -> "tuple[ImageFeaturesSettings, WeightsFile | Builtin]":
    """How the pictures that the model learnt from were looked at.

    Raises:
        StageError: it is another network now, or its weights are not here.
    """
    from models.vision.backbones import fixed_seed_name

    settings = city.settings("image_features", ImageFeaturesSettings, {"device": device})
    learnt = run.about["backbone"], run.about["backbone_weights_sha256"]
    if settings.weights == "auto":  # what it stood for at training, and no other in its place
        is_drawn = learnt[0] == fixed_seed_name(settings.backbone)
        settings = settings.model_copy(update={"weights": "builtin" if is_drawn else "require"})
    weights = city_weights(store, settings, city.key)
    name, sha256 = feature_name(weights, settings.backbone)
    if (name, sha256) != learnt:
        raise StageError(
            f"the model of {city.key} learnt from pictures as {learnt[0]} ({learnt[1][:12]}) sees them, and what is "
            f"here now is {name} ({sha256[:12]}): bring those weights back (`mrlf weights list`), or build "
            f"image_features and train_mrlf again: `mrlf run {city.key}`"
        )
    return settings, weights


def _stored_answers(run: Manifest, num_classes: int, split: str) -> dict[str, list[Any]]:
    """The predictions for the posts of a split, as training stored them: those of validation before it learnt them."""
    columns = ["post_key", "user_key", "label", "probabilities"]
    folder = answering_folder(run)
    table = pq.read_table(folder / PREDICTIONS, columns=columns, filters=[("split", "=", split)])
    rows: dict[str, list[Any]] = table.to_pydict()
    if not rows["label"] or len(rows["probabilities"][0]) != num_classes:
        raise StageError(f"{PREDICTIONS} in {folder} is not of this model: train again")
    return rows


def _check_known_posts(store: Store, predictor: Predictor, posts: "pa.Table", stored: dict[str, list[Any]]) -> None:
    """Ask about posts whose answer is known from training, the whole way from their bytes."""
    known = {post["post_key"]: post for post in posts.to_pylist()}
    found = ((row, _picture(store, known.get(key))) for row, key in enumerate(stored["post_key"]))
    pictures = dict(islice(((row, data) for row, data in found if data is not None), NUM_KNOWN_POSTS))
    if not pictures:
        log.warning("No picture of a test post is here: that the model answers as in training was not checked.")
        return
    asked = [(data, known[stored["post_key"][row]]) for row, data in pictures.items()]
    questions = [predictor.read(data, _as_written(post)) for data, post in asked]
    now = predictor.model.predict_proba(predictor.samples(questions))
    difference = float(np.abs(now - np.stack([stored["probabilities"][row] for row in pictures])).max())
    if difference > MAX_DIFFERENCE:
        raise StageError(
            f"asked about {len(pictures)} posts it was tested on, the model answers otherwise than when it was "
            f"trained (a probability differs by {difference:.2f}): the settings of image_features in cities.yaml, or "
            "the code that reads pictures and captions, are not those of training. "
            f"Run `mrlf run {predictor.facts.city}`"
        )


def _picture(store: Store, post: dict[str, Any] | None) -> bytes | None:
    """The clean picture of a post; None where it is not here any more."""
    try:
        return store.blobs.get("clean", post["clean_digest"]) if post is not None else None
    except LostPictureError:
        return None


def _as_written(post: dict[str, Any]) -> str:
    """A caption of which curation makes this post's caption and hashtags again."""
    return " ".join([post["caption"], *(f"#{tag}" for tag in post["hashtags"])])


def _facts(city: City, run: Manifest) -> ModelFacts:
    test = answering_scores(run)["test"]
    return ModelFacts(
        city=city.key,
        city_name=city.name,
        model=answers_of(run),
        why_model=run.about.get("choice", {}).get("why", ""),
        run=run.about["run"],
        release=run.about["release"],
        is_synthetic=run.about["is_synthetic"],
        backbone=run.about["backbone"],
        backbone_weights_sha256=run.about["backbone_weights_sha256"],
        test_accuracy=test["accuracy"],
        mean_error_km=test["mean_error_km"],
    )
