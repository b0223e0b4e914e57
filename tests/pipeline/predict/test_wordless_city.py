"""A city whose posts have no words, or nothing but pictures, goes all the way: release, model, report, answer."""

import numpy as np
import pytest

from pipeline.predict.loading import load_predictor
from pipeline.predict.predictor import PredictOptions
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.evaluate_mrlf import EvaluateMrlfSettings, build_evaluate_mrlf
from pipeline.store import Store
from pipeline.training.image_features import build_image_features
from pipeline.training.train_mrlf import build_train_mrlf
from tests.fakes.city import CITY, clean_row, fill_city, finish, poi, put_city
from tests.fakes.pictures import encoded, pixels
from tests.pipeline.predict.conftest import FEATURES, TRAINING, write_cities

NO_CAPTIONS = {"caption": ""}
NO_WORDS = {"caption": "", "hashtags": []}


def release(store: Store, changes: dict) -> None:
    """A release whose posts differ like this from good ones."""
    posts = [{**post, **changes} for post in fill_city(store, num_pois=2, posts_per_poi=12)]
    put_city(store, [poi(0), poi(1)], posts)
    digests = [digest for post in posts for digest in post["image_digests"]]
    store.tables.replace("demo", "clean_images", [clean_row(store, *numbered) for numbered in enumerate(digests)])
    for name in ("portrait_masks", "clean_images"):
        finish(store, name)
    build_dataset(store, CITY, DatasetSettings(min_posts_per_poi=5))


@pytest.mark.slow
@pytest.mark.fault("I41")
@pytest.mark.parametrize("changes", [NO_CAPTIONS, NO_WORDS], ids=["hashtags", "pictures alone"])
def test_a_release_without_words_is_read_back_as_it_was_written(store, changes):
    release(store, changes)
    posts = latest_release(store, "demo").posts
    assert set(posts["caption"].to_pylist()) == {""}
    assert str(posts.schema.field("hashtags").type.value_type) == "string"


@pytest.mark.slow
@pytest.mark.fault("I41")
@pytest.mark.parametrize("changes", [NO_CAPTIONS, NO_WORDS], ids=["hashtags", "pictures alone"])
def test_a_city_without_words_is_trained_reported_and_asked(store, changes, tmp_path, monkeypatch):
    release(store, changes)
    build_image_features(store, CITY, FEATURES)
    build_train_mrlf(store, CITY, TRAINING)
    build_evaluate_mrlf(store, CITY, EvaluateMrlfSettings())
    assert (store.report_folder("demo") / "report.html").is_file()
    write_cities(tmp_path, monkeypatch, size=FEATURES.image_size)
    predictor = load_predictor(store, "demo")
    question = predictor.read(encoded(pixels(3, (96, 96))), "#place0")
    (answer,) = predictor.answer([question], [PredictOptions()])
    assert np.isclose(sum(place.probability for place in answer.places), 1, atol=1e-4)
