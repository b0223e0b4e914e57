"""Choosing: what a person named is taken or an error; `auto` falls back with a warning, once; `require` never does."""

import time

import pytest

from pipeline.errors import StageError
from pipeline.weights import Builtin, choose_weights
from pipeline.weights.records import DamagedWeightsError
from tests.fakes.http_server import Answer
from tests.pipeline.weights.conftest import drawn_u2netp, entry_for

NOBODY = "https://127.0.0.1:1/small.pth"


@pytest.fixture
def file(tmp_path):
    """Weights of u2netp that nobody published."""
    path = tmp_path / "trained.pth"
    path.write_bytes(drawn_u2netp(5))
    return path


@pytest.fixture
def offline(weights_store_of, u2netp_pth):
    """A store of weights whose weights cannot be had."""
    return weights_store_of(entry_for(u2netp_pth, NOBODY))


@pytest.mark.parametrize("wish", ["auto", "require"])
def test_weights_are_downloaded_once_and_then_taken_from_the_store(weights_store_of, server, u2netp_pth, wish):
    weights_store = weights_store_of(entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth)))
    first = choose_weights(weights_store, "small_net", wish)
    assert first == choose_weights(weights_store, "small_net", wish) == weights_store.find("small_net")
    assert server.count() == 1


def test_builtin_asks_nobody_and_says_that_a_file_is_not_used(weights_store_of, server, u2netp_pth, file, caplog):
    weights_store = weights_store_of(entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth)))
    assert isinstance(choose_weights(weights_store, "small_net", "builtin"), Builtin)
    assert not caplog.messages
    assert isinstance(choose_weights(weights_store, "small_net", "builtin", file), Builtin)
    assert "trained.pth is not used" in caplog.text
    assert server.count() == 0


@pytest.mark.fault("M11")
def test_auto_falls_back_aloud_once_and_soon(offline, caplog):
    began = time.monotonic()
    chosen = [choose_weights(offline, "small_net", "auto") for _ in range(3)]
    assert time.monotonic() - began < 3
    assert chosen[0] == chosen[1] == chosen[2]
    assert isinstance(chosen[0], Builtin)
    assert f"{NOBODY}: no connection" in chosen[0].why
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "The built-in way takes the place of the network" in warnings[0].getMessage()


@pytest.mark.fault("M11")
def test_auto_does_not_take_a_file_of_a_wrong_digest(weights_store_of, server, u2netp_pth):
    weights_store = weights_store_of(entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth[::-1])))
    chosen = choose_weights(weights_store, "small_net", "auto")
    assert isinstance(chosen, Builtin)
    assert "got sha256" in chosen.why


def test_auto_asks_again_after_a_while(weights_store_of, server, u2netp_pth, monkeypatch):
    weights_store = weights_store_of(entry_for(u2netp_pth, server.put("/small.pth", u2netp_pth)))
    server.fail("small", Answer(status=404))
    assert isinstance(choose_weights(weights_store, "small_net", "auto"), Builtin)
    assert isinstance(choose_weights(weights_store, "small_net", "auto"), Builtin)
    assert server.count() == 1
    monkeypatch.setattr("pipeline.weights.weights_store.ASK_AGAIN_S", 0)
    assert choose_weights(weights_store, "small_net", "auto") == weights_store.find("small_net")


def test_weights_that_came_by_hand_after_a_failure_are_taken(offline, tmp_path, u2netp_pth):
    assert isinstance(choose_weights(offline, "small_net", "auto"), Builtin)
    (tmp_path / "small.pth").write_bytes(u2netp_pth)
    offline.add(tmp_path / "small.pth")
    assert choose_weights(offline, "small_net", "auto") == offline.find("small_net")


@pytest.mark.fault("M11")
def test_require_fails_and_says_what_to_do(offline):
    with pytest.raises(StageError, match="weights: require was chosen, and small_net could not be fetched") as raised:
        choose_weights(offline, "small_net", "require")
    for words in (NOBODY, "`mrlf weights fetch small_net`", "`mrlf weights add", "weights: auto or builtin"):
        assert words in str(raised.value)


@pytest.mark.parametrize("wish", ["auto", "require"])
def test_the_same_weights_in_another_format_are_taken(weights_store_of, tmp_path, u2netp_pth, wish):
    other = entry_for(u2netp_pth, name="small_net_pth", same_as="small_net")
    weights_store = weights_store_of(entry_for(b"the onnx file", NOBODY), other)
    (tmp_path / "small.pth").write_bytes(u2netp_pth)
    weights_store.add(tmp_path / "small.pth")
    assert choose_weights(weights_store, "small_net", wish).name == "small_net_pth"


@pytest.mark.parametrize("wish", ["auto", "require"])
def test_a_file_that_is_named_goes_before_all_and_is_not_called_by_a_published_name(offline, file, wish, caplog):
    chosen = choose_weights(offline, "small_net", wish, file)
    assert (chosen.name, chosen.architecture, chosen.source) == ("u2netp_from_file", "u2netp", file)
    assert "none of the published weights" in caplog.text
    assert chosen == choose_weights(offline, "small_net", wish, file)
    assert offline.find("small_net") is None


def test_a_published_file_that_is_named_keeps_its_name(offline, tmp_path, u2netp_pth, caplog):
    path = tmp_path / "anything.pth"
    path.write_bytes(u2netp_pth)
    assert choose_weights(offline, "small_net", "auto", path).name == "small_net"
    assert not caplog.messages


def test_a_named_file_is_converted_once_and_again_when_that_is_damaged(offline, file, monkeypatch):
    first = choose_weights(offline, "small_net", "auto", file)
    inode = first.path.stat().st_ino
    assert choose_weights(offline, "small_net", "auto", file).path.stat().st_ino == inode
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-1])
    assert choose_weights(offline, "small_net", "auto", file).path.read_bytes() == whole


@pytest.mark.fault("M11")
@pytest.mark.parametrize("wish", ["auto", "require"])
@pytest.mark.parametrize(
    ("body", "raised"),
    [
        pytest.param(None, "there is no file", id="missing"),
        pytest.param(b"<html>", "a web page", id="HTML"),
        pytest.param(b"PK\x03\x04half", "cut or damaged", id="half a file"),
        pytest.param(b"\x80\x04cposix\nsystem\n(Vtrue\ntR.", "no file of weights", id="a pickle"),
    ],
)
def test_a_named_file_that_is_missing_or_damaged_never_falls_back(offline, tmp_path, wish, body, raised):
    path = tmp_path / "named.pth"
    if body is not None:
        path.write_bytes(body)
    with pytest.raises(ValueError, match=raised):
        choose_weights(offline, "small_net", wish, path)


@pytest.mark.fault("M11")
def test_a_named_file_of_another_architecture_is_refused(weights_store_of, tmp_path, u2netp_pth, file):
    weights_store = weights_store_of(entry_for(u2netp_pth), entry_for(b"x", name="large_net", architecture="u2net"))
    (tmp_path / "small.pth").write_bytes(u2netp_pth)
    with pytest.raises(StageError, match="is small_net, weights of u2netp and not of u2net"):
        choose_weights(weights_store, "large_net", "auto", tmp_path / "small.pth")
    with pytest.raises(ValueError, match="is not u2net"):
        choose_weights(weights_store, "large_net", "auto", file)


@pytest.mark.fault("M11")
@pytest.mark.parametrize("wish", ["auto", "require"])
def test_damaged_weights_in_the_store_are_an_error_and_no_fallback(offline, tmp_path, u2netp_pth, wish):
    (tmp_path / "small.pth").write_bytes(u2netp_pth)
    offline.add(tmp_path / "small.pth").path.write_bytes(b"")
    with pytest.raises(DamagedWeightsError, match="damaged and not used"):
        choose_weights(offline, "small_net", wish)


@pytest.mark.parametrize("wish", ["auto", "require"])
def test_weights_that_nobody_knows_are_an_error(offline, wish):
    with pytest.raises(StageError, match="no weights 'large_net'"):
        choose_weights(offline, "large_net", wish)
