"""An archive of one account, all the way to its report: split in time, intervals over days, words of later posts."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from models.evaluation.metrics import share_interval
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.evaluate_mrlf import build_evaluate_mrlf
from pipeline.training.samples import city_samples
from tests.pipeline.report.small_city import BACKBONE, SETTINGS, WHEN, write_run

pytestmark = pytest.mark.slow


@pytest.fixture
def of_one(own, few_baselines, no_figures):
    """The small city with all posts by one account, two a day."""
    posts = own.store.tables.read("demo", "curated_posts").to_pylist()
    for number, post in enumerate(posts):
        post |= {"user_key": "0" * 32, "taken_utc": WHEN + dt.timedelta(days=number // 2)}
    own.store.tables.replace("demo", "curated_posts", posts)
    build_dataset(own.store, own.city, DatasetSettings())
    write_run(own.store, "demo", max_epochs=1)
    return own


@pytest.mark.fault("T13")
def test_its_report_draws_days_and_speaks_of_later_posts(of_one):
    notes = build_evaluate_mrlf(of_one.store, of_one.city, SETTINGS).record.notes
    report = json.loads(of_one.file("report.json").read_text())
    assert (report["split"], report["unit"]) == ("time", "day")
    assert (report["num_test_users"], report["num_test_posts"]) == (1, 12)
    assert any("The test posts come from 6 days only" in note for note in notes)
    release = latest_release(of_one.store, "demo")
    test = city_samples(of_one.store, "demo", release, BACKBONE).splits["test"]
    right = _right(of_one, test.keys)
    low, high = share_interval(right, test.groups)
    accuracy = report["models"][0]["accuracy"]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((low, high)) and low < high
    for page in ("report.md", "report.html", "model_card.md"):
        said = of_one.file(page).read_text()
        assert "split in time" in said and "All posts of one user" not in said and "random among users" not in said


def _right(trained, keys):
    folder = trained.store.run_folder("mrlf", "demo", "run1")
    rows = pd.read_parquet(folder / "predictions.parquet").set_index("post_key")
    return np.array((rows["predicted"] == rows["label"]).loc[keys], dtype=np.float64)
