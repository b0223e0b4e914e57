"""Co-authors: every account that a post names as its author may leave, whenever it says so, and the post with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.collect.archive.api_media import api_post
from pipeline.collect.archive.fields import post_fields
from pipeline.errors import StageError
from pipeline.privacy.opt_out import add_opt_outs
from pipeline.privacy.opt_out_removal import register_opt_out
from pipeline.privacy.pseudonyms import PrivateIds
from tests.fakes.archive import FakeArchive, graphql_node, instaloader_json
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown
from tests.fakes.town import Town

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEN = {"pk": 77777, "id": "77777", "username": "Ben", "is_verified": False}
NAMES = ("77777", "@ben")
KEY = "coauthor_producers"
WAYS = {
    "iphone": {"iphone_struct": {"user": {"pk": 77001}, KEY: [BEN]}},
    "own": {KEY: [BEN]},
    "edges": {f"edge_{KEY}": {"edges": [{"node": BEN}]}},
    "inside user": {KEY: [{"user": BEN}]},
    "one": {KEY: BEN},
    "the second": {KEY: [{"pk": 5}, BEN]},
    "by its id": {KEY: {"77777": {"username": "ben"}}},
    "inside anything": {KEY: {"nodes": [{"account": BEN}]}},
    "node of an owner": {f"edge_{KEY}": {"count": 1, "edges": [{"node": {"owner": BEN}}]}},
    "behind many": {KEY: [*({"pk": number} for number in range(1, 300)), BEN]},
    "words": {KEY: "@BEN, 77777"},
}


def fields_of_file(**changes):
    """The fields of a post of an archive."""
    return post_fields(instaloader_json(graphql_node(**changes)), NOW)


def api_media(**changes) -> dict:
    """A media of the API; without `code` and with `shortcode` it is a GraphQL node."""
    return {
        "pk": 2_800_000_000_000_000_001,
        "code": "Cbb000001",
        "media_type": 1,
        "taken_at": 1_600_000_000,
        "image_versions2": {"candidates": [{"url": "https://x.invalid/a.jpg", "width": 9, "height": 9}]},
        "user": {"pk": 77001, "username": "anna"},
        **changes,
    }


@pytest.mark.fault("S17")
@pytest.mark.parametrize("way", WAYS)
def test_a_co_author_is_known_in_every_shape_a_post_reports_it(way):
    assert set(fields_of_file(**WAYS[way]).coauthor_names) >= set(NAMES)
    stated = {name: value for name, value in WAYS[way].items() if name != "iphone_struct"} or {KEY: [BEN]}
    for media in (api_media(**stated), graphql_node(**stated), api_media(__typename="XDTMediaDict", **stated)):
        assert set(api_post(media, NOW).fields.coauthor_names) >= set(NAMES)


@pytest.mark.fault("S17")
@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ([{"pk": "77777"}], ("77777",)),
        ([{"username": " Ben "}], ("@ben",)),
        ([77777], ("77777",)),
        (["77777", "ben"], NAMES),
        ("ben", ("@ben",)),
        (77777, ("77777",)),
        ([{"username": "@\uff22en"}], ("@ben",)),
        ([{"pk_id": "77777"}], ("77777",)),
        ([77777.0], ("77777",)),
        ({"items": ["ben"]}, ("@ben",)),
        (["https://www.instagram.com/ben/?hl=en"], ("@ben",)),
    ],
)
def test_a_co_author_is_known_by_what_is_reported_of_it(stated, names):
    assert fields_of_file(coauthor_producers=stated).coauthor_names == names
    assert api_post(api_media(coauthor_producers=stated), NOW).fields.coauthor_names == names


NO_AUTHORS = [
    {"invited_coauthor_producers": [BEN]},
    {"pending_coauthor_producers": [BEN]},
    {"usertags": {"in": [{"user": BEN}]}},
    {"edge_media_to_tagged_user": {"edges": [{"node": {"user": BEN}}]}},
    {"sponsor_tags": [{"sponsor": BEN}]},
    {"coauthor_producer_can_see_organic_insights": True},
    {KEY: None},
    {KEY: [None, True, 1.5, {}, [], {"user": 1}]},
]


@pytest.mark.parametrize("stated", NO_AUTHORS, ids=lambda stated: next(iter(stated)))
def test_who_is_invited_tagged_or_pays_is_no_author(stated):
    assert fields_of_file(**stated).coauthor_names == ()
    assert api_post(api_media(**stated), NOW).fields.coauthor_names == ()


def test_the_owner_stays_the_owner_and_is_no_co_author_of_its_own():
    stated = fields_of_file(coauthor_producers=[BEN, {"pk": "77001", "username": "Anna"}])
    assert (stated.owner, stated.owner_names, stated.coauthor_names) == ("77001", ("77001", "@anna"), NAMES)


def test_a_file_that_nests_without_end_is_read():
    nested: object = [BEN]
    for _ in range(3000):
        nested = [nested, {"node": nested}]
    assert set(fields_of_file(coauthor_producers=nested).coauthor_names) <= set(NAMES)


def test_a_post_of_a_private_co_author_is_private():
    assert fields_of_file(coauthor_producers=[{**BEN, "is_private": True}]).is_private
    assert api_post(api_media(coauthor_producers=[{**BEN, "is_private": True}]), NOW).is_private
    assert not fields_of_file(coauthor_producers=[{**BEN, "is_private": False}]).is_private


@pytest.mark.fault("S17")
@pytest.mark.parametrize("entry", ["@ben", "77777"])
def test_a_post_of_a_co_author_on_the_list_is_dropped_also_if_the_entry_came_later(
    store, tmp_path, monkeypatch, entry
):
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)
    town = Town(store, tmp_path)
    town.archive.post(1, coauthor_producers=[BEN])
    town.archive.post(2)
    town.build()
    assert set(town.posts()) == {town.key(1), town.key(2)}
    assert register_opt_out(store, [entry]) == {"town": 1}
    town.build()
    assert set(town.posts()) == {town.key(2)}
    assert town.reasons() == {town.key(1): "opted_out"}
    assert register_opt_out(store, [entry]) == {}


@pytest.mark.fault("S17")
def test_who_opted_out_is_told_from_who_is_private(store, tmp_path):
    """Of a post that is both the removal is what counts: it is asked for first."""
    town = Town(store, tmp_path)
    for number, user in ((1, "77001"), (2, "77002")):
        town.archive.post(number, owner={"id": user, "username": f"user{user}", "is_private": True})
    add_opt_outs(store, ["77001"])
    town.build()
    assert town.reasons() == {town.key(1): "opted_out", town.key(2): "private"}


@pytest.mark.fault("S17")
@pytest.mark.parametrize("is_before", [True, False])
def test_whom_any_file_of_a_post_names_is_its_author(store, tmp_path, monkeypatch, is_before):
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)
    town = Town(store, tmp_path)
    town.archive.post(1, stem="a_first")
    town.archive.post(1, stem="b_second", coauthor_producers=[BEN])
    town.archive.post(2)
    if is_before:
        add_opt_outs(store, ["@ben"])
    else:
        town.build()
        assert register_opt_out(store, ["@ben"]) == {"town": 1}
    town.build()
    assert set(town.posts()) == {town.key(2)}


@pytest.fixture
def live(store, tmp_path, monkeypatch):
    """A place of 8 posts; the newest has a co-author."""
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)
    with FakeInstagram() as server:
        town = LiveTown(
            store,
            tmp_path / "live",
            server,
            monkeypatch,
            num_places=1,
            num_posts=8,
            place={"video": 0.0, "carousel": 0.0},
        )
        town.find()
        server.world.change(newest(town), coauthor_producers=[BEN])
        yield town


def newest(town: LiveTown) -> int:
    return town.server.world.shown("1000")[0]


@pytest.mark.fault("S17")
@pytest.mark.parametrize("entry", ["@ben", "77777"])
def test_a_live_post_is_found_by_a_co_author_who_opts_out_later(live, entry):
    live.collect()
    assert live.posts()[live.key(newest(live))]["state"] == "active"
    assert register_opt_out(live.store, [entry]) == {"town": 1}
    report = live.collect()
    assert live.posts()[live.key(newest(live))]["state"] == "deleted"
    assert report.counts["deleted"] == 1
    live.collect()
    assert live.collect().is_reused


@pytest.mark.fault("S17")
def test_a_live_post_is_found_by_any_name_of_its_owner(live):
    live.collect()
    owner = live.server.world.owner_of(newest(live))
    assert register_opt_out(live.store, [f"@user.{owner}"])["town"] >= 1
    live.collect()
    assert live.posts()[live.key(newest(live))]["state"] == "deleted"


@pytest.mark.fault("S17")
def test_a_post_that_got_a_co_author_later_goes_when_its_place_is_passed_again(live):
    pk = live.server.world.shown("1000")[3]
    add_opt_outs(live.store, ["@ben"])
    live.collect()
    assert live.reasons()[live.key(newest(live))] == "opted_out"
    assert live.posts()[live.key(pk)]["state"] == "active"
    live.server.world.change(pk, coauthor_producers=[BEN])
    live.clock.pass_by(timedelta(days=31).total_seconds())
    live.collect()
    assert live.posts()[live.key(pk)]["state"] == "deleted"


def archive_of(live: LiveTown, folder: Path, **changes) -> str:
    """An archive that has the newest post too."""
    archive = FakeArchive(folder / "archive")
    node = graphql_node(1, location={"id": 1000, "name": "x", "lat": 12.0, "lng": -30.0}, **changes)
    archive.post(1, node={**node, "id": str(newest(live))})
    return str(archive.folder)


def collect_beside(live: LiveTown, archive: str, num_runs: int = 2) -> dict:
    """The newest post after some runs of a city that has both sources; nothing is left to do in the last."""
    for _ in range(num_runs):
        report = live.build(archive=archive)
    assert report.is_reused
    return live.posts().get(live.key(newest(live)), {})


@pytest.mark.fault("S17")
@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("who_names", ["the live page alone", "the archive alone"])
def test_whom_either_source_names_is_an_author(live, tmp_path, who_names, is_before):
    of_archive = {"coauthor_producers": [BEN]} if who_names == "the archive alone" else {}
    if of_archive:
        live.server.world.change(newest(live), coauthor_producers=[])
        live.collect()
    archive = archive_of(live, tmp_path, **of_archive)
    if is_before:
        add_opt_outs(live.store, ["@ben"])
    else:
        assert collect_beside(live, archive)["state"] == "active"
        assert register_opt_out(live.store, ["@ben"]) == {"town": 1}
    assert collect_beside(live, archive, num_runs=3)["state"] == "deleted"


@pytest.mark.fault("S17")
def test_a_post_that_an_archive_drops_for_an_author_is_not_taken_live(live, tmp_path):
    live.server.world.change(newest(live), coauthor_producers=[])
    archive = archive_of(live, tmp_path, coauthor_producers=[BEN])
    add_opt_outs(live.store, ["@ben"])
    assert collect_beside(live, archive) == {}
    assert live.reasons()[live.key(newest(live))] == "opted_out"


def test_of_an_opted_out_post_that_was_never_taken_no_key_is_kept(live):
    add_opt_outs(live.store, ["@ben"])
    live.collect()
    with PrivateIds.open(live.store, "town") as ids:
        assert ids.media_id(live.key(newest(live))) is None


@pytest.mark.fault("S17")
def test_who_opts_out_leaves_also_while_instagram_refuses(live, monkeypatch):
    live.collect()
    register_opt_out(live.store, ["@ben"])
    monkeypatch.setenv("I_HAVE_READ_PRIVACY_MD", "never")
    with pytest.raises(StageError):
        live.collect()
    assert live.posts()[live.key(newest(live))]["state"] == "deleted"


@pytest.mark.fault("S17")
def test_a_live_post_that_left_the_tables_before_its_author_is_gone_too(live):
    live.collect()
    (live.store.root / "overrules" / "town.csv").write_text("p0,1000,no\n")
    live.find()
    live.collect()
    register_opt_out(live.store, ["@ben"])
    live.collect()
    assert live.reasons()[live.key(newest(live))] == "opted_out"
