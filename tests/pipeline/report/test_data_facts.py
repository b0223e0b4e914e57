"""What the report tells of the data, where the stages left little."""

import pytest

from pipeline.ledger import write_ledger
from pipeline.release.read import latest_release
from pipeline.report.data_facts import city_ledger, picture_stages
from tests.pipeline.report.small_city import write_record


@pytest.mark.parametrize(
    ("network", "notes", "told"),
    [
        pytest.param("vgg19", [], [], id="the network of the paper"),
        pytest.param("vgg19_fixed_seed", [], ["never saw a picture"], id="a stand-in that the settings asked for"),
        pytest.param(
            "vgg19_fixed_seed", ["no network: offline"], ["offline"], id="a stand-in that the stage tells of"
        ),
    ],
)
def test_a_stand_in_is_told_of_whether_or_not_the_stage_did(store, network, notes, told):
    write_record(store, "demo", "image_features", {"backbone": network, "weights_sha256": "ab"}, notes)
    (stage,) = picture_stages(store, "demo")
    assert stage.network == network
    assert len(stage.notes) == len(told)
    assert all(part in note for part, note in zip(told, stage.notes, strict=True))


def test_a_city_without_records_has_no_picture_stages(store):
    assert picture_stages(store, "demo") == []


def test_deferred_posts_of_a_later_collection_are_one_line_as_the_release_counted_them(own):
    write_ledger(own.store, "demo", "posts", {}, {"new1": "image_missing", "new2": "image_missing"})
    lines = city_ledger(own.store, "demo", latest_release(own.store, "demo")).lines
    assert [(line.reason, line.num_posts) for line in lines if line.outcome == "deferred"] == [("waiting", 1)]
