"""`mrlf weights`: what stands on the screen, and the exit status."""

import hashlib
import re
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from models.vision.u2net_weights import random_state
from pipeline.cli.app import app
from pipeline.weights.registry import REGISTRY, SHIPPED
from tests.fakes.weights_server import WeightsServer


@pytest.fixture(scope="module")
def pth(tmp_path_factory):
    """A file of u2netp."""
    path = tmp_path_factory.mktemp("weights") / "u2netp.pth"
    torch.save(random_state("u2netp"), path)
    return path


@pytest.fixture
def mrlf(tmp_path, monkeypatch):
    """Runs `mrlf weights` with a data folder of its own."""
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MRLF_WEIGHTS_MIRROR", raising=False)
    return lambda *words: CliRunner().invoke(app, ["weights", *map(str, words)])


@pytest.fixture
def registry(monkeypatch, pth):
    """The shipped registry, but u2netp_pth is the file of `pth` and nothing has an address on the internet."""
    md5 = hashlib.md5(pth.read_bytes(), usedforsecurity=False).hexdigest()
    shipped = {
        name: tuple(each for each in entry.addresses if each.startswith(SHIPPED)) for name, entry in REGISTRY.items()
    }
    nobody = {
        name: replace(entry, addresses=(*shipped[name], "https://127.0.0.1:1/x")) for name, entry in REGISTRY.items()
    }
    nobody["u2netp_pth"] = replace(REGISTRY["u2netp_pth"], md5=md5)
    monkeypatch.setattr("pipeline.weights.weights_store.REGISTRY", nobody)
    return nobody


@pytest.mark.slow
def test_the_table_tells_what_there_is_and_what_is_here(mrlf, registry, pth):
    assert mrlf("add", pth).exit_code == 0
    result = mrlf("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    columns = ["name", "architecture", "licence", "size", "state", "used by", "what it is"]
    assert re.split(r"  +", lines[0]) == columns
    assert [line.split()[0] for line in lines[1:]] == list(REGISTRY)
    table = {line.split()[0]: re.split(r"  +", line) for line in lines[1:]}
    assert table["yunet"][4] == "here", "it ships"
    assert table["u2net_human_seg"][1:] == [
        "u2net",
        "Apache-2.0",
        "176.0 MB",
        "not here",
        "portrait_masks (by default)",
        "U²-Net trained to find people",
    ]
    assert table["u2netp_pth"][1:] == [
        "u2netp",
        "Apache-2.0",
        "?",
        "here",
        "portrait_masks",
        "the same, the official file",
    ]


@pytest.mark.slow
@pytest.mark.fault("M11")
def test_verify_ends_with_1_where_a_file_differs(mrlf, registry, pth, tmp_path):
    assert "no weights are here yet" in mrlf("verify").stdout
    mrlf("add", pth)
    result = mrlf("verify")
    assert (result.exit_code, result.stdout) == (0, "here     u2netp_pth\n")
    damaged = next((tmp_path / "data" / "weights" / "converted").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    result = mrlf("verify")
    assert result.exit_code == 1
    assert re.search(r"damaged .*expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}: run `mrlf weights", result.stdout)
    result = mrlf("list")
    assert "damaged" in result.stdout and "note:" in result.stderr
    assert mrlf("fetch", "u2netp_pth").exit_code == 0
    assert mrlf("verify").exit_code == 0


def test_fetch_takes_what_is_named_from_the_mirror(mrlf, registry, pth, monkeypatch):
    with WeightsServer(**{"u2netp.pth": pth.read_bytes()}) as server:
        monkeypatch.setenv("MRLF_WEIGHTS_MIRROR", server.url)
        for _ in range(2):
            result = mrlf("fetch", "u2netp_pth")
            assert result.exit_code == 0
            assert result.stdout == f"u2netp_pth: here, sha256 {hashlib.sha256(pth.read_bytes()).hexdigest()}\n"
        assert server.count() == 1


def test_fetch_without_a_name_takes_those_of_the_stages_and_tells_each_that_failed(mrlf, registry):
    result = mrlf("fetch")
    assert result.exit_code == 1
    assert f"yunet: here, sha256 {REGISTRY['yunet'].sha256}\n" in result.stdout, "it ships"
    for name in ("u2net_human_seg", "big_lama", "vgg19"):
        assert f"mrlf: {name} could not be fetched (https://127.0.0.1:1/x: no connection)" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.fault("S36")
def test_one_of_several_that_fails_does_not_stop_the_others(mrlf, registry, pth, monkeypatch):
    with WeightsServer(**{"u2netp.pth": pth.read_bytes()}) as server:
        monkeypatch.setenv("MRLF_WEIGHTS_MIRROR", server.url)
        result = mrlf("fetch", "u2net", "u2netp_pth", "minilm")
    assert result.exit_code == 1
    assert result.stdout.startswith("u2netp_pth: here, sha256 ")
    assert [line.split()[1] for line in result.stderr.splitlines() if line.startswith("mrlf: ")] == ["u2net", "minilm"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("fetch", "u3net"), "take one of u2net_human_seg, ", id="fetch"),
        pytest.param(("add", "absent.pth"), "there is no file absent.pth", id="add what is not there"),
        pytest.param(("add", "README.md"), "README.md is not known: its sha256 is", id="add something else"),
    ],
)
def test_a_users_mistake_is_one_line(mrlf, words, message):
    found = mrlf(*words)
    assert found.exit_code == 1
    assert message in found.stderr
    assert "Traceback" not in found.output


@pytest.mark.slow
def test_weights_of_ones_own_are_listed_under_their_name(mrlf, registry, tmp_path):
    path = tmp_path / "trained.pth"
    torch.save(random_state("u2netp", seed=5), path)
    assert "add this one as your own" in mrlf("add", path).stderr
    result = mrlf("add", path, "--name", "my_net", "--architecture", "u2netp")
    assert (result.exit_code, result.stdout.split(", sha256")[0]) == (0, "my_net: here, weights of u2netp")
    assert re.search(
        r"^my_net +u2netp +yours to know +4\.8 MB +here +portrait_masks +your own$", mrlf("list").stdout, re.M
    )


@pytest.mark.parametrize("command", ["list", "fetch", "verify", "add"])
def test_every_command_has_help_with_an_example(mrlf, command):
    assert f"mrlf weights {command}" in mrlf(command, "--help").stdout
