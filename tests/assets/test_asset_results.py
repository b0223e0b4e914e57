"""What Dagster shows of a stage: numbers, losses, facts, remarks and pictures, and nothing that could do harm."""

from collections import defaultdict
from types import SimpleNamespace

import dagster as dg
import pyarrow as pa
import pytest

from assets import results
from assets.checks import every_picture_has_an_outcome
from assets.metadata import MAX_PREVIEW_BYTES, markdown, where
from assets.results import materialized_each
from pipeline.stage import StageReport
from pipeline.store.store import StageRecord

OF_DEMO = SimpleNamespace(has_partition_key=True)
OF_ALL = SimpleNamespace(has_partition_key=False, asset_key=dg.AssetKey("train_mrlf"), log_event=lambda event: None)
HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) | a | b |"


def materialized(*args, **kwargs):
    """The one result."""
    return next(results.materialized(*args, where={}, **kwargs))


def report(city: str = "demo", *, counts=None, notes=None, about=None, is_reused: bool = False) -> StageReport:
    """A stage's report."""
    record = StageRecord(
        stage="posts", digest="d", outputs={}, versions={}, counts=counts or {}, notes=notes or [], about=about or {}
    )
    return StageReport(stage="posts", city=city, digest=f"digest of {city}", is_reused=is_reused, record=record)


def test_numbers_stand_as_numbers_and_losses_in_a_table():
    shown = materialized(
        report(counts={"posts": 7, "dropped": 3, "dropped/video": 2, "deferred/image_missing": 1}),
        num_rows=7,
        checks={},
    )
    assert (shown.metadata["dagster/row_count"], shown.metadata["posts"], shown.metadata["dropped"]) == (7, 7, 3)
    assert [record.data for record in shown.metadata["lost"].records] == [
        {"outcome": "dropped", "reason": "video", "posts": 2},
        {"outcome": "deferred", "reason": "image_missing", "posts": 1},
    ]


@pytest.mark.parametrize("is_reused", [True, False])
def test_it_says_whether_anything_was_done(is_reused):
    assert materialized(report(is_reused=is_reused), num_rows=0, checks={}).metadata["reused"] is is_reused


def test_the_data_version_is_the_digest_of_the_stage():
    assert materialized(report(), num_rows=0, checks={}).data_version.value == "digest of demo"


def test_figures_are_numbers_and_digests_are_not():
    facts = {"accuracy": "0.817", "run": "12e45678", "weights_sha256": "", "interval": "0.76 to 0.87", "gain": "-0.02"}
    shown = materialized(report(about=facts), num_rows=0, checks={}).metadata
    assert (shown["accuracy"].value, shown["gain"].value) == (0.817, -0.02)
    assert (shown["run"].value, shown["interval"].value, "weights_sha256" in shown) == (
        "12e45678",
        "0.76 to 0.87",
        False,
    )


@pytest.mark.fault("D9")
def test_a_name_in_a_remark_is_never_markup():
    shown = materialized(report(notes=[HOSTILE], about={"name": HOSTILE}), num_rows=0, checks={})
    of_many = materialized_each(OF_DEMO, [report(notes=[HOSTILE])], {"melbourne": HOSTILE}, shown={"demo": {}})
    why = of_many.check_results[0].metadata["melbourne"]
    for value in (shown.metadata["notes"], shown.metadata["name"], of_many.metadata["notes"], why):
        assert type(value).__name__ == "TextMetadataValue"


def test_a_picture_is_embedded():
    shown = materialized(report(), num_rows=0, checks={}, preview=b"\x89PNG")
    assert shown.metadata["preview"].value == "![](data:image/png;base64,iVBORw==)"


@pytest.mark.fault("D19")
def test_where_a_thing_lies_is_a_path_and_an_address_with_the_columns_of_its_rows(tmp_path):
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("tags", pa.list_(pa.string()))])
    shown = where(tmp_path / "50% off", schema)
    assert (shown["path"].value, shown["dagster/uri"]) == (f"{tmp_path}/50% off", f"file://{tmp_path}/50%25%20off")
    columns = [
        (column.name, column.type, column.constraints.nullable) for column in shown["dagster/column_schema"].columns
    ]
    assert columns == [("id", "string", False), ("tags", str(pa.list_(pa.string())), True)]
    assert set(where(tmp_path)) == {"path", "dagster/uri"}


def test_a_page_too_large_for_the_event_log_is_left_out():
    assert markdown("# page").value == "# page"
    assert markdown("ä" * MAX_PREVIEW_BYTES).value.startswith("left out: 400,000 bytes")


def test_a_picture_too_large_for_the_event_log_is_left_out_and_that_is_said():
    shown = materialized(report(), num_rows=0, checks={}, preview=b"0" * (MAX_PREVIEW_BYTES + 1))
    assert shown.metadata["preview"].value == "left out: 200,001 bytes are too many for Dagster's event log"


@pytest.mark.parametrize(
    ("counts", "is_whole"),
    [
        pytest.param({"pictures": 3, "pictures/ok": 2, "pictures/truncated": 1}, True, id="all"),
        pytest.param({"pictures": 3, "pictures/ok": 2}, False, id="one is lost"),
        pytest.param({"pictures": 0}, True, id="no picture"),
    ],
)
def test_every_picture_has_an_outcome(counts, is_whole):
    assert every_picture_has_an_outcome(report(counts=counts)) is is_whole


def test_the_data_version_of_several_cities_changes_with_each():
    versions = {
        materialized_each(OF_ALL, [report(city) for city in cities], {}, shown=defaultdict(dict)).data_version.value
        for cities in (["demo"], ["melbourne"], ["demo", "melbourne"])
    }
    assert len(versions) == 3
