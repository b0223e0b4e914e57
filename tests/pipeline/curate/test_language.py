"""The language of captions."""

import pytest

from pipeline.curate import rules
from pipeline.curate.rules import are_in_language
from pipeline.errors import StageError


@pytest.fixture(autouse=True)
def few_languages(monkeypatch):
    """Loading the models of sixteen languages takes seconds."""
    monkeypatch.setattr(rules, "COMMON_LANGUAGES", ("en", "es"))


@pytest.mark.slow
def test_captions_in_english_are_recognised():
    texts = [
        "We walked along the harbour all morning and had the best coffee of the year.",
        "Qué tarde tan bonita pasamos con toda la familia.",
        "今日は友達と一緒にここへ来ました",
        "love this place",
    ]
    assert are_in_language(texts, "en") == [True, False, False, True]


@pytest.mark.slow
def test_a_language_that_is_not_common_can_be_wanted():
    assert are_in_language(["Jag älskar den här platsen mycket"], "sv") == [True]


def test_any_language_takes_all():
    assert are_in_language(["x", "今日は"], "any") == [True, True]


def test_no_text_is_no_fault():
    assert are_in_language([], "en") == []


@pytest.mark.parametrize("code", ["xx", "english", "", "__class__"])
def test_an_unknown_language_is_refused(code):
    with pytest.raises(StageError, match="ISO 639-1"):
        are_in_language(["x"], code)
