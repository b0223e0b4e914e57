"""Pseudonyms: equal for equal secrets, unequal for everything else, and the secret is seen nowhere."""

import base64
import logging

import pytest

from pipeline.cities import City
from pipeline.errors import StageError
from pipeline.privacy.pseudonyms import Pseudonyms, load_pseudonyms

SECRET = bytes(range(32))
CITY = City(key="new-york", name="New York", latitude=40.7, longitude=-74, radius_km=25)
DEMO = City(key="demo", name="Demo", latitude=0, longitude=0, radius_km=1, is_synthetic=True)


def test_a_key_is_128_bits_in_hex_and_always_the_same():
    key = Pseudonyms(SECRET, "demo").post_key("2014000000000000001")
    assert key == Pseudonyms(SECRET, "demo").post_key("2014000000000000001")
    assert len(key) == 32
    assert int(key, 16)


def test_another_secret_city_purpose_or_id_gives_another_key():
    ours, other_secret, other_city = (
        Pseudonyms(SECRET, "demo"),
        Pseudonyms(SECRET[::-1], "demo"),
        Pseudonyms(SECRET, "demo2"),
    )
    keys = [
        ours.post_key("12345"),
        ours.media_key("12345"),
        ours.user_key("12345"),
        ours.file_key("12345"),
        ours.user_key("@12345"),
        ours.user_key("12346"),
        other_secret.user_key("12345"),
        other_city.user_key("12345"),
        ours.fingerprint,
        other_secret.fingerprint,
        other_city.fingerprint,
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.fault("I17")
def test_ids_that_differ_in_case_only_have_different_keys():
    ours = Pseudonyms(SECRET, "demo")
    assert ours.post_key("BvzKlRRow") != ours.post_key("bvzklrrow")


def test_city_and_id_cannot_be_shifted_against_each_other():
    assert Pseudonyms(SECRET, "ab").user_key("c") != Pseudonyms(SECRET, "a").user_key("bc")
    assert Pseudonyms(SECRET, "a").user_key("\0b") != Pseudonyms(SECRET, "a\0").user_key("b")
    one, other = Pseudonyms(SECRET, "demo").post_key("post1"), Pseudonyms(SECRET, "demopost").post_key("1")
    assert one != other, "neither does the purpose between them close the gap"


def test_without_a_secret_one_is_made_once_for_the_owner_only(store, monkeypatch, caplog):
    monkeypatch.delenv("MRLF_PSEUDONYM_KEY", raising=False)
    with caplog.at_level(logging.WARNING, logger="mrlf"):
        first = load_pseudonyms(store, CITY).user_key("1")
        assert load_pseudonyms(store, CITY).user_key("1") == first
    path = store.private / "pseudonym.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "back it up" in caplog.text
    assert path.read_text().strip() not in caplog.text


@pytest.mark.parametrize("write", [bytes.hex, lambda secret: base64.b64encode(secret).decode()], ids=["hex", "base64"])
def test_the_secret_of_the_environment_is_taken(store, monkeypatch, write):
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", write(SECRET))
    assert load_pseudonyms(store, CITY).user_key("1") == Pseudonyms(SECRET, "new-york").user_key("1")
    assert not (store.private / "pseudonym.key").exists()


@pytest.mark.parametrize("given", ["hunter2", "00" * 31, "zz" * 32, base64.b64encode(b"short").decode(), "é" * 64])
def test_a_weak_secret_is_refused_without_being_repeated(store, monkeypatch, given):
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", given)
    with pytest.raises(StageError, match="token_hex") as caught:
        load_pseudonyms(store, CITY)
    assert given not in str(caught.value)


def test_the_demo_city_has_a_public_key_and_makes_no_file(store):
    assert load_pseudonyms(store, DEMO).user_key("1") == load_pseudonyms(store, DEMO).user_key("1")
    assert not (store.private / "pseudonym.key").exists()


def test_the_secret_is_not_in_the_repr():
    assert SECRET.hex() not in repr(Pseudonyms(SECRET, "demo"))
    assert str(SECRET) not in repr(Pseudonyms(SECRET, "demo"))
