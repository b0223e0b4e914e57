"""A cell: its digest, what it writes, and when it does not count as one."""

import dataclasses

import pyarrow as pa
import pytest

from pipeline.study.cells import PREDICTIONS, Cell, SplitDigests, cell_digest, read_cell, write_cell

CELL = Cell(candidate="mrlf", variant="release", split="user", seed=0)
SEEN = SplitDigests(train="a", validation="b", test="c", num_train=10)
TABLE = pa.table({"post_key": ["k"], "rank": [1]})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seen": dataclasses.replace(SEEN, train="x")}, id="other training posts"),
        pytest.param({"seen": dataclasses.replace(SEEN, validation="x")}, id="other validation posts"),
        pytest.param({"seen": dataclasses.replace(SEEN, test="x")}, id="other test posts"),
        pytest.param({"resolved": {"dropout": 0.4}}, id="another setting in effect"),
        pytest.param({"cell": dataclasses.replace(CELL, seed=1)}, id="another seed"),
        pytest.param({"cell": dataclasses.replace(CELL, candidate="deepgeo")}, id="another candidate"),
        pytest.param({"code": "other"}, id="other code"),
    ],
)
def test_a_digest_changes_with_all_that_a_result_depends_on(changes):
    plain = {"cell": CELL, "seen": SEEN, "resolved": {"dropout": 0.3}, "code": "c"}
    assert cell_digest(**plain) != cell_digest(**{**plain, **changes})


def test_equal_posts_are_one_cell_whatever_the_variant_is_called():
    renamed = dataclasses.replace(CELL, variant="hashtags_from_8")
    assert renamed.identity != CELL.identity
    assert cell_digest(renamed, SEEN, {}, code="c") == cell_digest(CELL, SEEN, {}, code="c")


def test_what_is_written_comes_back(tmp_path):
    write_cell(tmp_path / "c", {"cell": dataclasses.asdict(CELL), "seconds": 1.5}, TABLE)
    found = read_cell(tmp_path / "c")
    assert found.about["seconds"] == 1.5
    assert found.predictions.equals(TABLE)


@pytest.mark.parametrize("name", ["manifest.json", PREDICTIONS, "result.json"])
def test_a_cell_that_lost_a_file_is_none(tmp_path, name):
    write_cell(tmp_path, {"cell": {}}, TABLE)
    (tmp_path / name).unlink()
    assert read_cell(tmp_path) is None


def test_a_cell_that_was_edited_is_none(tmp_path):
    write_cell(tmp_path, {"cell": {}}, TABLE)
    (tmp_path / "result.json").write_text("{}")
    assert read_cell(tmp_path) is None
