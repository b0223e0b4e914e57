"""Leftovers: what no table and no journal names leaves the disk, and nothing else does."""

import os
import shutil
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.collect.instagram import live as instagram_live
from pipeline.collect.sources import journal_path
from pipeline.curate.curated_posts import build_curated_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.privacy import leftovers
from pipeline.privacy.gone import forget_pictures
from pipeline.privacy.leftovers import Swept, sweep_leftovers
from pipeline.privacy.opt_out_removal import register_opt_out
from pipeline.stages import run_stage_of
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.files import MANIFEST
from pipeline.store.tables import Tables
from tests.fakes.deleted import holders, killed
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown
from tests.fakes.pictures import encoded, pixels
from tests.fakes.private_ids import read_private_ids
from tests.fakes.town import CITY, Town

pytestmark = pytest.mark.slow

KEY = "5e" * 32
NUM_WHOLE = 3


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """A pseudonym key."""
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", KEY)


def slices(*pictures: bytes) -> list[bytes]:
    """Parts of these pictures that no other picture has, from their beginnings to their ends."""
    return [picture[at : at + 80] for picture in pictures for at in range(700, len(picture) - 80, 300)]


def originals(town: Town) -> list[bytes]:
    return [path.read_bytes() for path in sorted(town.archive.folder.glob("*.jpg"))]


def build_and_die(root: Path, folder: Path) -> None:
    """Collect an archive and be killed when a picture is whole and has not got its name yet."""
    fsync, seen = os.fsync, []

    def die(handle: int) -> None:
        fsync(handle)
        if "/blobs/" in os.readlink(f"/proc/self/fd/{handle}"):
            seen.append(handle)
            if len(seen) > NUM_WHOLE:
                os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = die
    Town(Store(root), folder).build()


@pytest.fixture(scope="module")
def after_kill(tmp_path_factory) -> Town:
    """A town whose first collection was killed while its pictures were written; nothing of it is in a table."""
    folder = tmp_path_factory.mktemp("killed")
    town = Town(Store(folder / "data"), folder)
    for number in range(1, 7):
        town.archive.post(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRLF_PSEUDONYM_KEY", KEY)
        process = get_context("spawn").Process(target=build_and_die, args=(town.store.root, folder), daemon=True)
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    return town


@pytest.fixture
def dead(after_kill, tmp_path) -> Town:
    """A copy of it to change."""
    shutil.copytree(after_kill.folder, tmp_path / "dead")
    return Town(Store(tmp_path / "dead" / "data"), tmp_path / "dead")


@pytest.mark.fault("S15")
@pytest.mark.fault("S16")
def test_after_a_kill_opt_out_leaves_no_byte_of_a_picture_and_says_how_many_went(dead, monkeypatch):
    traces = slices(*originals(dead))
    assert sum(bool(holders(dead.store.root, trace)) for trace in traces) > len(traces) / 2
    assert len(list(dead.store.root.rglob(".writing-*"))) == 1
    monkeypatch.setenv("MRLF_DATA", str(dead.store.root))
    result = CliRunner().invoke(app, ["opt-out", "@anna"])
    assert result.exit_code == 0, result.output
    assert f"removed {NUM_WHOLE} pictures that belonged to no post" in result.stdout
    assert "removed 1 unfinished files of killed runs" in result.stdout
    assert "no post of theirs" not in result.stdout
    assert [holders(dead.store.root, trace) for trace in traces if holders(dead.store.root, trace)] == []
    assert "no post of theirs was found" in CliRunner().invoke(app, ["opt-out", "@anna"]).stdout


@pytest.mark.fault("S15")
@pytest.mark.fault("S16")
def test_every_start_of_a_stage_sweeps_what_a_kill_left(dead):
    with pytest.raises(ValueError, match="settings"):
        run_stage_of(dead.store, CITY, "pois", {"no_such_setting": 1})
    assert dead.blobs() == []
    dead.build()
    assert len(dead.blobs()) == 6


@pytest.mark.fault("S13")
def test_posts_that_curation_had_dropped_leave_with_their_pictures(store, tmp_path):
    town = Town(store, tmp_path)
    for number in range(1, 4):
        town.archive.post(number, owner={"id": str(number), "username": f"user{number}"})
    town.build()
    settings = CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=50, language="any")
    assert build_curated_posts(store, CITY, settings).counts["kept"] == 0
    traces = slices(*originals(town)[:2])
    assert all(holders(store.root, trace) for trace in traces)
    assert register_opt_out(store, ["@user1", "2"]) == {"town": 2}
    town.build()
    build_curated_posts(store, CITY, settings)
    assert len(town.blobs()) == 1
    assert [trace for trace in traces if holders(store.root, trace)] == []
    assert town.blobs() == store.tables.read("town", "images")["digest"].to_pylist()


def test_a_sweep_takes_nothing_that_is_named(store, tmp_path):
    town = Town(store, tmp_path)
    for number in range(1, 4):
        town.archive.post(number)
    town.build()
    before = town.blobs()
    assert sweep_leftovers(store, is_anew=True) == Swept()
    assert town.blobs() == before
    assert town.build().is_reused


def plant(store: Store, kind: str = "original", number: int = 99) -> Path:
    """A picture that nothing names."""
    return store.blobs.path(kind, store.blobs.put(kind, encoded(pixels(number))))


@pytest.mark.parametrize(("kind", "stage"), [("original", "posts"), ("clean", "clean_images")])
def test_while_a_stage_writes_pictures_anywhere_they_are_left_alone_and_that_is_reported(store, kind, stage):
    path = plant(store, kind)
    temporary = path.with_name(".writing-dead")
    temporary.touch()
    with store.lock("elsewhere", stage):
        swept = sweep_leftovers(store)
        assert path.is_file()
        assert not temporary.exists(), "its own lock shows that its writer is dead"
        assert [f"writing {kind} pictures" in why for why in swept.waiting] == [True]
    assert sweep_leftovers(store).pictures == 1
    assert not path.exists()


def test_where_nothing_has_changed_nothing_is_read(store, tmp_path, monkeypatch):
    town = Town(store, tmp_path)
    town.archive.post(1)
    town.build()
    monkeypatch.setattr(leftovers, "SETTLED_S", 0.0)
    sweep_leftovers(store)
    with monkeypatch.context() as patch:
        patch.setattr(Tables, "batches", killed)
        patch.setattr(Blobs, "listed", killed)
        assert sweep_leftovers(store) == Swept()
    path = plant(store)
    assert sweep_leftovers(store).pictures == 1
    assert not path.exists()


def test_a_change_too_near_to_the_sweep_is_looked_at_again(store):
    plant(store)
    sweep_leftovers(store)
    sweep_leftovers(store)
    assert not (store.root / "swept" / "original").exists()


@pytest.mark.fault("S15")
def test_half_releases_go_unless_their_writer_lives(store):
    whole, half = (store.dataset_folder("town", version) for version in ("whole", "half"))
    for folder in (whole, half):
        folder.mkdir(parents=True)
        (folder / "train-000000.tar").write_bytes(b"pictures")
    (whole / MANIFEST).write_text("{}")
    with store.lock("town", "dataset"):
        assert sweep_leftovers(store).releases == 0
    assert sweep_leftovers(store).releases == 1
    assert [path.name for path in whole.parent.iterdir()] == ["whole"]


def test_a_journal_that_cannot_be_read_keeps_the_pictures_and_hinders_nothing_else(store):
    path, clean = plant(store), plant(store, "clean")
    journal_path(store, "town").parent.mkdir()
    journal_path(store, "town").write_bytes(b"no journal" * 200)
    swept = sweep_leftovers(store)
    assert ["cannot be read" in why for why in swept.waiting] == [True]
    assert path.is_file()
    assert not clean.exists()


@pytest.fixture
def live(store, tmp_path, monkeypatch):
    """A place of six posts with a picture each, found."""
    with FakeInstagram() as server:
        town = LiveTown(
            store,
            tmp_path / "live",
            server,
            monkeypatch,
            num_places=1,
            num_posts=6,
            place={"video": 0.0, "carousel": 0.0},
            media_connections=1,
        )
        town.find()
        yield town


def copied_at(live: LiveTown, monkeypatch, owner: object, name: str, number: int, *, is_before: bool = False) -> Store:
    """The store as a kill would leave it just after, or before, the `number`-th call of something in a crawl."""
    real, root = getattr(owner, name), live.store.root.with_name("killed")
    calls = []

    def call(*arguments, **options):
        result = None if is_before else real(*arguments, **options)
        calls.append(name)
        if len(calls) == number:
            shutil.copytree(live.store.root, root, ignore=shutil.ignore_patterns("*-shm"))
        return real(*arguments, **options) if is_before else result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, call)
        live.collect()
    return Store(root)


@pytest.mark.fault("S15")
def test_a_crawl_that_was_killed_among_pictures_is_reported_by_opt_out_and_leaves_none(live, monkeypatch):
    store = copied_at(live, monkeypatch, Blobs, "put", 3)
    owner = live.server.world.owner_of(live.server.world.shown("1000")[0])
    assert register_opt_out(store, [str(owner)])["town"] >= 1, "its posts are in the journal alone"
    assert sweep_leftovers(store).pictures == 3
    assert Town(store, live.folder).blobs() == []


def test_pictures_that_only_a_journal_names_stay(live, monkeypatch):
    store = copied_at(live, monkeypatch, instagram_live, "flush_journal", 2, is_before=True)
    assert store.tables.read("town", "posts").num_rows == 0
    assert sweep_leftovers(store) == Swept()
    assert forget_pictures(store, "town") == 0
    assert len(Town(store, live.folder).blobs()) == 6


@pytest.mark.fault("S13")
def test_of_a_live_post_that_is_gone_neither_digest_nor_media_id_is_left(live):
    live.collect()
    pk = live.server.world.shown("1000")[0]
    (digest,) = live.posts()[live.key(pk)]["image_digests"]
    assert holders(journal_path(live.store, "town").parent, digest.encode())
    register_opt_out(live.store, [str(pk)])
    live.collect()
    forget_pictures(live.store, "town")
    sweep_leftovers(live.store)
    assert [path for path in holders(live.store.root, digest.encode()) if not path.startswith("tables/")] == []
    assert live.key(pk) not in read_private_ids(live.store, "town")
    assert len(Town(live.store, live.folder).blobs()) == 5
    assert live.collect().counts["deleted"] == 1


@pytest.mark.fault("S15")
def test_rows_that_a_killed_writer_never_committed_go_and_older_versions_stay(store, tmp_path):
    town = Town(store, tmp_path)
    town.archive.post(1)
    town.build()
    store.tables.merge("town", "posts", town.rows("posts"))
    folder = store.tables.path("town", "posts")
    kept = set(folder.glob("*.parquet"))
    assert len(kept) == 2, "a version before is there for who reads it still"
    left = [folder / "part-dead.parquet", folder / "part-dead.parquet#1", folder / "_delta_log" / "9.json#1"]
    for path in left:
        path.write_bytes(b"words")
    with store.lock("town", "posts"):
        assert sweep_leftovers(store).temporaries == 0
    assert sweep_leftovers(store).temporaries == 3
    assert {path for path in left if path.exists()} == set()
    assert set(folder.glob("*.parquet")) == kept
    assert sweep_leftovers(store, is_anew=True) == Swept()


def test_pictures_of_posts_that_left_for_another_reason_go_and_come_back_with_them(live):
    live.collect()
    overrules = live.store.root / "overrules" / "town.csv"
    before, template = live.digests(), overrules.read_text()
    overrules.write_text("p0,1000,no\n")
    live.find()
    live.collect()
    assert forget_pictures(live.store, "town") == 6
    assert sweep_leftovers(live.store).pictures == 6
    assert live.rows("images") == []
    overrules.write_text(template)
    live.find()
    live.collect()
    assert live.digests() == before
    assert len(Town(live.store, live.folder).blobs()) == 6
