"""The demo city's files: Instaloader's own format, equal bytes for equal settings, complete or not there."""

import csv
import json
import re
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from pipeline.demo import DemoCity, archive
from pipeline.demo.archive import structure_path
from pipeline.demo.nodes import video_parts
from pipeline.demo.posts import DemoPlan, DemoPost, Era, Kind, username
from pipeline.errors import StageError
from tests.pipeline.demo.demo_trees import CENTRE, RADIUS_KM, plan, small, tree, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small city, written once."""
    folder = tmp_path_factory.mktemp("cities") / "demo"
    write(folder, small())
    return folder


@pytest.fixture(scope="module")
def city(folder) -> DemoCity:
    """Where its files are."""
    return write(folder, small())


@pytest.fixture(scope="module")
def planned() -> DemoPlan:
    """What its files should say."""
    return plan(small())


def loaded(path: Path):
    """The post in a file, read as Instaloader does; sockets are blocked."""
    from instaloader import InstaloaderContext, load_structure_from_file

    return load_structure_from_file(InstaloaderContext(quiet=True), str(path))


def pictures(city: DemoCity, post: DemoPost) -> list[Path]:
    """The .jpg files of a post."""
    base = structure_path(city.archive, post)
    stem = base.name.removesuffix(".xz").removesuffix(".json")
    return sorted(
        path for path in base.parent.glob(f"{stem}*.jpg") if re.fullmatch(r"(_\d)?\.jpg", path.name[len(stem) :])
    )


def posts_of(planned: DemoPlan, *kinds: Kind) -> list[DemoPost]:
    """The posts with all of these kinds."""
    return [post for post in planned.posts if post.kinds >= set(kinds)]


@pytest.mark.slow
def test_equal_settings_give_equal_bytes_and_times(folder, city, tmp_path):
    write(tmp_path / "again", small())
    assert tree(tmp_path / "again") == tree(folder)
    assert (tmp_path / "again").stat().st_mtime == folder.stat().st_mtime


def test_another_seed_gives_other_files(folder, city, tmp_path):
    write(tmp_path / "other", small(seed=8))
    assert tree(tmp_path / "other").keys() != tree(folder).keys()


def test_instaloader_reads_every_post_back_without_a_network(city, planned):
    assert {Era.IPHONE, Era.GRAPHQL, Era.OLD_GRAPHQL} == {post.era for post in planned.posts}
    for post in planned.posts:
        path = structure_path(city.archive, post)
        found = loaded(path)
        assert found.shortcode and found.caption == (post.caption or None)
        assert found.date_utc.isoformat() == post.taken_utc.replace(tzinfo=None).isoformat()
        assert path.name.startswith(found.date_utc.strftime("%Y-%m-%d_%H-%M-%S_UTC.json"))
        assert tuple(found.get_is_videos()) == video_parts(post)
        owner = found._node["owner"]
        assert (owner["username"], int(owner["id"])) == (username(post.user), 900_000_000_000 + post.user)


def test_every_structure_is_one_post_or_one_bystander(city, planned):
    described = {structure_path(city.archive, post) for post in planned.posts}
    others = {path.name for path in city.archive.rglob("*.json*")} - {path.name for path in described}
    assert len(described) == len(planned.posts)
    assert sorted(re.sub(r"[\d-]+", "0", name) for name in others) == [
        "0_0_UTC_comments.json",
        "demo_user_0_0.json.xz",
        "iterator_demo0.json.xz",
    ]


def test_each_post_has_the_pictures_that_it_reports_of(city, planned):
    for post in planned.posts:
        found = pictures(city, post)
        expected = 0 if Kind.MISSING in post.kinds else len(video_parts(post))
        assert len(found) == expected
        assert all(path.stat().st_mtime == post.taken_utc.timestamp() for path in found)


def test_reposts_have_the_bytes_of_an_earlier_post_of_another_user(city, planned):
    owners: dict[bytes, str] = {}
    for post in planned.posts:
        first = next((path.read_bytes() for path in pictures(city, post)), b"")
        if Kind.REPOST in post.kinds:
            assert owners[first] != username(post.user)
        owners.setdefault(first, username(post.user))


def test_broken_pictures_are_broken_as_their_kind_says(city, planned):
    (cut,) = [pictures(city, post)[0] for post in posts_of(planned, Kind.CUT)]
    with Image.open(cut) as image, pytest.raises(OSError, match="truncated"):
        image.load()
    (html,) = [pictures(city, post)[0] for post in posts_of(planned, Kind.HTML)]
    assert html.read_bytes().startswith(b"<!DOCTYPE html>")
    assert [pictures(city, post) for post in posts_of(planned, Kind.MISSING)] == [[]]


def test_a_video_has_a_cover_beside_it(city, planned):
    for post in posts_of(planned, Kind.VIDEO):
        (cover,) = pictures(city, post)
        assert cover.with_suffix(".mp4").read_bytes()[4:8] == b"ftyp"


def test_captions_stand_in_text_files_too(city, planned):
    for post in planned.posts:
        path = structure_path(city.archive, post)
        text = path.with_name(path.name.removesuffix(".xz").removesuffix(".json") + ".txt")
        assert text.is_file() == bool(post.caption)
        assert not post.caption or text.read_text(encoding="utf-8") == post.caption + "\n"


def test_pois_have_coordinates_and_ids_of_the_usual_form(city):
    with city.pois_file.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and len({row["fsq_place_id"] for row in rows}) == 12
    for row, column in product(rows, ("fsq_place_id", "category_ids")):
        assert re.fullmatch(r"[0-9a-f]{24}", row[column])
    assert all(0 < float(row["popularity"]) <= 1 for row in rows)
    assert all(abs(float(row["latitude"]) - CENTRE[0]) * 111 < RADIUS_KM for row in rows)


def test_nothing_leads_to_a_real_site_or_person(city, planned):
    for post in planned.posts:
        content = json.dumps(loaded(structure_path(city.archive, post))._asdict())
        hosts = {urlsplit(address).hostname for address in re.findall(r"https?://[^\s\"\\]+", content)}
        assert hosts == {"example.invalid"}
        assert set(re.findall(r'"username": "([^"]+)"', content)) == {username(post.user)}


def test_a_second_call_does_nothing(folder, city):
    before = (folder.stat().st_ino, tree(folder))
    assert write(folder, small()) == city
    assert (folder.stat().st_ino, tree(folder)) == before


@pytest.mark.slow
def test_other_settings_replace_the_city(folder, city, tmp_path):
    write(tmp_path / "demo", small(num_posts=48))
    write(tmp_path / "demo", small())
    assert tree(tmp_path / "demo") == tree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_killed_writer_leaves_no_city_and_the_next_one_writes_it(folder, city, tmp_path, monkeypatch):
    calls = iter(range(25))

    def encode(picture: object, side: int) -> bytes:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return b"picture"

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(archive, "encode", encode)
        write(tmp_path / "demo", small())
    assert not (tmp_path / "demo").exists() and any(tmp_path.iterdir())
    write(tmp_path / "demo", small())
    assert tree(tmp_path / "demo") == tree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(StageError, match="holds something that is no demo city"):
        write(tmp_path, small())
    assert (tmp_path / "mine.txt").read_text() == "precious"
