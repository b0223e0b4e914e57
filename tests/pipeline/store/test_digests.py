"""The stage digest: it changes with everything a result depends on and with nothing else."""

import hashlib

import pytest

from pipeline.store.digests import bytes_digest, file_digest, json_digest, stage_digest

BASE = {
    "stage": "curated_posts",
    "city": "demo",
    "code_version": "1",
    "settings": {"min_hashtag_count": 50, "language": "en"},
    "inputs": {"posts@posts": "aa", "pois@pois": "bb"},
    "weights": {"vgg19": "cc"},
}


def test_equal_parts_in_any_order_give_an_equal_digest():
    turned = {name: dict(reversed(part.items())) if isinstance(part, dict) else part for name, part in BASE.items()}
    assert stage_digest(**turned) == stage_digest(**BASE)


@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stage": "posts"}, id="stage"),
        pytest.param({"city": "melbourne"}, id="city"),
        pytest.param({"code_version": "2"}, id="code"),
        pytest.param({"settings": {"min_hashtag_count": 49, "language": "en"}}, id="a setting"),
        pytest.param({"settings": {"min_hashtag_count": 50}}, id="a setting less"),
        pytest.param({"inputs": {"posts@posts": "ab", "pois@pois": "bb"}}, id="an input"),
        pytest.param({"inputs": {"posts@posts": "bb", "pois@pois": "aa"}}, id="inputs exchanged"),
        pytest.param({"weights": {"vgg19": "cd"}}, id="weights"),
    ],
)
def test_any_change_gives_another_digest(change):
    assert stage_digest(**{**BASE, **change}) != stage_digest(**BASE)


def test_digests_are_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"mrlf" * 100_000)
    assert file_digest(tmp_path / "file") == bytes_digest(b"mrlf" * 100_000)
    assert bytes_digest(b"mrlf") == hashlib.sha256(b"mrlf").hexdigest()
    assert json_digest({"a": 1, "b": [2]}) == json_digest({"b": [2], "a": 1})
