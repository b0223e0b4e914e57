"""Gone posts are removed everywhere by the next build: tables and their history, pictures, releases, runs, reports."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StageBusyError, StageError
from pipeline.ledger import write_ledger
from pipeline.privacy import gone
from pipeline.privacy.forgotten import sweep_forgotten
from pipeline.privacy.gone import forget_pictures, gone_posts
from pipeline.privacy.leftovers import sweep_leftovers
from pipeline.privacy.opt_out_removal import register_opt_out
from pipeline.privacy.pseudonyms import load_pseudonyms
from pipeline.stage import require_finished, table_inputs
from pipeline.store import Store
from pipeline.store.files import MANIFEST, seal
from pipeline.store.store import StageRecord
from pipeline.store.tables import Tables
from tests.fakes.city import curated_post, post_of
from tests.fakes.deleted import DEMO, OTHER, KilledError, holders, killed, put_posts, tombstone
from tests.fakes.pictures import encoded, pixels


def write_folder(folder: Path, table: str, keys: list[str], **about: str) -> Path:
    """A release or run that names these posts."""
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"post_key": pa.array(keys, pa.string())}), folder / f"{table}.parquet")
    seal(folder, about, [f"{table}.parquet"])
    return folder


@pytest.fixture
def small(store) -> Store:
    """Two releases, of which the first holds the post `a` that is gone, a run of each, and a report."""
    put_posts(store, DEMO, [post_of(curated_post(n, 0, n, [], post_key=key)) for n, key in enumerate("abc")], [])
    datasets, runs = store.root / "datasets" / "demo", store.root / "models" / "mrlf" / "demo"
    write_folder(datasets / "v1", "posts", ["a", "b"])
    write_folder(datasets / "v2", "posts", ["b", "c"])
    write_folder(runs / "r1", "predictions", ["b"], release="v1")
    write_folder(runs / "r2", "predictions", ["c"], release="v2")
    store.report_folder("demo").mkdir(parents=True)
    for stage, about in (("dataset", {"version": "v1"}), ("train_mrlf", {"run": "r2"}), ("evaluate_mrlf", {})):
        store.write_stage_record("demo", StageRecord(stage=stage, digest="d", outputs={}, versions={}, about=about))
    return store


def standing(store: Store) -> list[str]:
    folders = ("datasets/demo", "models/mrlf/demo", "reports")
    return sorted(path.name for folder in folders for path in (store.root / folder).iterdir())


@pytest.mark.fault("S12")
def test_only_what_holds_the_post_or_was_trained_on_it_is_withdrawn(small):
    tombstone(small, "a")
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}
    assert standing(small) == ["r2", "v2"]
    assert small.stage_record("demo", "dataset") is None
    assert small.stage_record("demo", "train_mrlf") is not None
    assert small.stage_record("demo", "evaluate_mrlf") is None


@pytest.mark.fault("S27")
def test_a_damaged_table_of_a_later_stage_keeps_no_sweep_from_its_end(small):
    feature = {"clean_digest": "c", "backbone": "b", "outcome": "x", "weights_sha256": "", "recipe": "r"}
    small.tables.append("demo", "image_features", [{**feature, "vector": None}])
    small.tables.digest("demo", "image_features")
    for path in small.tables.path("demo", "image_features").rglob("*.*"):
        path.write_text("{")
    tombstone(small, "a")
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}
    assert standing(small) == ["r2", "v2"]


def test_a_sweep_where_nothing_went_reads_and_removes_nothing(small, monkeypatch):
    before = standing(small)
    monkeypatch.setattr(pq, "read_table", killed)
    assert sweep_forgotten(small, "demo") == {"releases": 0, "runs": 0}
    assert standing(small) == before


def test_what_was_swept_is_not_swept_again_until_another_post_goes(small, monkeypatch):
    tombstone(small, "a")
    sweep_forgotten(small, "demo")
    with monkeypatch.context() as patch:
        patch.setattr(Tables, "erase_history", killed)
        sweep_forgotten(small, "demo")
        tombstone(small, "c")
        with pytest.raises(KilledError):
            sweep_forgotten(small, "demo")
    sweep_forgotten(small, "demo")
    assert standing(small) == []


@pytest.mark.fault("S12")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / MANIFEST).unlink(), id="without a manifest"),
        pytest.param(lambda folder: (folder / "posts.parquet").unlink(), id="without its posts"),
        pytest.param(lambda folder: (folder / "posts.parquet").write_bytes(b"PAR1"), id="cut"),
    ],
)
def test_a_release_that_cannot_be_shown_to_be_free_of_the_post_goes(small, spoil):
    tombstone(small, "a")
    spoil(small.root / "datasets" / "demo" / "v2")
    sweep_forgotten(small, "demo")
    assert standing(small) == []


@pytest.mark.fault("S12")
def test_a_post_that_was_opted_out_leaves_as_a_deleted_one_does(small):
    small.tables.delete("demo", "posts", "post_key = 'a'")
    write_ledger(small, "demo", "posts", {"a": "opted_out", "x": "no_place"})
    assert gone_posts(small, "demo") == {"a"}
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}


@pytest.mark.parametrize("stage", ["posts", "train_mrlf"])
def test_while_another_process_is_at_work_nothing_is_swept_and_the_next_build_does_it(small, monkeypatch, stage):
    monkeypatch.setattr(gone, "LOCK_TIMEOUT_S", 0.1)
    tombstone(small, "a")
    with small.lock("demo", stage), pytest.raises(StageBusyError, match=stage):
        sweep_forgotten(small, "demo")
    assert len(standing(small)) == 5
    assert sweep_forgotten(small, "demo")["releases"] == 1


def test_while_curated_posts_still_holds_the_post_the_sweep_is_not_done(small):
    small.tables.replace("demo", "curated_posts", [curated_post(0, 0, 0, [], post_key="a")])
    tombstone(small, "a")
    sweep_forgotten(small, "demo")
    small.tables.replace("demo", "curated_posts", [])
    sweep_forgotten(small, "demo")
    assert holders(small.tables.path("demo", "curated_posts"), b"a quiet hour") == []


@pytest.mark.fault("I12")
def test_pictures_go_with_the_last_post_of_any_city_that_has_them(store):
    own, shared, abroad = (store.blobs.put("original", encoded(pixels(n))) for n in range(3))
    posts = [curated_post(0, 0, 0, [own, shared, abroad], post_key="a"), curated_post(1, 0, 1, [shared], post_key="b")]
    put_posts(store, DEMO, [post_of(post) for post in posts], [own, shared, abroad])
    put_posts(store, OTHER, [post_of(curated_post(2, 0, 2, [abroad]))], [abroad])
    assert forget_pictures(store, "demo") == 0
    tombstone(store, "a")
    record = store.stage_record("demo", "posts")
    assert forget_pictures(store, "demo") == 2
    sweep_leftovers(store)
    assert {path.name for path in (store.root / "blobs").rglob("*") if path.is_file()} == {shared, abroad}
    assert store.tables.read("demo", "images")["digest"].to_pylist() == [shared]
    assert store.tables.read("other", "images")["digest"].to_pylist() == [abroad]
    after = store.stage_record("demo", "posts")
    assert after.versions["images"] == store.tables.version("demo", "images") != record.versions["images"]
    assert after.outputs["images"] == store.tables.digest("demo", "images")
    assert forget_pictures(store, "demo") == 0


@pytest.mark.fault("S25")
def test_pictures_that_no_post_has_can_leave_after_their_table_was_read(store):
    """As where a damaged table of pictures has hindered that until its own stage had made it again."""
    used, unused = (store.blobs.put("original", encoded(pixels(n))) for n in range(2))
    put_posts(store, DEMO, [post_of(curated_post(0, 0, 0, [used]))], [used, unused])
    inputs = table_inputs(store, "demo", [("posts", "posts"), ("images", "posts")])
    curated = StageRecord(stage="curated_posts", digest="d", outputs={}, versions={}, inputs=inputs)
    store.write_stage_record("demo", curated)
    behind = replace(curated, stage="study_data", inputs={"images@posts": "of an earlier table"})
    store.write_stage_record("demo", behind)
    assert forget_pictures(store, "demo") == 1
    require_finished(store, "demo", {"curated_posts@curated_posts": "d"})
    assert store.stage_record("demo", "study_data") == behind, "what it has not read it did not come to have read"
    store.write_stage_record("demo", replace(curated, inputs={"posts@posts": "of other posts"}))
    with pytest.raises(StageError, match="curated_posts of demo has not run since posts did"):
        require_finished(store, "demo", {"curated_posts@curated_posts": "d"})


@pytest.mark.fault("S25")
@pytest.mark.parametrize(("is_curated", "is_damaged"), [(True, False), (False, False), (True, True)])
def test_a_stage_runs_again_whose_rows_left_while_what_it_works_on_still_names_them(store, is_curated, is_damaged):
    """Else the posts could come back, as with their archive, and nothing would look at their pictures again."""
    used, unused = (store.blobs.put("original", encoded(pixels(n))) for n in range(2))
    put_posts(store, DEMO, [post_of(curated_post(0, 0, 0, [used]))], [used, unused])
    posts = store.stage_record("demo", "posts")
    store.tables.replace("demo", "curated_posts", [curated_post(1, 0, 1, [unused] if is_curated else [])])
    if is_damaged:
        for path in store.tables.path("demo", "curated_posts").glob("*.parquet"):
            path.unlink()
    store.tables.merge("demo", "clean_images", [clean_row(unused, "c", "r")])
    outputs = {"clean_images": store.tables.digest("demo", "clean_images")}
    record = StageRecord(stage="clean_images", digest="d", outputs=outputs, versions={"clean_images": 0})
    store.write_stage_record("demo", record)
    assert forget_pictures(store, "demo") == 1
    after = store.stage_record("demo", "clean_images")
    assert (after.digest == "d") != is_curated and after.outputs != outputs
    after = store.stage_record("demo", "posts")
    assert after.digest == posts.digest and after.outputs != posts.outputs, "posts work on the archive"


def clean_row(digest: str, clean_digest: str, recipe: str) -> dict:
    return {
        "digest": digest,
        "outcome": "filled",
        "clean_digest": clean_digest,
        "inpainter": "opencv",
        "weights_sha256": "",
        "recipe": recipe,
    }


def feature_row(clean_digest: str) -> dict:
    return {
        "clean_digest": clean_digest,
        "backbone": "b",
        "outcome": "ok",
        "vector": b"v",
        "weights_sha256": "",
        "recipe": "r",
    }


def clean_on_disk(store: Store) -> set[str]:
    return store.blobs.listed("clean")[0]


@pytest.fixture
def resettled(store) -> tuple[Store, list[str]]:
    """Posts `a` and `b` whose pictures were cleaned under other settings before; a release is of that time."""
    originals = [store.blobs.put("original", encoded(pixels(n))) for n in range(2)]
    old, new = ([store.blobs.put("clean", encoded(pixels(n + first))) for n in range(2)] for first in (10, 20))
    posts = [curated_post(n, 0, n, [originals[n]], post_key="ab"[n]) for n in range(2)]
    put_posts(store, DEMO, [post_of(post) for post in posts], originals)
    store.tables.merge("demo", "clean_images", [clean_row(originals[n], new[n], "new") for n in range(2)])
    store.tables.merge("demo", "image_features", [feature_row(digest) for digest in (*old, *new)])
    folder = store.root / "datasets" / "demo" / "v1"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"post_key": ["a", "b"], "clean_digest": old}), folder / "posts.parquet")
    seal(folder, {}, ["posts.parquet"])
    return store, [*old, *new]


@pytest.mark.slow
@pytest.mark.fault("S14")
def test_clean_pictures_of_earlier_settings_leave_with_the_last_that_names_them(resettled):
    store, (old_a, old_b, new_a, new_b) = resettled
    sweep_leftovers(store)
    assert clean_on_disk(store) == {old_a, old_b, new_a, new_b}, "a release stands that names them"
    tombstone(store, "a")
    forget_pictures(store, "demo")
    sweep_forgotten(store, "demo")
    sweep_leftovers(store)
    assert clean_on_disk(store) == {new_b}
    assert store.tables.read("demo", "image_features")["clean_digest"].to_pylist() == [new_b]
    for digest in (old_a, new_a):
        assert holders(store.root, digest.encode()) == []


@pytest.mark.fault("S14")
def test_clean_pictures_that_nothing_names_leave_with_the_next_start(resettled):
    store, (*_, new_a, new_b) = resettled
    (store.root / "datasets" / "demo" / "v1" / MANIFEST).unlink()
    sweep_leftovers(store)
    assert clean_on_disk(store) == {new_a, new_b}


@pytest.mark.fault("S25")
@pytest.mark.parametrize("is_there", [True, False])
def test_features_run_again_whose_rows_left_while_their_release_was_gone(resettled, is_there):
    store, _ = resettled
    store.tables.merge("demo", "image_features", [feature_row("e" * 64)])
    of_table = {
        "outputs": {"image_features": store.tables.digest("demo", "image_features")},
        "versions": {"image_features": store.tables.version("demo", "image_features")},
    }
    record = StageRecord(stage="image_features", digest="d", inputs={"dataset": "v1"}, **of_table)
    store.write_stage_record("demo", record)
    if not is_there:
        (store.root / "datasets" / "demo" / "v1" / MANIFEST).unlink()
    gone.forget_features(store, "demo")
    after = store.stage_record("demo", "image_features")
    assert (after.digest == "d") == is_there and after.outputs != record.outputs


@pytest.mark.fault("S13")
def test_a_release_goes_with_an_author_whose_post_had_left_the_tables_before(small, monkeypatch):
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)
    keys = load_pseudonyms(small, DEMO.model_copy(update={"is_synthetic": False}))
    folder = small.root / "datasets" / "demo" / "v1"
    rows = {"post_key": [keys.post_key("1"), "b"], "user_key": [keys.user_key("77"), "u"]}
    pq.write_table(pa.table(rows), folder / "posts.parquet")
    assert sweep_forgotten(small, "demo") == {"releases": 0, "runs": 0}
    register_opt_out(small, ["77"])
    assert sweep_forgotten(small, "demo") == {"releases": 1, "runs": 1}
    assert standing(small) == ["r2", "v2"]
    assert sweep_forgotten(small, "demo") == {"releases": 0, "runs": 0}
