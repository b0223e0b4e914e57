"""`mrlf images review`: originals beside masks and clean pictures for the person alone, not a byte in the store."""

import os
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.store import Store
from tests.fakes.pictured_city import write_pictures


@pytest.fixture
def pictured(tmp_path, monkeypatch) -> Store:
    """A store with pictures of every outcome, and a folder for temporary files beside it."""
    store = Store(tmp_path / "data")
    write_pictures(store)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("MRLF_DATA", str(store.root))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return store


def run(*arguments: str):
    return CliRunner().invoke(app, ["images", "review", *arguments])


def page_at(result) -> tuple[Path, str]:
    """The file that the command told of."""
    path = Path(result.stdout.splitlines()[0])
    return path, path.read_text()


def listing(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder with its bytes and time."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.fault("D9")
def test_nothing_is_written_to_the_store(pictured):
    before = listing(pictured.root)
    assert run("demo").exit_code == 0
    assert listing(pictured.root) == before


def test_the_page_is_private_and_outside_the_store_and_says_that_it_holds_people(pictured, tmp_path):
    result = run("demo")
    path, page = page_at(result)
    assert path.parent == tmp_path / "temporary"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "delete it" in result.output
    assert "pictures of people" in page


def test_original_mask_and_clean_picture_stand_side_by_side(pictured):
    _, page = page_at(run("demo", "--outcome", "filled"))
    assert len(re.findall("<article>", page)) == 2
    assert [len(re.findall(f'alt="{part}"', page)) for part in ("original", "mask", "clean")] == [2, 2, 2]
    assert page.count("% masked") == 2
    assert "<h2>filled," in page


@pytest.mark.fault("M13")
def test_of_a_picture_without_a_mask_nobody_says_that_nobody_is_there(pictured):
    _, page = page_at(run("demo", "--outcome", "unchanged"))
    assert page.count("nobody was found") == 2
    assert not re.search(r"% (people|masked)", page)


def test_the_page_loads_nothing(pictured):
    _, page = page_at(run("demo"))
    loads = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert loads
    assert all(value.startswith("data:image/") for value in loads)
    assert "default-src 'none'" in page


def test_all_outcomes_come_in_turn(pictured):
    _, page = page_at(run("demo", "--number", "7"))
    outcomes = re.findall(r"<h2>(\w+)", page)
    assert len(outcomes) == len(set(outcomes)) == 7


def test_what_was_dropped_shows_no_clean_picture(pictured):
    _, page = page_at(run("demo", "--outcome", "face_left"))
    assert 'alt="original"' in page
    assert 'alt="clean"' not in page
    assert "not released" in page


def test_originals_that_are_deleted_are_said_to_be(pictured):
    for path in (pictured.root / "blobs" / "original").rglob("*"):
        if path.is_file():
            path.unlink()
    _, page = page_at(run("demo", "--outcome", "filled"))
    assert 'alt="original"' not in page
    assert page.count("no longer in the store") == 2
    assert 'alt="clean"' in page


@pytest.mark.parametrize("where", ["data", "data/reports", "link"])
def test_a_path_in_the_store_is_refused(pictured, tmp_path, where):
    (tmp_path / "data" / "reports").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    before = listing(pictured.root)
    result = run("demo", "--output", str(tmp_path / where / "review.html"))
    assert result.exit_code == 1
    assert "is in the store" in result.output
    assert listing(pictured.root) == before


def test_temporary_files_that_would_lie_in_the_store_are_refused(pictured, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(pictured.root))
    assert "is in the store" in run("demo").output


@pytest.mark.parametrize("kind", ["file", "link"])
def test_no_file_is_written_over_and_no_link_followed(pictured, tmp_path, kind):
    target, path = tmp_path / "theirs", tmp_path / "review.html"
    target.write_text("theirs")
    path.symlink_to(target) if kind == "link" else path.write_text("theirs")
    result = run("demo", "--output", str(path))
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert target.read_text() == "theirs"


def test_a_new_file_can_be_named(pictured, tmp_path):
    path = tmp_path / "mine.html"
    old = os.umask(0)
    try:
        assert run("demo", "--output", str(path)).exit_code == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_outcome_that_is_not_there_names_those_that_are(pictured):
    result = run("demo", "--outcome", "blurred")
    assert result.exit_code == 1
    assert "filled_again" in result.output


def test_a_city_without_clean_pictures_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "empty"))
    result = run("demo")
    assert result.exit_code == 1
    assert "mrlf run demo --to clean_images" in result.output
