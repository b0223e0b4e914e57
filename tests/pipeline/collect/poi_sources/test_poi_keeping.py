"""How long Foursquare's answers are kept: at the end of their time all but the ids goes, and is asked for again."""

import json
import math
import os
import shutil
from pathlib import Path

import pytest
from pyarrow import parquet

from pipeline.collect.poi_sources import keeping as poi_keeping
from pipeline.collect.poi_sources.keeping import expire_answers, expire_pois, is_to_be_asked, read_pois
from pipeline.collect.pois import PoisSettings, build_pois, renew_pois
from pipeline.errors import IncompleteError, StageError
from pipeline.stages import READ_POIS, run_stage_of
from pipeline.store.tables import Tables
from tests.fakes.foursquare_server import PARK, fake_place
from tests.fakes.http_server import Answer

HOUR = 3600.0
NAME = "Weathercock Hill"
IDS = [f"{number:024x}" for number in range(40)]


@pytest.fixture(autouse=True)
def named(server):
    """One place has a name that nothing else in the store can hold."""
    server.places[7] = fake_place(7, name=NAME)


def pois(store, city="town"):
    return sorted(store.tables.read(city, "pois").to_pylist(), key=lambda row: (row["rank"], row["poi_id"]))


def answers(store) -> list[Path]:
    """Every file of answers but the states."""
    found = (store.root / "crawl" / "foursquare").rglob("*")
    return [path for path in found if path.is_file() and path.name != "state.json"]


def has_content(store) -> bool:
    """Whether the name stands in a file of the store, or in a version of the table."""
    files = [path for path in store.root.rglob("*") if path.is_file()]
    versions = [parquet.read_table(path).to_pylist() for path in files if path.suffix == ".parquet"]
    return NAME in str(versions) or any(NAME.encode() in path.read_bytes() for path in files)


@pytest.mark.fault("P12")
def test_within_its_time_nothing_is_asked_and_after_it_all_but_the_ids_is_deleted_and_asked_again(
    build, server, store, clock
):
    build()
    before, digest = pois(store), store.output_digest("town", "pois", "pois")
    clock.pass_by(23.9 * HOUR)
    assert (build().is_reused, server.num_searches, has_content(store)) == (True, 1, True)
    clock.pass_by(0.1 * HOUR)
    expire_pois(store, "town", 24, clock.now())
    assert (answers(store), has_content(store)) == ([], False)
    assert [row["poi_id"] for row in pois(store)] == IDS
    assert all(row["name"] == row["poi_id"] and math.isnan(row["latitude"]) for row in pois(store))
    assert (build().is_reused, server.num_searches) == (False, 2)
    assert [row | {"retrieved_utc": clock.now()} for row in before] == pois(store)
    assert store.output_digest("town", "pois", "pois") == digest, "what is equal is reused by all that follows"


@pytest.mark.fault("P12")
def test_the_build_itself_lets_go_and_asks_for_what_has_changed(build, server, store, clock):
    build()
    server.places = server.places[10:]
    clock.pass_by(24 * HOUR)
    build()
    assert (server.num_searches, has_content(store)) == (2, False)
    assert pois(store)[0]["poi_id"] == IDS[10]


@pytest.mark.fault("P12")
def test_the_time_runs_from_the_question_and_not_from_the_last_build(build, server, store, clock):
    build(max_pois=40)
    clock.pass_by(23 * HOUR)
    build(max_pois=20)
    assert server.num_searches == 1
    clock.pass_by(HOUR)
    assert is_to_be_asked(store, "town", 24, clock.now())


@pytest.mark.fault("P12")
def test_answers_to_older_questions_and_pages_without_a_state_go_too(build, server, store, clock):
    build(max_pois=1, categories=[PARK, "4bf58dd8d48988d181941735"])
    build(max_pois=1)
    for state in sorted((store.root / "crawl" / "foursquare").rglob("state.json"))[:1]:
        state.write_bytes(b"nonsense")
        for path in state.parent.glob("page-*"):
            os.utime(path, (clock.now().timestamp(),) * 2)
            (state.parent / ".writing-x").write_bytes(path.read_bytes())
    assert len(answers(store)) == 3
    clock.pass_by(24 * HOUR)
    expire_pois(store, "town", 24, clock.now())
    assert answers(store) == []
    assert build(max_pois=1).counts["pois"] == 1


@pytest.mark.fault("P12")
@pytest.mark.parametrize("stopped", ["before the pages go", "before the old versions go"])
def test_a_killed_sweep_is_finished_by_the_next(build, store, clock, monkeypatch, stopped):
    def killed(path, *args, **options):
        if isinstance(path, Path) and not path.name.startswith("page-"):
            return unlink(path, *args, **options)
        raise KeyboardInterrupt

    build()
    clock.pass_by(24 * HOUR)
    unlink = Path.unlink
    owner, name = (Path, "unlink") if stopped == "before the pages go" else (Tables, "erase_history")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, name, killed)
        expire_pois(store, "town", 24, clock.now())
    for path in answers(store):
        os.utime(path, (clock.now().timestamp() - 24 * HOUR,) * 2)
    expire_pois(store, "town", 24, clock.now())
    assert (answers(store), has_content(store)) == ([], False)


@pytest.mark.fault("P12")
def test_a_city_that_takes_its_pois_from_a_file_now_keeps_nothing_of_foursquares(build, store, tmp_path, clock):
    build()
    file = tmp_path / "pois.json"
    file.write_text(json.dumps([{"poi_id": "own", "name": "My Mill", "latitude": 12.0, "longitude": -30.0}]))
    build(file=file)
    assert "My Mill" in str(pois(store))
    expire_pois(store, "town", 24, clock.now())
    clock.pass_by(10 * 366 * 24 * HOUR)
    expire_pois(store, "town", 24, clock.now())
    assert has_content(store) is False
    assert [row["name"] for row in pois(store)] == ["My Mill"], "a file of one's own is never over"
    assert build(file=file).is_reused


@pytest.mark.fault("P12")
def test_a_sweep_looks_at_every_city_but_those_that_are_being_built(build, store, town, clock):
    for key in ("town", "other", "busy"):
        build(town.model_copy(update={"key": key}))
    clock.pass_by(24 * HOUR)
    with store.lock("busy", "pois"):
        expire_answers(store, clock.now())
    assert [bool(pois(store, key)[0]["rank"]) for key in ("town", "other", "busy")] == [False, False, True]
    expire_answers(store, clock.now())
    assert answers(store) == []


@pytest.mark.fault("P13")
def test_without_a_key_the_run_says_what_to_do_and_builds_nothing_of_what_is_over(
    build, store, clock, town, monkeypatch
):
    build()
    monkeypatch.delenv("FOURSQUARE_API_KEY")
    clock.pass_by(24 * HOUR)
    for source in ("auto", "foursquare"):
        with pytest.raises(StageError, match=r"2026-03-01 12:00 UTC is deleted.*FOURSQUARE_API_KEY.*os_places"):
            build(source=source)
    assert has_content(store) is False
    assert [row["poi_id"] for row in pois(store)] == IDS
    with pytest.raises(StageError, match=r"only the ids are there.*mrlf pois town"):
        read_pois(store, "town")
    for stage in sorted(READ_POIS):  # by the clock of this machine
        with pytest.raises(StageError, match="FOURSQUARE_API_KEY"):
            run_stage_of(store, town, stage)


@pytest.mark.fault("P13")
def test_without_an_answer_the_run_waits_and_builds_nothing_of_what_is_over(build, server, store, clock):
    build()
    clock.pass_by(24 * HOUR)
    fault = server.fail(answer=Answer.json({}, 503), times=None)
    with pytest.raises(IncompleteError):
        build()
    assert has_content(store) is False
    fault.times = 0
    assert build().counts["pois"] == 40


@pytest.mark.fault("P13")
def test_a_stage_that_reads_pois_has_them_asked_for_first_where_their_time_is_over(build, server, store, clock, town):
    build()
    renew_pois(store, town, PoisSettings(), clock=clock)
    assert server.num_searches == 1
    clock.pass_by(24 * HOUR)
    renew_pois(store, town, PoisSettings(), clock=clock)
    assert (server.num_searches, len(read_pois(store, "town"))) == (2, 40)
    with pytest.raises(StageError, match="build the stage pois first"):
        run_stage_of(store, town.model_copy(update={"key": "new"}), "places")


@pytest.mark.fault("P14")
def test_the_setting_says_how_long_and_changing_it_asks_for_nothing_within_the_time(build, server, store, clock):
    build()
    clock.pass_by(30 * HOUR)
    assert build(foursquare_keep_hours=48).is_reused
    report = build(foursquare_keep_hours=None)
    assert report.is_reused
    assert "kept for ever" in report.record.notes[-1]
    clock.pass_by(400 * 24 * HOUR)
    assert build(foursquare_keep_hours=None).is_reused
    assert server.num_searches == 1
    assert "kept for ever" not in str(build(foursquare_keep_hours=0.5).record.notes)
    assert server.num_searches == 2
    with pytest.raises(ValueError, match="greater than 0"):
        PoisSettings(foursquare_keep_hours=0)


@pytest.mark.fault("P14")
@pytest.mark.parametrize(
    ("jump_h", "num_asked"),
    [
        pytest.param(-366 * 24, 2, id="a year back"),
        pytest.param(-1, 2, id="an hour back"),
        pytest.param(-1 / 60, 1, id="a minute back"),
        pytest.param(366 * 24, 2, id="a year ahead"),
    ],
)
def test_a_clock_that_is_set_back_keeps_no_answer_for_ever(build, server, store, clock, jump_h, num_asked):
    build()
    clock.jump(jump_h * HOUR)
    assert build().counts["pois"] == 40
    assert server.num_searches == num_asked
    clock.pass_by(24.1 * HOUR)
    expire_pois(store, "town", 24, clock.now())
    assert has_content(store) is False


def test_a_city_whose_settings_cannot_be_read_has_the_default(town):
    wrong = town.model_copy(update={"stages": {"pois": {"foursquare_keep_hours": 99, "fiel": "x"}}})
    longer = town.model_copy(update={"stages": {"pois": {"foursquare_keep_hours": 99}}})
    assert [poi_keeping.keep_hours(city) for city in (None, wrong, longer)] == [24, 24, 99]


def test_when_to_stay_away_outlives_the_answers(build, server, store, clock):
    server.fail(skip=1, answer=Answer.json({}, 429, headers={"Retry-After": "80000"}))
    with pytest.raises(IncompleteError):
        build(max_pois=70)
    clock.pass_by(20 * HOUR)
    with pytest.raises(IncompleteError, match="2026-03-02 10:13 UTC"):
        build(max_pois=70, foursquare_keep_hours=1)
    assert (answers(store), server.num_searches) == ([], 2)


def test_pois_of_another_source_are_built_without_a_look_at_their_age(store, tmp_path, clock, town):
    file = tmp_path / "pois.json"
    file.write_text(json.dumps([{"poi_id": "own", "name": "My Mill", "latitude": 12.0, "longitude": -30.0}]))
    build_pois(store, town, PoisSettings(file=file), clock=clock)
    clock.jump(-366 * 24 * HOUR)
    assert not is_to_be_asked(store, "town", 24, clock.now())
    assert len(read_pois(store, "town")) == 1


@pytest.mark.fault("P12")
@pytest.mark.parametrize("damage", ["log", "rows"])
def test_a_damaged_table_of_one_city_is_reported_and_hinders_no_other(build, store, clock, town, caplog, damage):
    build(town.model_copy(update={"key": "aaa"}))
    build()
    table = store.tables.path("aaa", "pois")
    for path in table.glob("_delta_log/*.json" if damage == "log" else "*.parquet"):
        path.write_bytes(b"")
    clock.pass_by(25 * HOUR)
    expire_answers(store, clock.now())
    assert "put the table" in caplog.text
    assert answers(store) == []
    assert [row["name"] for row in pois(store)] == IDS


@pytest.mark.fault("S26")
@pytest.mark.parametrize("is_foursquares", [True, False])
def test_a_disk_that_is_read_only_is_no_damaged_table(
    build, store, clock, town, tmp_path, caplog, monkeypatch, is_foursquares
):
    file = tmp_path / "mine.csv"
    file.write_text("poi_id,name,latitude,longitude\nmine,My Mill,12.0,-30.0\n")
    build() if is_foursquares else build_pois(store, town, PoisSettings(file=file))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(store, "lock", refuse)
    caplog.clear()
    expire_answers(store, clock.now())
    said = f"not removed when its time is over: {store.root} cannot be written to"
    assert [said in record.getMessage() for record in caplog.records] == [True] * is_foursquares


@pytest.mark.fault("P12")
def test_pages_that_lie_anywhere_among_the_answers_expire_too(build, store, clock):
    build()
    (page,) = answers(store)
    for folder in (page.parent.parent, page.parent / "copy"):
        folder.mkdir(exist_ok=True)
        (folder / "stray.json").write_bytes(page.read_bytes())
        os.utime(folder / "stray.json", (clock.now().timestamp(),) * 2)
    expire_answers(store, clock.now())
    assert len(answers(store)) == 3
    clock.pass_by(25 * HOUR)
    expire_answers(store, clock.now())
    assert answers(store) == []


@pytest.mark.fault("P12")
def test_rows_of_a_first_build_that_was_killed_before_its_commit_expire(build, store, clock):
    build()
    table = store.tables.path("town", "pois")
    shutil.rmtree(table / "_delta_log")
    shutil.rmtree(store.root / "crawl")
    store.forget_stage_record("town", "pois")
    (rows,) = table.glob("*.parquet")
    os.utime(rows, (clock.now().timestamp(),) * 2)
    clock.pass_by(25 * HOUR)
    expire_answers(store, clock.now())
    assert not rows.exists()
