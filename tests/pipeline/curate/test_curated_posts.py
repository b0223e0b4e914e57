"""Curated posts: the stage on a town's archive; its ledger closes."""

import pytest

from pipeline.curate import rules
from pipeline.curate.curated_posts import build_curated_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError
from tests.fakes.town import CITY, Town

real_detector = rules.are_in_language


@pytest.fixture
def town(store, tmp_path, monkeypatch) -> Town:
    """A town of posts 1 to 3, which pass the settings of `build`; of languages it knows English and Spanish."""
    monkeypatch.setattr(rules, "are_in_language", is_in_fake_language)
    town = Town(store, tmp_path)
    for number in (1, 2, 3):
        town.archive.post(number)
    return town


def is_in_fake_language(texts: list[str], language: str) -> list[bool]:
    """Loading real models takes seconds: here Spanish is what begins with Qué."""
    return [("es" if text.startswith("Qué") else "en") == language for text in texts]


def build(town, **settings):
    town.build()
    settings = {"min_hashtag_count": 3, "min_posts_per_poi": 3, **settings}
    return build_curated_posts(town.store, CITY, CuratedPostsSettings(**settings))


def reasons(town) -> dict[str, str]:
    return {row["post_key"]: row["reason"] for row in town.rows("drops") if row["stage"] == "curated_posts"}


def test_good_posts_are_kept_with_their_modalities(town):
    report = build(town)
    rows = {row["post_key"]: row for row in town.rows("curated_posts")}
    assert rows.keys() == {town.key(number) for number in (1, 2, 3)}
    row, post = rows[town.key(1)], town.posts()[town.key(1)]
    assert (row["caption"], row["hashtags"]) == ("a fine morning at the harbour", ["harbour", "morning"])
    assert {name: row[name] for name in ("user_key", "poi_id", "taken_utc", "image_digests")} == {
        name: post[name] for name in ("user_key", "poi_id", "taken_utc", "image_digests")
    }
    assert report.counts == {"posts": 3, "kept": 3, "pois": 1, "hashtags": 2, "waiting": 0, "dropped": 0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"caption": "#harbour #morning"}, "no_text"),
        ({"caption": "Qué tarde tan bonita pasamos con toda la familia #harbour"}, "not_english"),
        ({"caption": "a fine morning at the harbour #rare"}, "no_hashtag"),
        ({"lat": 12.5}, "far_from_poi"),
    ],
)
def test_a_post_that_fails_is_dropped_with_its_reason(town, changes, reason):
    from tests.fakes.archive import iphone_node

    town.archive.post(4, node=iphone_node(4, **changes))
    report = build(town)
    assert reasons(town) == {town.key(4): reason}
    assert report.counts[f"dropped/{reason}"] == 1


def test_pictures_that_cannot_be_read_are_left_out(town):
    town.archive.post(4, is_videos=(False, False), pictures=2)
    town.archive.file("2021-06-01_000004_1.jpg", b"<html>")
    build(town)
    assert len(town.posts()[town.key(4)]["image_digests"]) == 2
    (row,) = [row for row in town.rows("curated_posts") if row["post_key"] == town.key(4)]
    assert len(row["image_digests"]) == 1


def test_a_deferred_post_stays_deferred_and_counts_for_hashtags(town):
    town.archive.post(3, caption="a day to remember #harbour", pictures=0)
    (town.archive.folder / "2021-06-01_000003.jpg").unlink()
    report = build(town, min_posts_per_poi=2)
    assert town.reasons("deferred") == {town.key(3): "image_missing"}
    assert town.key(3) not in reasons(town)
    assert report.counts["posts"] == report.counts["kept"] + report.counts["waiting"] + report.counts["dropped"] == 3
    assert [row["hashtags"] for row in town.rows("curated_posts")] == [["harbour"]] * 2


def test_the_ledger_closes_over_both_stages(town):
    town.archive.post(4, location=None)
    town.archive.post(5, pictures=0)
    town.archive.post(6, caption=None)
    town.archive.file("x.json", b"{")
    build(town)
    ends = [
        *(row["post_key"] for row in town.rows("curated_posts")),
        *(row["post_key"] for row in town.rows("drops")),
        *(row["post_key"] for row in town.rows("deferred")),
    ]
    assert len(ends) == len(set(ends)) == 7


def test_the_stage_asks_the_real_detector(town, monkeypatch):
    monkeypatch.setattr(rules, "are_in_language", real_detector)
    monkeypatch.setattr(rules, "COMMON_LANGUAGES", ("en", "ja"))
    town.archive.post(4, caption="今日は友達と一緒にここへ来ました #harbour")
    build(town)
    assert reasons(town) == {town.key(4): "not_english"}


def test_an_unchanged_city_is_reused_and_a_changed_setting_is_not(town):
    build(town)
    assert build(town).is_reused
    assert not build(town, min_hashtag_count=2).is_reused


@pytest.mark.parametrize(
    ("settings", "rule", "advice"),
    [
        ({"min_hashtag_count": 4}, "no_hashtag", "min_hashtag_count"),
        ({"min_posts_per_poi": 4}, "poi_below_floor", "min_posts_per_poi"),
        ({"language": "es"}, "not_es", "language"),
        ({"max_poi_distance_km": 0.01}, "far_from_poi", "max_poi_distance_km"),
    ],
)
def test_where_every_post_is_dropped_the_note_names_the_setting_to_change(town, settings, rule, advice):
    report = build(town, **settings)
    assert town.rows("curated_posts") == []
    assert set(reasons(town).values()) == {rule}
    (note,) = report.record.notes
    assert f"rule {rule} took 3 of 3" in note
    assert advice in note


def test_posts_first(store):
    with pytest.raises(StageError, match="build the stage posts first"):
        build_curated_posts(store, CITY, CuratedPostsSettings())


def test_the_defaults_are_the_papers():
    settings = CuratedPostsSettings()
    assert (settings.min_hashtag_count, settings.min_posts_per_poi, settings.language) == (50, 100, "en")


@pytest.mark.fault("I41")
def test_a_post_of_hashtags_only_stays_where_text_is_not_required(town):
    town.archive.post(4, caption="#harbour #morning")
    assert build(town).counts["dropped/no_text"] == 1
    report = build(town, require=["image", "hashtags"])
    assert (report.counts["kept"], report.counts["dropped"]) == (4, 0)
    (row,) = [row for row in town.rows("curated_posts") if row["post_key"] == town.key(4)]
    assert (row["caption"], row["hashtags"]) == ("", ["harbour", "morning"])
    build(town, require=["image", "hashtags"], language="es", min_posts_per_poi=1)
    assert [row["post_key"] for row in town.rows("curated_posts")] == [town.key(4)]  # without a word in any language
