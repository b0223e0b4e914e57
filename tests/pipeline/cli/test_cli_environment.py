"""Variables of the environment: a misspelt one is told on every command, and never its value."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.environment import OF_OTHERS, READ, misspelt_variables

ROOT = Path(__file__).parent.parent.parent.parent
pytestmark = pytest.mark.fault("P26")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MRLF_CITES", "MRLF_CITIES"),
        ("MRLF_PSEUDONYM_KY", "MRLF_PSEUDONYM_KEY"),
        ("MRLF_INSTAGRAM_COOKIE", "MRLF_INSTAGRAM_COOKIES"),
        ("MRLF_WEIGHT_MIRROR", "MRLF_WEIGHTS_MIRROR"),
        ("mrlf_data", "MRLF_DATA"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest_name(name, meant):
    assert misspelt_variables({name: "canary"}) == [f"{name} is unknown: did you mean {meant}?"]


def test_what_is_known_or_somebody_elses_is_not_told():
    ours = [f"MRLF_{name}" for name in (*READ, *OF_OTHERS)]
    assert misspelt_variables(dict.fromkeys([*ours, "MRLF_MY_OWN", "PATH", "CITIES"], "x")) == []


def test_every_variable_that_the_product_reads_is_known():
    files = [path for folder in ("pipeline", "assets", "deploy") for path in (ROOT / folder).rglob("*")]
    texts = [path.read_text() for path in files if path.suffix in ("", ".py", ".sh", ".yml") and path.is_file()]
    named = {name for text in texts for name in re.findall(r"\bMRLF_([A-Z_]+[A-Z])\b", text)}
    assert set(READ) <= named <= {*READ, *OF_OTHERS}


def test_a_command_tells_it_beside_its_output(monkeypatch, tmp_path):
    monkeypatch.setenv("MRLF_CITES", "canary")
    result = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert (result.exit_code, "canary" in result.output) == (0, False)
    assert result.stderr == "mrlf: MRLF_CITES is unknown: did you mean MRLF_CITIES?\n"
