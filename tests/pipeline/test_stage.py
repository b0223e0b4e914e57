"""A stage runs when something it depends on changed, and else says that it reused what stands."""

from dataclasses import replace

import pytest

from pipeline.cities import City, Settings
from pipeline.errors import StageError
from pipeline.ledger import write_ledger
from pipeline.networks import is_left_unasked
from pipeline.stage import Outcome, StageReport, count_values, run_network_stage, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.store import StageRecord
from pipeline.store.tables import DamagedTableError
from tests.fakes.city import key

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


@pytest.mark.fault("S33")
@pytest.mark.parametrize("text", ["{", None])
def test_the_lost_digests_of_a_table_are_made_again_by_a_run_that_does_nothing_else(store, text):
    work, path = Work(store), store.root / "digests" / "demo" / "drops.json"
    build(store, work)
    store.tables.digest("demo", "drops")
    whole = path.read_bytes()
    path.write_text(text) if text else path.unlink()
    assert build(store, work).is_reused and path.read_bytes() == whole


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


def flip_rows(store: Store, name: str = "drops") -> None:
    path = min(store.tables.path("demo", name).glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.fault("S27")
def test_a_damaged_output_runs_it_again_with_all_that_wrote_there(store, caplog):
    work = Work(store)
    build(store, work)
    of_another = StageRecord(stage="curated_posts", digest="d", outputs={"drops": "x"}, versions={"drops": 0})
    store.write_stage_record("demo", of_another)
    before = store.tables.read("demo", "drops")
    flip_rows(store)
    assert not build(store, work).is_reused
    assert "drops is damaged" in caplog.text and "made again" in caplog.text
    assert store.tables.read("demo", "drops") == before
    assert store.stage_record("demo", "curated_posts") is None
    assert build(store, work).is_reused


@pytest.mark.fault("S27")
def test_a_damaged_input_is_refused_with_what_makes_it_again(store):
    build(store, Work(store))
    flip_rows(store)
    with pytest.raises(DamagedTableError, match=r"`mrlf run demo` makes it again, beginning with its stage posts"):
        table_inputs(store, "demo", [("drops", "posts")])


@pytest.mark.fault("S27")
def test_a_table_that_an_earlier_stage_began_is_not_mended_by_a_later_one(store):
    build(store, Work(store))
    flip_rows(store)
    settings: dict = {"code_version": "1", "settings": Threshold(), "inputs": {}, "outputs": ("drops",)}
    with pytest.raises(DamagedTableError, match="stage posts"):
        run_stage(store, CITY, "curated_posts", work=Work(store), **settings)


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


class Chain:
    """Three stages, each of which writes to its table what it reads: posts, curated_posts, portrait_masks."""

    ORDER = ("posts", "curated_posts", "portrait_masks")

    def __init__(self, store: Store) -> None:
        self.store = store

    def build(self, stage: str, reason: str = "x") -> StageReport:
        before = self.ORDER[: self.ORDER.index(stage)][-1:]
        inputs = {"key": reason, **table_inputs(self.store, "demo", [("drops", name) for name in before])}
        return run_stage(
            self.store,
            CITY,
            stage,
            code_version="1",
            settings=Threshold(),
            inputs=inputs,
            outputs=("drops",),
            work=lambda: self.work(stage, reason),
        )

    def work(self, stage: str, reason: str) -> Outcome:
        write_ledger(self.store, "demo", stage, {key(number): reason for number in range(3)})
        return Outcome()


@pytest.fixture
def chain(store) -> Chain:
    """The first two stages, built."""
    chain = Chain(store)
    chain.build("posts")
    chain.build("curated_posts")
    return chain


@pytest.mark.fault("S25")
class TestAStageThatHasNotFinished:
    def test_never_ran_to_its_end(self, chain):
        chain.store.forget_stage_record("demo", "curated_posts")
        with pytest.raises(StageError, match="curated_posts of demo has not finished: build curated_posts first"):
            chain.build("portrait_masks")
        assert chain.store.stage_record("demo", "portrait_masks") is None

    def test_was_broken_off_while_it_ran_again(self, chain):
        write_ledger(chain.store, "demo", "curated_posts", {key(0): "other"})
        with pytest.raises(StageError, match="has not finished"):
            chain.build("portrait_masks")

    def test_has_not_run_since_what_it_reads_changed(self, chain):
        chain.build("posts", "y")
        with pytest.raises(StageError, match="curated_posts of demo has not run since posts did"):
            chain.build("portrait_masks")
        chain.build("curated_posts", "y")
        assert not chain.build("portrait_masks").is_reused

    def test_is_none_where_other_stages_write_to_the_same_table(self, chain):
        write_ledger(chain.store, "demo", "dataset", {key(9): "other"})
        assert not chain.build("portrait_masks").is_reused

    def test_is_none_of_an_older_version_which_does_not_say_what_it_read(self, chain):
        chain.build("posts", "y")
        record = chain.store.stage_record("demo", "curated_posts")
        chain.store.write_stage_record("demo", replace(record, inputs={}))
        assert not chain.build("portrait_masks").is_reused


class Weights:
    """Weights that an address has or has not; counts how often it was asked."""

    def __init__(self, *, are_to_be_had: bool = False) -> None:
        self.are_to_be_had, self.num_asked = are_to_be_had, 0

    def __call__(self) -> str:
        if is_left_unasked("small_net"):
            return "builtin"
        self.num_asked += 1
        return "small_net" if self.are_to_be_had else "builtin"


def build_with(store: Store, weights: Weights, **changes) -> StageReport:
    parts = {"code_version": "1", "settings": Threshold(), "inputs": {}, "work": lambda name: Outcome(notes=[name])}
    how = {"choose": weights, "weights": lambda name: {name: "0" * 64}}
    return run_network_stage(store, CITY, "posts", **{**parts, **how, **changes})


@pytest.mark.fault("N7")
def test_what_the_built_in_way_made_is_reused_and_no_address_is_asked(store):
    weights = Weights()
    assert not build_with(store, weights).is_reused
    weights.are_to_be_had = True
    assert build_with(store, weights).is_reused
    assert weights.num_asked == 1


@pytest.mark.fault("N7")
def test_where_there_is_work_to_do_the_address_is_asked_again(store):
    weights = Weights()
    build_with(store, weights)
    weights.are_to_be_had = True
    assert build_with(store, weights, inputs={"file": "e"}).record.notes == ["small_net"]
    assert weights.num_asked == 2
