"""The gate: without having read docs/PRIVACY.md and saying why and who, nothing is collected."""

import re
from pathlib import Path

import pytest

from pipeline.collect.instagram.terms import PRIVACY_VERSION, Terms, check_terms, stated_terms
from pipeline.errors import StageError

PRIVACY = Path(__file__).parents[4] / "docs/PRIVACY.md"
GOOD = {
    "purpose": "research on places",
    "legal_basis": "Article 6(1)(f) GDPR, assessed on 2026-11-01",
    "contact": "privacy@example.org",
}


@pytest.fixture(autouse=True)
def has_read(monkeypatch):
    """Whoever collects has read the version of today."""
    monkeypatch.setenv("I_HAVE_READ_PRIVACY_MD", PRIVACY_VERSION)


def test_the_version_is_the_one_at_the_top_of_the_document():
    assert re.findall(r"^Version: (.*)$", PRIVACY.read_text(), re.MULTILINE) == [PRIVACY_VERSION]


def test_who_has_read_and_filled_in_everything_may_pass():
    check_terms(Terms(**GOOD))


@pytest.mark.parametrize("read", [None, "", "yes", "1", PRIVACY_VERSION + "0", "2020-01-01"])
def test_who_has_not_read_this_version_may_not(monkeypatch, read):
    monkeypatch.delenv("I_HAVE_READ_PRIVACY_MD")
    if read is not None:
        monkeypatch.setenv("I_HAVE_READ_PRIVACY_MD", read)
    with pytest.raises(StageError) as caught:
        check_terms(Terms(**GOOD))
    message = str(caught.value)
    assert f"I_HAVE_READ_PRIVACY_MD={PRIVACY_VERSION}" in message
    assert ("has changed" in message) == (read == "2020-01-01")
    for word in ("terms forbid", "the account", "docs/PRIVACY.md", "archive"):
        assert word in message


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("stated", ["", "  \n", "TODO", "tbd.", "...", "n/a", "xxx", "<your purpose>", "-"])
def test_what_is_not_filled_in_is_named_with_its_place(name, stated):
    with pytest.raises(StageError, match=rf"fill in {name} in cities.yaml, in the section live:"):
        check_terms(Terms(**{**GOOD, name: stated}))


def test_all_that_is_missing_is_reported_at_once(monkeypatch):
    monkeypatch.delenv("I_HAVE_READ_PRIVACY_MD")
    with pytest.raises(StageError, match=r"read docs/PRIVACY.md .* fill in purpose, legal_basis, contact in"):
        check_terms(Terms())


def test_what_was_declared_is_reported_on_single_lines_with_the_version():
    stated = stated_terms(Terms(**{**GOOD, "purpose": " research\n on  places "}))
    assert stated == {**GOOD, "privacy_version": PRIVACY_VERSION}
