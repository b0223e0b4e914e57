"""A deep look reads also what no stage reads again, names what is damaged, and says what was compared or read."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from models.training.run import LATEST, REFUSED, Checkpoint, write_checkpoint
from pipeline.cli.app import app
from pipeline.cli.verify import Seen, deep_lines
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.report.write import JSON_NAME, file_digests, write_report
from pipeline.store import Store
from pipeline.store.digests import bytes_digest
from pipeline.store.kept import write_kept
from pipeline.store.store import StageRecord
from pipeline.weights import WeightsStore

PAGES = {"report.html": b"<p>", "report.md": b"#"}
AGAIN = "`mrlf run demo` makes it again, with its stage evaluate_mrlf"


def looked(store: Store) -> tuple[list[str], Seen]:
    seen = Seen()
    return list(deep_lines(store, "demo", seen)), seen


@pytest.fixture
def reported(store) -> Path:
    """The folder of a report of two pages, and of a study of one."""
    told = json.dumps({"files": file_digests(PAGES)}).encode()
    write_report(store.report_folder("demo"), {**PAGES, JSON_NAME: told})
    (store.report_folder("demo") / "study.json").write_bytes(b"{}")
    of_stages = {
        "evaluate_mrlf": {"report_sha256": bytes_digest(told)},
        "study": {"sha256/study.json": bytes_digest(b"{}")},
    }
    for stage, about in of_stages.items():
        store.write_stage_record("demo", StageRecord(stage=stage, digest="d", outputs={}, versions={}, about=about))
    return store.report_folder("demo")


@pytest.mark.fault("S33")
@pytest.mark.parametrize(
    ("name", "again"),
    [("report.html", AGAIN), ("report.json", AGAIN), ("study.json", "`mrlf study demo` makes it again")],
)
def test_each_file_of_a_report_is_compared(store, reported, name, again):
    lines, seen = looked(store)
    assert lines == [] and seen.compared["files of reports"] == 4
    (reported / name).write_bytes(b"{x")
    assert f"{reported / name} is not as it was written: {again}" in looked(store)[0]
    (reported / name).unlink()
    assert f"{reported / name} is missing: {again}" in looked(store)[0]


@pytest.mark.fault("S33")
def test_a_damaged_count_of_faces_is_removed_and_told(store):
    path = store.root / "face_recall" / "a.json"
    write_kept(path, {"found": []})
    assert looked(store)[0] == []
    path.write_bytes(path.read_bytes()[:-3])
    (line,) = looked(store)[0]
    assert f"{path} was damaged and is removed" in line and not path.exists()


@pytest.mark.fault("S33")
@pytest.mark.parametrize("folder", ["", "network_4", "refit", "refit/network_4"])
def test_every_checkpoint_of_a_run_is_compared_and_a_damaged_one_put_aside(store, folder):
    path = store.run_folder("mrlf", "demo", "r1") / "checkpoint" / folder / LATEST
    write_checkpoint(path.parent, Checkpoint({"model.a": torch.zeros(2)}, {}), "r1")
    lines, seen = looked(store)
    assert lines == [] and seen.compared["checkpoints"] == 1
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    (line,) = looked(store)[0]
    assert line.startswith(f"{path} is damaged") and path.with_name(REFUSED).is_file() and not path.exists()


@pytest.mark.fault("S33")
def test_a_damaged_best_model_beside_a_checkpoint_is_told(store):
    folder = store.run_folder("mrlf", "demo", "r1") / "checkpoint"
    write_checkpoint(folder, Checkpoint({"model.a": torch.zeros(2)}, {}), "r1")
    (folder / "best").mkdir()
    (folder / "best" / "config.json").write_text("{")
    (line,) = looked(store)[0]
    assert line.startswith(f"{folder / 'best'} is damaged") and line.endswith("no stage reads it, remove it")


@pytest.mark.fault("S33")
def test_a_damaged_database_is_told_with_what_brings_it_again(store):
    with PrivateIds.open(store, "demo") as ids:
        ids.add({"a key": "1", "b key": "2"}, "live")
    path = store.private / "demo.ids.sqlite"
    assert looked(store)[0] == []
    path.write_bytes(path.read_bytes().replace(b"a key", b"c key", 1))
    (line,) = looked(store)[0]
    assert f"{path} is damaged" in line and "`mrlf run demo` makes it again of the archive" in line


@pytest.mark.fault("S33")
def test_damaged_weights_are_told(store, monkeypatch):
    def refuse(self, name):
        raise ValueError(f"{name} is damaged")

    monkeypatch.setattr(WeightsStore, "recorded", lambda self: ["vgg19"])
    monkeypatch.setattr(WeightsStore, "verify", refuse)
    (store.root / "weights").mkdir()
    assert looked(store)[0] == ["vgg19 is damaged"]


@pytest.mark.fault("S33")
def test_what_is_out_of_place_is_named(store):
    path = store.root / "stages" / "demo" / "posts.json"
    path.mkdir(parents=True)
    assert looked(store)[0] == [
        f"{path} is not what belongs there: `mrlf run demo` sets it aside and makes that again"
    ]


@pytest.mark.fault("S33")
def test_it_says_what_was_compared_and_what_only_read(store, reported, monkeypatch):
    monkeypatch.setenv("MRLF_DATA", str(store.root))
    store.tables.replace("demo", "drops", [{"post_key": "a", "stage": "posts", "reason": "x"}])
    (store.root / "overrules").mkdir()
    (store.root / "overrules" / "demo.csv").touch()
    ended = CliRunner().invoke(app, ["verify", "demo", "--deep"])
    assert ended.exit_code == 0, ended.stderr
    assert "compared with their digests: tables 1, records 3, files of reports 4" in ended.stdout
    assert "read, as no digest is kept of them: overrule files 1" in ended.stdout
