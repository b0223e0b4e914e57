"""The stage: its figures against loops, when it works and when it rests, and what never gets into a report."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from models.evaluation.metrics import share_interval, useful_temperature
from pipeline.errors import StageError
from pipeline.ledger import write_ledger
from pipeline.report.evaluate_mrlf import build_evaluate_mrlf
from pipeline.report.evaluation import BASELINES
from pipeline.report.sentences import how_measured, training_note
from pipeline.report.write import STUDY_JSON, STUDY_PAGE
from pipeline.store.files import seal, unseal
from tests.pipeline.report.small_city import (
    BACKBONE,
    CANARY,
    HOSTILE_NAME,
    PLACES,
    SETTINGS,
    Trained,
    write_record,
    write_run,
)

pytestmark = pytest.mark.slow


def report_of(trained: Trained) -> dict:
    return json.loads(trained.file("report.json").read_text())


def predictions_of(trained: Trained, split: str = "test") -> list[dict]:
    table = pd.read_parquet(trained.store.run_folder("mrlf", "demo", "run1") / "predictions.parquet")
    return table[table["split"] == split].to_dict("records")


def test_figures_of_mrlf_equal_a_reference_in_loops(reported):
    ours = report_of(reported)["models"][0]
    places = sorted(PLACES)
    errors, rights, top5s = [], [], []
    for row in predictions_of(reported):
        predicted = max(range(len(places)), key=lambda label: row["probabilities"][label])
        rights.append(predicted == row["label"])
        better = sum(other > row["probabilities"][row["label"]] for other in row["probabilities"])
        top5s.append(better < 5)
        errors.append(haversine_km(places[predicted], places[row["label"]]))
    assert ours["accuracy"]["value"] == pytest.approx(sum(rights) / len(rights))
    assert ours["top5"] == pytest.approx(sum(top5s) / len(top5s))
    assert ours["mean_km"]["value"] == pytest.approx(sum(errors) / len(errors))
    assert ours["median_km"] == pytest.approx(pd.Series(errors).median())
    assert ours["macro_f1"] == pytest.approx(macro_f1(predictions_of(reported)))


def haversine_km(one: tuple, other: tuple) -> float:
    (lat_a, lng_a), (lat_b, lng_b) = ([math.radians(degrees) for degrees in place[3:]] for place in (one, other))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lng_b - lng_a) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(h))


def macro_f1(rows: list[dict]) -> float:
    scores = []
    for label in range(len(PLACES)):
        met = sum(row["label"] == label for row in rows) + sum(row["predicted"] == label for row in rows)
        if met:
            scores.append(2 * sum(row["label"] == row["predicted"] == label for row in rows) / met)
    return sum(scores) / len(scores)


def test_baselines_are_all_there_and_scored_on_the_same_posts(reported):
    report = report_of(reported)
    names = [model["name"] for model in report["models"]]
    assert names == ["mrlf", *BASELINES]
    assert "logistic_all" in names, "the rival that the papers leave out"
    labels = Counter(row["label"] for row in predictions_of(reported))
    train = Counter(post["label"] for post in posts_of(reported) if post["split"] == "train")
    most_frequent = min(train, key=lambda label: (-train[label], label))
    assert report["models"][1]["accuracy"]["value"] == pytest.approx(labels[most_frequent] / labels.total())


def posts_of(trained: Trained) -> list[dict]:
    version = trained.store.stage_record("demo", "dataset").about["version"]
    return pd.read_parquet(trained.store.dataset_folder("demo", version) / "posts.parquet").to_dict("records")


def test_every_interval_holds_its_figure_and_gains_are_differences(reported):
    ours, *others = report_of(reported)["models"]
    for model in (ours, *others):
        for estimate in (model["accuracy"], model["mean_km"], model["gain"] or model["accuracy"]):
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    for model in others:
        assert model["gain"]["value"] == pytest.approx(ours["accuracy"]["value"] - model["accuracy"]["value"])


@pytest.mark.fault("T27")
def test_p_values_stand_beside_those_corrected_for_the_number_of_models(reported):
    ours, *others = report_of(reported)["models"]
    assert ours["p"] is None and ours["p_holm"] is None
    told = [(model["p"], model["p_holm"]) for model in others if model["p"] is not None]
    assert len(told) > 3 and all(0 < p <= corrected <= 1 for p, corrected in told)
    smallest = min(told)
    assert smallest[1] == pytest.approx(min(1, len(told) * smallest[0]))


@pytest.mark.fault("T28")
def test_the_tuned_model_says_what_it_chose_and_the_split_at_random_what_it_would_flatter(reported_record):
    (chosen,) = (model.chosen for model in reported_record.models if model.chosen)
    text = " ".join(how_measured(reported_record))
    assert chosen.startswith("C = ") and chosen in text
    assert reported_record.at_random is not None and "Had posts been drawn at random" in text
    without = dataclasses.replace(reported_record, at_random=None, models=reported_record.models[:1])
    assert "at random" not in " ".join(how_measured(without)) and ", not tuned;" in " ".join(how_measured(without))


def test_intervals_are_drawn_over_users_and_not_over_posts(reported):
    rows = predictions_of(reported)
    right = np.array([row["predicted"] == row["label"] for row in rows])
    user_of = {post["post_key"]: post["user_key"] for post in posts_of(reported)}
    users = [user_of[row["post_key"]] for row in rows]
    interval = report_of(reported)["models"][0]["accuracy"]
    assert (interval["low"], interval["high"]) == pytest.approx(share_interval(right, users))
    by_post = share_interval(right, [row["post_key"] for row in rows])
    assert (interval["low"], interval["high"]) != pytest.approx(by_post)


def test_the_temperature_is_the_one_of_the_validation_posts(reported):
    user_of = {post["post_key"]: post["user_key"] for post in posts_of(reported)}
    of_split = {}
    for split in ("validation", "test"):
        predicted = {row["post_key"]: row for row in predictions_of(reported, split)}
        rows = [predicted[key] for key in user_of if key in predicted]
        proba, labels = np.stack([row["probabilities"] for row in rows]), np.array([row["label"] for row in rows])
        of_split[split] = useful_temperature(proba, labels, [user_of[row["post_key"]] for row in rows])
    temperature = report_of(reported)["calibration"]["temperature"]
    assert temperature == pytest.approx(of_split["validation"]) and temperature != pytest.approx(of_split["test"])


def test_confusion_and_places_count_every_test_post_once(reported):
    report = report_of(reported)
    number_of = {place["label"]: place["number"] for place in report["places"]}
    counted = Counter((number_of[row["label"]], number_of[row["predicted"]]) for row in predictions_of(reported))
    for row, cells in enumerate(report["confusion"], start=1):
        assert cells == [counted[row, column] for column in range(1, len(cells) + 1)]
    assert sum(place["num_test"] for place in report["places"]) == report["num_test_posts"]
    assert [place["category"] for place in report["places"]] == sorted(place[2] for place in PLACES)


def test_ledger_on_the_page_closes(reported):
    ledger = report_of(reported)["ledger"]
    assert ledger["num_seen"] == ledger["num_released"] + ledger["num_dropped"] + ledger["num_deferred"] == 129
    lines = {(line["stage"], line["outcome"], line["reason"]): line["num_posts"] for line in ledger["lines"]}
    assert lines == {
        ("posts", "dropped", "no_place"): 2,
        ("posts", "deferred", "image_missing"): 1,
        ("curated_posts", "dropped", "not_english"): 5,
        ("clean_images", "dropped", "mostly_person"): 1,
    }


def test_nothing_changed_means_reused(own):
    before = own.store.stage_record("demo", "evaluate_mrlf")
    again = build_evaluate_mrlf(own.store, own.city, SETTINGS)
    assert again.is_reused
    assert again.record == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda own: write_run(own.store, "demo", run="run2", max_epochs=1), id="another run"),
        pytest.param(lambda own: write_ledger(own.store, "demo", "posts", {"lost0": "video"}), id="another ledger"),
        pytest.param(lambda own: own.file("report.html").unlink(), id="page deleted by hand"),
        pytest.param(lambda own: own.file("report-map.png").unlink(), id="picture deleted by hand"),
        pytest.param(lambda own: own.file("report.md").write_text("edited"), id="page edited by hand"),
        pytest.param(lambda own: shutil.rmtree(own.file("")), id="folder deleted by hand"),
    ],
)
@pytest.mark.usefixtures("no_figures", "known_report")
def test_report_is_made_again_after(own, change):
    change(own)
    assert not build_evaluate_mrlf(own.store, own.city, SETTINGS).is_reused
    assert own.file("report.html").is_file()
    assert build_evaluate_mrlf(own.store, own.city, SETTINGS).is_reused


def test_equal_input_gives_equal_bytes(own):
    first = {path.name: path.read_bytes() for path in own.file("").iterdir()}
    shutil.rmtree(own.file(""))
    build_evaluate_mrlf(own.store, own.city, SETTINGS)
    assert {path.name: path.read_bytes() for path in own.file("").iterdir()} == first


def test_no_model_says_what_to_do(own):
    own.store.forget_stage_record("demo", "train_mrlf")
    with pytest.raises(StageError, match="train_mrlf"):
        build_evaluate_mrlf(own.store, own.city, SETTINGS)


def test_a_model_of_another_release_is_refused(own):
    manifest = unseal(own.store.run_folder("mrlf", "demo", "run1"))
    seal(manifest.folder, {**manifest.about, "release": "0ld"}, list(manifest.files))
    with pytest.raises(StageError, match="trained on release 0ld"):
        build_evaluate_mrlf(own.store, own.city, SETTINGS)


def test_a_run_that_predicted_other_posts_is_refused(own):
    folder = own.store.run_folder("mrlf", "demo", "run1")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    predictions[1:].to_parquet(folder / "predictions.parquet")
    manifest = unseal(folder)
    seal(folder, manifest.about, list(manifest.files))
    with pytest.raises(StageError, match="test posts are not the"):
        build_evaluate_mrlf(own.store, own.city, SETTINGS)


def test_a_model_that_gives_other_probabilities_than_its_run_stored_is_refused(own):
    write_run(own.store, "demo", run="run2", seed=4, max_epochs=1)
    folder, other = (own.store.run_folder("mrlf", "demo", run) for run in ("run1", "run2"))
    for name in ("model.safetensors", "vocab.json", "config.json"):
        shutil.copy(other / name, folder / name)
    manifest = unseal(folder)
    seal(folder, manifest.about, list(manifest.files))
    write_record(own.store, "demo", "train_mrlf", {"run": "run1"}, [])
    settings = SETTINGS.model_copy(update={"num_resamples": 101})  # else the report that stands would be reused
    with pytest.raises(StageError, match="gives other probabilities than the run stored"):
        build_evaluate_mrlf(own.store, own.city, settings)


@pytest.mark.fault("T11")
@pytest.mark.usefixtures("few_baselines")
def test_a_run_without_validation_posts_is_refused_and_says_which(own):
    folder = own.store.run_folder("mrlf", "demo", "run1")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    predictions[predictions["split"] == "test"].to_parquet(folder / "predictions.parquet")
    manifest = unseal(folder)
    seal(folder, manifest.about, list(manifest.files))
    with pytest.raises(StageError, match="0 validation posts are not the"):
        build_evaluate_mrlf(own.store, own.city, SETTINGS)


@pytest.mark.fault("T11")
@pytest.mark.usefixtures("few_baselines", "no_figures")
def test_a_model_that_learnt_nothing_is_warned_of_on_every_page_and_in_the_stage_s_notes(own):
    write_run(own.store, "demo", run="run2", max_epochs=1, learning_rate=1e-9)
    notes = build_evaluate_mrlf(own.store, own.city, SETTINGS).record.notes
    assert "Do not use it" in notes[0]
    for name in ("report.html", "report.md", "model_card.md"):
        assert "Do not use it" in own.file(name).read_text(), name
    page = own.file("report.html").read_text()
    assert page.index("Do not use it") < page.index('class="headline"')


def test_measures_agree_with_the_table_of_models(reported):
    report = report_of(reported)
    ours, num = report["models"][0], report["num_test_posts"]
    assert report["modalities"]["everything"] == ours["accuracy"]
    assert report["calibration"]["error_before"] == ours["calibration_error"]
    assert sum(map(sum, report["categories"]["confusion"])) == num
    assert sum(each["num_posts"] for each in report["drift"]["bins"]) == num
    assert sum(each["num_right"] for each in report["drift"]["bins"]) == round(num * ours["accuracy"]["value"])
    shares = sum(each["share"]["value"] for each in report["modalities"]["modalities"])
    assert shares == pytest.approx(ours["accuracy"]["value"] - report["modalities"]["blind"]["value"])
    curve = dict(zip(report["distances"]["limits_km"], report["distances"]["curves"][0]["shares"], strict=True))
    assert [curve[0.5], curve[1.0], curve[5.0]] == [ours[f"within_{name}"] for name in ("500_m", "1_km", "5_km")]


def test_the_curve_of_the_model_best_is_described_as_that_of_several_networks(reported_record):
    blend = dataclasses.replace(reported_record, answers="best")
    assert "for the networks of the ensemble" in training_note(blend)
    alone, refitted = (dataclasses.replace(reported_record, is_refit=is_refit) for is_refit in (False, True))
    assert "was kept" in training_note(alone) and "trained anew" not in training_note(alone)
    assert "was chosen" in training_note(refitted) and "trained anew for as many epochs" in training_note(refitted)
    assert "epochs over the training posts" in training_note(dataclasses.replace(alone, epochs=[*alone.epochs] * 2))
    assert "ensemble" not in training_note(reported_record)


@pytest.mark.usefixtures("few_baselines", "no_figures")
def test_a_study_that_was_made_since_is_pointed_at(own):
    for name in (STUDY_JSON, STUDY_PAGE):
        own.file(name).write_text("{}")
    assert not build_evaluate_mrlf(own.store, own.city, SETTINGS).is_reused
    assert f'href="{STUDY_PAGE}"' in own.file("report.html").read_text()
    assert own.file(STUDY_PAGE).is_file(), "the report leaves the study's files alone"


def test_a_synthetic_city_says_that_all_is_invented_and_shows_examples(reported):
    report = report_of(reported)
    page = reported.file("report.html").read_text()
    assert "All posts of this city are invented." in page
    assert "All posts of this city are invented." in reported.file("report.md").read_text()
    assert 8 <= len(report["examples"]) <= 12
    assert any(example["is_right"] for example in report["examples"])
    assert page.count("data:image/jpeg;base64,") == len(report["examples"])


def test_of_a_real_city_no_caption_hashtag_key_or_picture_is_shown(reported_real):
    report = report_of(reported_real)
    posts = posts_of(reported_real)
    files = {path.name: path.read_bytes() for path in reported_real.file("").iterdir()}
    assert report["examples"] == []
    assert not any(name.endswith(".jpg") for name in files)
    for name, data in files.items():
        assert CANARY.encode() not in data, name
        assert b"holiday" not in data, name
        assert b"data:image/jpeg" not in data, name
        assert not any(post[key].encode() in data for post in posts for key in ("post_key", "user_key")), name
    page = files["report.html"].decode()
    assert "are invented" not in page
    assert "belong to the people who made them" in page


def test_stand_ins_are_named_at_the_top_and_the_name_of_the_city_is_escaped(reported):
    page = reported.file("report.html").read_text()
    assert "3 of 3 picture stages ran on a built-in stand-in" in page
    assert page.index("built-in stand-in") < page.index("<table>")
    assert BACKBONE in page
    assert "pre-trained" not in page
    assert "<h1><bdi>Demo &amp; City</bdi>" in page


def test_hostile_names_and_captions_are_text_and_nothing_else(reported):
    page = reported.file("report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page.lower()
    text = reported.file("report.md").read_text()
    assert "<script" not in text
    assert "[x](javascript" not in text
    assert all(line.count(" | ") == 6 for line in text.splitlines() if HOSTILE_NAME[:5] in line and line[2].isdigit())


def test_importing_the_stage_loads_nothing_heavy():
    heavy = ("torch", "sklearn", "scipy", "matplotlib", "jinja2", "cv2", "daft", "PIL")
    code = f"import sys, pipeline.report.evaluate_mrlf; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
