"""Label words: what is taken out of a post and what is left, the same for the posts of every place."""

import numpy as np
import pytest

from models.data.samples import Samples
from pipeline.training.label_words import (
    mask_label_words,
    posts_that_name_their_place,
    posts_with_label_words,
)

NAMES = [
    "Central Park",
    "Saltglass Bridge",
    "Café Zoë",
    "St. Paul's Cathedral",
    "Rock & Roll Hall",
    "香港大學",
    "O",
    "The Metropolitan Museum of Art (The Met) - Cloisters",
    "Home",
    "Bryant Park",
    "Macy's",
    "경복궁",
]
LABELS = [{"label": row, "name": name, "category": "Landmarks and Outdoors"} for row, name in enumerate(NAMES)]


def posts(captions: list[str], hashtags: list[list[str]] | None = None, labels: list[int] | None = None) -> Samples:
    """Posts with these texts."""
    count = len(captions)
    return Samples(
        keys=[str(row) for row in range(count)],
        captions=captions,
        hashtags=hashtags or [[]] * count,
        image_ND=np.zeros((count, 2), dtype=np.float32),
        labels_N=np.array(labels or [0] * count, dtype=np.int64),
    )


def masked(caption: str) -> str:
    return mask_label_words(posts([caption]), LABELS).captions[0]


@pytest.mark.fault("T3")
@pytest.mark.parametrize(
    ("caption", "left"),
    [
        pytest.param("Sunday at Central Park again", "Sunday at again", id="the name"),
        pytest.param("sunday at CENTRAL PARK!", "sunday at !", id="case"),
        pytest.param("a walk in @centralpark", "a walk in", id="@name"),
        pytest.param("by @central.park_nyc, thanks", "by , thanks", id="@name with more behind it"),
        pytest.param("love #centralpark and #central_park #lovecentralpark", "love and", id="tags in the caption"),
        pytest.param("central-park, central_park, central  park", ", ,", id="hyphen, underscore, two spaces"),
        pytest.param("Central\U0001f333Park", "", id="an emoji between"),
        pytest.param("Cen\u200btral\u00a0Park", "", id="an invisible character and a hard space"),
        pytest.param("\uff23\uff25\uff2e\uff34\uff32\uff21\uff2c \uff30\uff21\uff32\uff2b x", "x", id="full width"),
        pytest.param("\U0001d402\U0001d41e\U0001d427\U0001d42d\U0001d42b\U0001d41a\U0001d425 Park x", "x", id="fancy"),
        pytest.param("Central Park's trees", "trees", id="genitive"),
        pytest.param("saltglass at dusk", "at dusk", id="a word of its own, alone"),
        pytest.param("the Saltglass\u2019 ropes", "the \u2019 ropes", id="bare apostrophe"),
        pytest.param("cafe zoe, CAFE\u0301 ZOE\u0308 and caf\u00e9 zo\u00eb", ", and", id="accents, composed or not"),
        pytest.param("st pauls cathedral and St. Paul\u2019s Cathedral", "and", id="dots and apostrophes"),
        pytest.param("rock and roll hall, rock'n'roll hall, Rock&Roll Hall", ", ,", id="and, n, &"),
        pytest.param("我在香港大學讀書", "我在 讀書", id="within a script without spaces"),
        pytest.param("경복궁에서", "에서", id="a particle behind a Korean name"),
        pytest.param("see the Metropolitan Museum of Art", "see", id="a part of the name, with its article"),
        pytest.param("at the Cloisters today", "at the today", id="another part"),
        pytest.param("macys and Macy's", "and", id="with and without apostrophe"),
        pytest.param("at home now", "at now", id="a name that is a common word goes too"),
    ],
)
def test_taken_out_of_a_caption(caption, left):
    assert masked(caption) == left


@pytest.mark.fault("T3")
@pytest.mark.parametrize(
    "caption",
    [
        pytest.param("", id="nothing"),
        pytest.param("a central idea in another park", id="words that only together are the name"),
        pytest.param("centralparking is not it", id="longer word"),
        pytest.param("homemade schooling", id="within a word"),
        pytest.param("O what a day, o", id="a name of one letter"),
        pytest.param("the museum of art", id="kinds of place"),
        pytest.param("香港 大 學生", id="pieces of a name"),
        pytest.param("central.  \n\n  park", id="two sentences"),
        pytest.param("  spaces   stay where nothing goes ", id="nothing found, nothing touched"),
        pytest.param("landmarks, outdoors", id="words of the category"),
    ],
)
def test_left_in_a_caption(caption):
    assert masked(caption) == caption
    assert not posts_with_label_words(posts([caption]), LABELS)[0]


@pytest.mark.fault("T3")
@pytest.mark.parametrize(
    ("tag", "is_taken"),
    [
        pytest.param("centralpark", True, id="joined"),
        pytest.param("Central_Park", True, id="underscore"),
        pytest.param("lovecentralpark", True, id="among other letters"),
        pytest.param("saltglassatnight", True, id="its own word among other letters"),
        pytest.param("bryant", True, id="its own word"),
        pytest.param("cafezoe", True, id="without accents"),
        pytest.param("cafézoë", True, id="with accents"),
        pytest.param("o", True, id="a name of one letter"),
        pytest.param("香港大學生活", True, id="within a script without spaces"),
        pytest.param("metropolitanmuseumart", True, id="little words missing"),
        pytest.param("home", True, id="a common word that is a name"),
        pytest.param("homesweethome", False, id="a short name among other letters"),
        pytest.param("ootd", False, id="one letter among others"),
        pytest.param("park", False, id="kind of place"),
        pytest.param("central", False, id="half a name"),
        pytest.param("", False, id="empty"),
    ],
)
def test_hashtags(tag, is_taken):
    some = posts(["x"], [[tag, "sunday"]])
    assert mask_label_words(some, LABELS).hashtags[0] == (["sunday"] if is_taken else [tag, "sunday"])
    assert posts_with_label_words(some, LABELS)[0] == is_taken


@pytest.mark.fault("T3")
def test_the_words_of_every_place_go_whatever_place_a_post_is_of():
    text = "Central Park or Saltglass Bridge"
    some = posts([text] * 12, [["bryantpark", "macys"]] * 12, list(range(12)))
    hidden = mask_label_words(some, LABELS)
    assert set(hidden.captions) == {"or"}
    assert hidden.hashtags == [[]] * 12
    assert (hidden.labels_N == some.labels_N).all()
    assert hidden.keys == some.keys
    assert not posts_with_label_words(hidden, LABELS).any()


@pytest.mark.fault("T3")
def test_masking_asks_for_text_and_places_only_so_a_part_of_the_posts_is_masked_as_the_whole():
    rng = np.random.default_rng(0)
    captions = [" ".join(rng.choice(["saltglass", "sun", "bryant", "we", "macys"], 5)) for _ in range(40)]
    some = posts(captions, labels=rng.integers(0, 12, 40).tolist())
    shuffled = posts(captions, labels=rng.integers(0, 12, 40).tolist())
    whole = mask_label_words(some, LABELS)
    assert mask_label_words(some.take(range(7)), LABELS).captions == whole.captions[:7]
    assert mask_label_words(shuffled, LABELS).captions == whole.captions
    assert mask_label_words(whole, LABELS).captions == whole.captions, "masking twice takes no more"


@pytest.mark.fault("T3")
def test_posts_that_name_their_own_place_are_not_those_that_name_another():
    some = posts(["at Saltglass", "at Saltglass", "at sea"], [[], [], ["saltglassbridge"]], [1, 0, 1])
    assert posts_with_label_words(some, LABELS).tolist() == [True, True, True]
    assert posts_that_name_their_place(some, LABELS).tolist() == [True, False, True]


def test_words_of_the_city_are_no_place_s_own():
    labels = [{"label": 0, "name": "Brooklyn Arcade", "category": "Shop"}]
    some = posts(["in Brooklyn", "at Brooklyn Arcade"])
    assert posts_with_label_words(some, labels, city_name="Brooklyn").tolist() == [False, True]
    assert posts_with_label_words(some, labels).tolist() == [True, True]


def test_other_fields_of_the_posts_stay():
    some = posts(["Macy's"], [["macys"]], [3])
    hidden = mask_label_words(some, LABELS)
    assert hidden.image_ND is some.image_ND
    assert hidden.has_image_N is some.has_image_N


@pytest.mark.parametrize("name", ["", "???", "🎡", ".*", "(", "a|b", "\\", "and", "The", "[x](y)", "\u0301"])
def test_names_of_any_kind_make_a_pattern(name):
    some = posts(["an ordinary day (really) .* a", "x"])
    hidden = mask_label_words(some, [{"label": 0, "name": name, "category": ""}])
    assert hidden.captions[1] == "x"
    assert "ordinary day" in hidden.captions[0]
