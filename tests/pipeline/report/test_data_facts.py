"""What the report states about the data, where the stages recorded little; every reason has a meaning."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import pipeline
from pipeline.curate.rules import RULES
from pipeline.ledger import write_ledger
from pipeline.release.read import latest_release
from pipeline.report.content import RecallLine
from pipeline.report.data_facts import MEANINGS, city_ledger, drawn_people, face_gate, meaning_of, picture_stages
from pipeline.report.sentences import drawn_people_sentence, gate_sentence, recall_sentence, standin_sentence
from pipeline.store.store import StageRecord
from tests.pipeline.report.small_city import write_record


@pytest.mark.parametrize(
    ("network", "notes", "parts"),
    [
        pytest.param("vgg19", [], [], id="the network of the paper"),
        pytest.param("vgg19_fixed_seed", [], ["never saw a picture"], id="a stand-in that the settings asked for"),
        pytest.param("vgg19_fixed_seed", ["no network: offline"], ["offline"], id="a stand-in that the stage names"),
    ],
)
def test_a_stand_in_is_named_whether_or_not_the_stage_named_it(store, network, notes, parts):
    write_record(store, "demo", "image_features", {"backbone": network, "weights_sha256": "ab"}, notes)
    (stage,) = picture_stages(store, "demo")
    assert stage.network == network
    assert len(stage.notes) == len(parts)
    assert all(part in note for part, note in zip(parts, stage.notes, strict=True))
    assert stage.is_stand_in == (network != "vgg19")


def test_a_city_without_records_has_no_picture_stages(store):
    assert picture_stages(store, "demo") == []


def test_a_remark_about_the_papers_network_makes_it_no_stand_in(store):
    about = {"network": "big_lama", "weights_sha256": "ab", "running": "openvino bf16 on cpu"}
    write_record(store, "demo", "clean_images", about, ["nothing looked for faces in the clean pictures (drawn)"])
    (stage,) = picture_stages(store, "demo")
    assert not stage.is_stand_in
    assert stage.running == "openvino bf16 on cpu"
    assert standin_sentence([stage]) == "No stage ran on a stand-in."


def test_the_face_gate_is_described_with_its_outcomes_and_what_it_finds(store):
    about = {
        "network": "big_lama",
        "weights_sha256": "ab",
        "face_gate": "yunet",
        "face_gate_sha256": "cd" * 32,
        "face_recall": "upright 7 of 8; small 1 of 4",
        "face_recall_shows_not": "no crowds",
    }
    counts = {"pictures/filled_again": 3, "pictures/face_left": 1}
    store.write_stage_record("demo", replace(record(about), counts=counts))
    gate = face_gate(store, "demo")
    assert (gate.network, gate.num_filled_again, gate.num_dropped) == ("yunet", 3, 1)
    assert gate.recall[1] == RecallLine(kind="small", num_found=1, num_faces=4)
    assert "3 pictures" in gate_sentence(gate)
    assert "1 picture still" in gate_sentence(gate)
    assert "8 of 12 faces" in recall_sentence(gate)
    assert "no crowds" in recall_sentence(gate)


def test_a_gate_that_was_off_is_reported_with_the_reason(store):
    about = {"network": "big_lama", "face_gate": "off", "face_gate_off_reason": "drawings\u202e only"}
    store.write_stage_record("demo", record(about))
    sentence = gate_sentence(face_gate(store, "demo"))
    assert "were not searched for faces" in sentence
    assert "drawings only" in sentence


def test_pictures_that_went_past_no_gate_are_not_said_to_have(store):
    assert face_gate(store, "demo") is None
    store.write_stage_record("demo", record({"network": "big_lama"}))
    assert "No stage recorded" in gate_sentence(face_gate(store, "demo"))


@pytest.mark.fault("M14")
def test_of_a_drawn_city_the_people_that_are_left_are_given_in_per_cent(store):
    counts = {
        "pictures": 400,
        "people_drawn": 200,
        "people_drawn/dropped": 40,
        "people_drawn/face_left": 1,
        "people_drawn/body_left": 3,
    }
    store.write_stage_record("demo", replace(record({"network": "big_lama"}), counts=counts))
    drawn = drawn_people(store, "demo")
    assert (drawn.percent_face_left, drawn.percent_body_left) == (0.5, 1.5)
    sentence = drawn_people_sentence(drawn)
    assert "Of 200 pictures with a person 40 were dropped" in sentence
    assert "a face is left in 1 (0.5\u202f%) and a body in 3 (1.5\u202f%)" in sentence


@pytest.mark.fault("M13")
@pytest.mark.parametrize("counts", [{}, {"pictures": 9, "pictures/unchanged": 9}], ids=["no counts", "all unchanged"])
def test_where_nobody_knows_who_is_in_the_pictures_no_number_of_people_is_given(store, counts):
    assert drawn_people(store, "demo") is None
    store.write_stage_record("demo", replace(record({"network": "big_lama"}), counts=counts))
    assert drawn_people(store, "demo") is None


def record(about: dict[str, str]) -> StageRecord:
    """A record of the filling stage."""
    return StageRecord(stage="clean_images", digest="d" * 64, outputs={}, versions={}, about=about)


@pytest.mark.slow
def test_deferred_posts_of_a_later_collection_are_one_line_as_the_release_counted_them(own):
    write_ledger(own.store, "demo", "posts", {}, {"new1": "image_missing", "new2": "image_missing"})
    lines = city_ledger(own.store, "demo", latest_release(own.store, "demo")).lines
    assert [(line.reason, line.num_posts) for line in lines if line.outcome == "deferred"] == [("waiting", 1)]


def test_every_reason_of_the_code_is_explained():
    pattern = re.compile(r'(?:Unreadable(?:File|Picture)\(|(?:drops|deferred)\[key\] = |outcome=)"([a-z0-9_]+)"')
    folder = Path(pipeline.__file__).parent
    found = {reason for path in folder.rglob("*.py") for reason in pattern.findall(path.read_text())} - {"ok"}
    found |= set(re.findall(r'return "([a-z_]+)"', (folder / "collect/post_rules.py").read_text()))
    photos = folder / "collect/instagram/media/photos.py"
    found |= set(re.findall(r'"(media_[a-z]+|not_fetched_yet)"', photos.read_text()))
    assert len(found) > 15
    assert not found - set(MEANINGS) - {rule.name for rule in RULES}
    assert all(meaning_of(rule.name) == rule.meaning for rule in RULES)


def test_a_reason_without_a_meaning_is_its_own_words():
    assert meaning_of("fell_from_the_sky") == "fell from the sky"
    assert meaning_of("not_de") == "the caption is not in the language asked for (de)"
