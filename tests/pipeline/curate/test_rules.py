"""The rules of curation: each alone at its border, in order, and none loses a post."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from pipeline.curate import rules
from pipeline.curate.rules import RULES, Candidate, apply_rules, frequent_hashtags, words_of
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.study.posts import NEVER, NO_MODALITY

SETTINGS = CuratedPostsSettings(min_hashtag_count=2, min_posts_per_poi=1)
FREQUENT = frozenset({"harbour", "sun"})


def post(**changes) -> Candidate:
    """A post that passes every rule, then `changes`."""
    return Candidate(
        **{
            "post_key": "k1",
            "poi_id": "p1",
            "caption": "a fine morning #harbour",
            "hashtags": ("harbour",),
            "image_digests": ("d",),
            "distance_km": 0.1,
            "is_active": True,
            **changes,
        }
    )


@pytest.fixture(scope="module", autouse=True)
def detector():
    """English is every text but those with the word nicht."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "are_in_language", lambda texts, language: ["nicht" not in text for text in texts])
        yield


def reason(**changes) -> str | None:
    kept, drops = apply_rules([post(**changes)], FREQUENT, SETTINGS)
    assert len(kept) + len(drops) == 1
    return drops.get("k1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, None, id="good post"),
        pytest.param({"is_active": False}, "deleted", id="deleted"),
        pytest.param({"distance_km": 2.0}, None, id="exactly at the border"),
        pytest.param({"distance_km": 2.0001}, "far_from_poi", id="just past the border"),
        pytest.param({"distance_km": None}, None, id="no coordinates: the match of its location counts"),
        pytest.param({"caption": ""}, "no_text", id="no caption"),
        pytest.param({"caption": "#harbour #sun"}, "no_text", id="hashtags only"),
        pytest.param({"caption": "<USER> <URL> 🎉 2024 !"}, "no_text", id="placeholders, emoji and numbers only"),
        pytest.param({"caption": "nicht doch"}, "not_english", id="another language"),
        pytest.param({"caption": "fine #nicht"}, None, id="hashtags do not count for the language"),
        pytest.param({"hashtags": ()}, "no_hashtag", id="no hashtag"),
        pytest.param({"hashtags": ("rare",)}, "no_hashtag", id="rare hashtags only"),
        pytest.param({"image_digests": ()}, "no_image", id="no picture that can be read"),
        pytest.param({"is_active": False, "distance_km": 9.0}, "deleted", id="first rule names it"),
        pytest.param({"distance_km": 9.0, "caption": ""}, "far_from_poi", id="distance before text"),
        pytest.param({"caption": "nicht", "hashtags": ()}, "not_english", id="language before hashtags"),
        pytest.param({"hashtags": (), "image_digests": ()}, "no_hashtag", id="hashtags before pictures"),
    ],
)
@pytest.mark.fault("I16")
def test_the_first_failing_rule_names_the_reason(changes, expected):
    assert reason(**changes) == expected


def test_another_language_has_its_own_reason():
    settings = SETTINGS.model_copy(update={"language": "de"})
    assert apply_rules([post(caption="nicht")], FREQUENT, settings)[1] == {"k1": "not_de"}


def test_a_kept_post_has_its_text_without_hashtags_and_its_frequent_hashtags_in_order():
    ((kept,), _) = apply_rules(
        [post(caption="a #sun day\nwith <USER> #rare", hashtags=("sun", "rare", "harbour"))],
        FREQUENT,
        SETTINGS,
    )
    assert (kept.caption, kept.hashtags) == ("a day with <USER>", ("sun", "harbour"))


def test_the_floor_counts_what_the_other_rules_left():
    settings = CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=2)
    posts = [
        post(post_key="a"),
        post(post_key="b"),
        post(post_key="c", poi_id="p2"),
        post(post_key="d", poi_id="p2", caption=""),
    ]
    kept, drops = apply_rules(posts, FREQUENT, settings)
    assert [one.post_key for one in kept] == ["a", "b"]
    assert drops == {"c": "poi_below_floor", "d": "no_text"}


def test_a_hashtag_is_counted_once_per_active_post():
    posts = [
        post(post_key="a", hashtags=("sun", "sun")),
        post(post_key="b", hashtags=("sun", "sea")),
        post(post_key="c", hashtags=("sea",), is_active=False),
    ]
    assert frequent_hashtags(posts, 1) == {"sun", "sea"}
    assert frequent_hashtags(posts, 2) == {"sun"}
    assert frequent_hashtags(posts, 3) == frozenset()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Best day ever! 🎉", "Best day ever!"),
        ("with <USER> at 10:30 — see <URL>", "with at — see"),
        ("10/10 🙌🏽", ""),
        ("नमस्ते दिल्ली", "नमस्ते दिल्ली"),
        ("...", ""),
    ],
)
def test_words_of_a_text(text, words):
    assert words_of(text) == words


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        post_key=st.uuids().map(str),
        poi_id=st.sampled_from("pqr"),
        caption=st.sampled_from(["", "good day", "nicht", "#sun", "🎉"]),
        hashtags=st.lists(st.sampled_from(["sun", "sea", "rare"]), max_size=3).map(tuple),
        image_digests=st.sampled_from([(), ("d",)]),
        distance_km=st.none() | st.floats(0, 4),
        is_active=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda candidate: candidate.post_key,
)


@pytest.mark.slow
@given(CANDIDATES, st.integers(1, 3), st.integers(1, 4))
def test_every_post_is_kept_or_dropped_once_and_order_does_not_matter(posts, min_hashtag_count, min_posts_per_poi):
    settings = CuratedPostsSettings(min_hashtag_count=min_hashtag_count, min_posts_per_poi=min_posts_per_poi)
    frequent = frequent_hashtags(posts, min_hashtag_count)
    kept, drops = apply_rules(posts, frequent, settings)
    assert {one.post_key for one in kept} | drops.keys() == {one.post_key for one in posts}
    assert len(kept) + len(drops) == len(posts)
    assert set(drops.values()) <= {rule.name for rule in RULES}
    again, same_drops = apply_rules(posts[::-1], frequent, settings)
    assert (again[::-1], same_drops) == (kept, drops)


def test_the_names_in_the_ledger_and_their_order_stay():
    assert [rule.name for rule in RULES] == [
        "deleted",
        "far_from_poi",
        "no_text",
        "not_english",
        "no_hashtag",
        "no_image",
        "poi_below_floor",
    ]


def test_every_setting_belongs_to_a_rule_and_studies_know_the_rules_by_their_names():
    assert {rule.setting for rule in RULES if rule.setting} == set(CuratedPostsSettings.model_fields)
    assert NEVER | NO_MODALITY <= {rule.name for rule in RULES}


def test_the_page_for_users_shows_every_rule_in_its_order():
    defaults = CuratedPostsSettings()
    rows = [
        f"| `{rule.name}` | {rule.meaning} | "
        + (f"`{rule.setting}` ({getattr(defaults, rule.setting)})" if rule.setting else "none")
        + " |"
        for rule in RULES
    ]
    page = Path(pipeline.__file__).parent.parent / "docs/CURATION.md"
    assert [line for line in page.read_text().splitlines() if line.startswith("| `")] == rows


@pytest.mark.fault("I41")
@pytest.mark.parametrize(
    ("require", "changes", "expected"),
    [
        pytest.param(["hashtags", "image"], {"caption": "#harbour #sun"}, None, id="hashtags only"),
        pytest.param(["hashtags", "image"], {"caption": ""}, None, id="no caption"),
        pytest.param(["hashtags", "image"], {"caption": "🎉 <USER>"}, None, id="no word"),
        pytest.param(["hashtags", "image"], {"caption": "nicht doch"}, "not_english", id="words of another language"),
        pytest.param(["hashtags", "image"], {"hashtags": ("rare",)}, "no_hashtag", id="a rare hashtag"),
        pytest.param(["text", "image"], {"hashtags": ()}, None, id="no hashtag"),
        pytest.param(
            ["text", "image"], {"caption": "#rare", "hashtags": ("rare",)}, "no_text", id="hashtags are no text"
        ),
        pytest.param(["image"], {"caption": "", "hashtags": ()}, None, id="a picture alone"),
        pytest.param(["image"], {"image_digests": ()}, "no_image", id="no picture"),
        pytest.param(["image"], {"caption": "", "hashtags": (), "distance_km": 3.0}, "far_from_poi", id="other rules"),
    ],
)
def test_what_is_not_required_drops_no_post(require, changes, expected):
    settings = CuratedPostsSettings(min_hashtag_count=2, min_posts_per_poi=1, require=require)
    assert apply_rules([post(**changes)], FREQUENT, settings)[1].get("k1") == expected


@pytest.mark.fault("I41")
def test_a_caption_of_hashtags_stays_as_an_empty_one():
    settings = SETTINGS.model_copy(update={"require": ["hashtags", "image"]})
    ((kept,), _) = apply_rules([post(caption="#harbour #rare", hashtags=("harbour", "rare"))], FREQUENT, settings)
    assert (kept.caption, kept.hashtags) == ("", ("harbour",))


@pytest.mark.fault("I41")
@pytest.mark.parametrize(
    ("require", "message"),
    [
        pytest.param([], "image is missing.*write \\[image\\]", id="nothing"),
        pytest.param(["text", "hashtags"], "image is missing.*write \\[text, hashtags, image\\]", id="no image"),
        pytest.param(["image", "caption"], "no 'caption': take of text, hashtags, image", id="unknown word"),
        pytest.param(["image", "text", "text"], "text stands there twice", id="twice"),
        pytest.param("image", "valid list", id="no list"),
        pytest.param(None, "valid list", id="left empty"),
    ],
)
def test_a_requirement_that_cannot_be_is_refused(require, message):
    with pytest.raises(ValueError, match=message):
        CuratedPostsSettings(require=require)


@pytest.mark.fault("I41")
def test_the_order_of_what_is_required_makes_no_difference():
    assert CuratedPostsSettings(require=["image", "text"]) == CuratedPostsSettings(require=["text", "image"])
    assert CuratedPostsSettings().require == ["text", "hashtags", "image"]
