"""`mrlf study`: what it prints, and what a user's mistake is told."""

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.study.plan import SECTIONS


@pytest.fixture
def mrlf(tmp_path, monkeypatch):
    """Runs `mrlf` with a data folder of its own."""
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_help_has_examples_and_the_names_of_the_sections(mrlf):
    printed = " ".join(mrlf("study", "--help").stdout.split())
    assert "mrlf study demo --only table2 --only fig3" in printed
    assert f"may be repeated: {', '.join(SECTIONS)}." in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("demo",), "there is no data set of demo yet", id="no data set"),
        pytest.param(("rome",), "there is no city 'rome'", id="a city that is not in cities.yaml"),
        pytest.param(("demo", "--only", "table9"), "no section table9", id="a section that does not exist"),
    ],
)
def test_a_users_mistake_is_one_line(mrlf, words, message):
    result = mrlf("study", *words)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
