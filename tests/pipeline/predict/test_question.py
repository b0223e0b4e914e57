"""Questions: what comes from outside is treated as a collected post, or is refused with a reason."""

import numpy as np
import pytest

from models.vision.backbones import preprocess
from pipeline.collect.archive.fields import MAX_CAPTION_CHARACTERS
from pipeline.curate.rules import Candidate, apply_rules
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.picture_bytes import decode_picture
from pipeline.predict.predictor import WHY_UNREADABLE, RefusedQuestion, read_question
from pipeline.text.captions import clean_caption, hashtags
from tests.fakes.hostile_captions import HOSTILE, WRONG_TYPES
from tests.fakes.hostile_pictures import JPEG, PNG, REFUSED, TAKEN, WEBP, flipped
from tests.fakes.pictures import encoded, pixels

KNOWN = frozenset({"harbour", "sea"})
PHOTO = encoded(pixels())


def ask(picture: bytes | None = None, caption: object = None):
    """The question, with 32 pixels as the network's side."""
    return read_question(picture, caption, known_hashtags=KNOWN, resized_side_px=32)


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_picture_is_refused_with_its_reason(name):
    data, reason = REFUSED[name]
    with pytest.raises(RefusedQuestion) as caught:
        ask(data, "a caption does not save it")
    assert caught.value.reason == reason
    assert str(caught.value) == WHY_UNREADABLE[reason]


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_picture_is_taken_as_rgb(name):
    picture = ask(TAKEN[name]).picture
    assert picture.shape == (32, 32, 3)
    assert picture.dtype == np.uint8


@pytest.mark.fault("N1")
def test_flipped_bytes_give_a_question_or_a_reason_and_nothing_else():
    for seed in range(100):
        try:
            assert ask(flipped(seed)).picture.shape == (32, 32, 3)
        except RefusedQuestion as refused:
            assert refused.reason in WHY_UNREADABLE


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_caption_is_cleaned_and_refused_where_nothing_is_left(name):
    caption, cleaned = HOSTILE[name]
    assert ask(PHOTO, caption).caption == cleaned
    if cleaned:
        assert ask(None, caption).caption == cleaned
        return
    with pytest.raises(RefusedQuestion) as caught:
        ask(None, caption)
    assert caught.value.reason == "nothing_given"


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_caption_that_is_no_text_is_refused(name):
    with pytest.raises(RefusedQuestion) as caught:
        ask(PHOTO, WRONG_TYPES[name])
    assert caught.value.reason == "caption_no_text"


@pytest.mark.fault("N1")
def test_a_caption_longer_than_any_post_is_refused():
    assert ask(None, "x" * MAX_CAPTION_CHARACTERS).caption
    with pytest.raises(RefusedQuestion) as caught:
        ask(PHOTO, "x" * (MAX_CAPTION_CHARACTERS + 1))
    assert caught.value.reason == "caption_too_long"


def test_hashtags_leave_the_caption_and_the_unknown_ones_are_told():
    question = ask(None, "by the #Harbour with @anna #rare  #sea")
    assert question.caption == "by the with <USER>"
    assert question.hashtags == ("harbour", "sea")
    assert question.unknown_hashtags == ("rare",)
    assert ask(None, "#harbour").hashtags == ("harbour",)


@pytest.mark.parametrize(
    "caption", ["At the #harbour!", "ＦＵＬＬ width #SEA #sea", "&#35;no a#b #a#b #harbour", "one 1\ufe0f\u20e3 #sea"]
)
def test_the_caption_and_hashtags_are_those_that_curation_would_keep(caption):
    """The reference: the very rules that made the data set."""
    cleaned = clean_caption(caption)
    post = Candidate(
        post_key="p",
        poi_id="x",
        caption=cleaned,
        hashtags=tuple(hashtags(cleaned)),
        image_digests=("d",),
        distance_km=None,
        is_active=True,
    )
    settings = CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=1, language="any")
    [kept], _ = apply_rules([post], KNOWN, settings)
    question = ask(None, caption)
    assert (question.caption, question.hashtags) == (kept.caption, kept.hashtags)


@pytest.mark.parametrize(
    "data", [JPEG, PNG, WEBP, encoded(pixels(3, (1000, 640)))], ids=["JPEG", "PNG", "WebP", "large"]
)
def test_the_reduced_picture_is_to_the_network_what_the_whole_one_is(data):
    """R x R pixels go through the network's own preprocessing bit for bit as the decoded picture does."""
    small = read_question(data, None, known_hashtags=KNOWN, resized_side_px=36).picture
    whole = decode_picture(data, 36)
    assert (preprocess(small, 32, 36) == preprocess(whole, 32, 36)).all()
