"""A stage runs when something it depends on changed, and else says that it reused what stands."""

import pytest

from pipeline.cities import City, Settings
from pipeline.stage import Outcome, StageReport, count_values, run_stage, table_inputs
from pipeline.store import Store

CITY = City(key="demo", name="Demo", latitude=0, longitude=0, radius_km=1)


class Threshold(Settings):
    """A stage's settings."""

    value: int = 1


class Work:
    """Counts how often it ran and writes one row."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.num_runs = 0

    def __call__(self) -> Outcome:
        self.num_runs += 1
        self.store.tables.replace("demo", "drops", [{"post_key": "a", "stage": "posts", "reason": "x"}])
        return Outcome(counts={"rows": 1})


def build(store: Store, work: Work, **changes) -> StageReport:
    parts = {"code_version": "1", "settings": Threshold(), "inputs": {"file": "d"}, "outputs": ("drops",), **changes}
    return run_stage(store, CITY, "posts", work=work, **parts)


def test_an_unchanged_stage_is_reused(store):
    work = Work(store)
    assert not build(store, work).is_reused
    again = build(store, work)
    assert again.is_reused
    assert again.counts == {"rows": 1}
    assert work.num_runs == 1


@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"code_version": "2"}, id="code"),
        pytest.param({"settings": Threshold(value=2)}, id="settings"),
        pytest.param({"inputs": {"file": "e"}}, id="input"),
        pytest.param({"weights": {"vgg19": "w"}}, id="weights"),
    ],
)
def test_any_change_runs_it_again(store, change):
    work = Work(store)
    build(store, work)
    assert not build(store, work, **change).is_reused
    assert work.num_runs == 2


def test_an_output_changed_by_somebody_else_runs_it_again(store):
    work = Work(store)
    build(store, work)
    store.tables.delete("demo", "drops", "post_key = 'a'")
    assert not build(store, work).is_reused


def test_a_commit_that_changes_no_row_of_it_does_not(store):
    work = Work(store)
    build(store, work)
    store.tables.append("demo", "drops", [{"post_key": "b", "stage": "dataset", "reason": "y"}])
    assert build(store, work).is_reused


def test_a_failed_run_leaves_no_record(store):
    def fail() -> Outcome:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_stage(store, CITY, "posts", code_version="1", settings=Threshold(), inputs={}, work=fail)
    assert store.stage_record("demo", "posts") is None


def test_inputs_are_what_stages_wrote(store):
    build(store, Work(store))
    inputs = table_inputs(store, "demo", [("drops", "posts")])
    assert inputs == {"drops@posts": store.tables.digest("demo", "drops", stage="posts")}


def test_values_are_counted_in_order():
    assert count_values("pictures", ["b", "a", "b"]) == {"pictures/a": 1, "pictures/b": 2}
