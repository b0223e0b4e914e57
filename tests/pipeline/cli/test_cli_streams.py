"""The streams of a command as a process: closed, without a reader, full, or of a code page that lacks the letters."""

import os
import subprocess
import sys

import pytest

from pipeline.cli.streams import READER_GONE

pytestmark = [pytest.mark.slow, pytest.mark.fault("D20")]
MRLF = f"{sys.executable} -c 'from pipeline.cli.app import app; app()'"
CITIES = "cities: {demo: {name: Zürich 東京, latitude: 0, longitude: 0, radius_km: 1}}"


@pytest.fixture
def shell(tmp_path):
    """Runs a line of bash in which $MRLF is the command; status, output and errors, as bytes."""
    (tmp_path / "cities.yaml").write_text(CITIES)
    places = {"MRLF_CITIES": str(tmp_path / "cities.yaml"), "MRLF_DATA": str(tmp_path / "data")}

    def run(line: str) -> tuple[int, bytes, bytes]:
        environment = {**os.environ, **places, "PYTHONPATH": os.getcwd(), "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-c", line.replace("$MRLF", MRLF)], env=environment, cwd=tmp_path, capture_output=True
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        pytest.param("$MRLF init new | true; exit ${PIPESTATUS[0]}", READER_GONE, b"", id="no reader"),
        pytest.param("$MRLF --help | true", 0, b"", id="no reader of the help"),
        pytest.param("$MRLF init new 2>&1 >/dev/full | cat", 0, b"", id="a full disk"),
        pytest.param("$MRLF init new 2>&-", 0, b"", id="errors closed"),
        pytest.param("$MRLF init new >&-", 0, b"", id="output closed"),
        pytest.param("$MRLF init new <&- >&- 2>&-", 0, b"", id="all closed"),
        pytest.param("$MRLF opt-out - <&-", 1, b"no entry was given", id="input closed"),
        pytest.param("PYTHONIOENCODING=ascii $MRLF init Zürich", 0, b"", id="another code page"),
    ],
)
def test_a_command_ends_as_it_should_whatever_its_streams_are(shell, line, status, said):
    code, output, errors = shell(line)
    assert (code, b"Traceback" in output + errors, b"Exception ignored" in errors) == (status, False, False)
    assert said in errors and (said or not errors)


def test_an_output_that_cannot_be_written_is_a_failure(shell):
    code, _, errors = shell("$MRLF init new >/dev/full")
    assert (code, errors) == (1, b"mrlf: No space left on device\n")


def test_letters_that_a_terminal_lacks_are_escaped(shell):
    assert shell("PYTHONIOENCODING=latin-1 $MRLF cities")[1] == "demo         Zürich \\u6771\\u4eac\n".encode(
        "latin-1"
    )


def test_no_file_of_ours_gets_the_number_of_a_closed_output(shell):
    code = "import os, sys; from pipeline.cli.streams import streams_of_a_command as s\n"
    code += 'with s(): print(*(os.readlink(f"/proc/self/fd/{n}") for n in (0, 1)), file=sys.stderr)'
    assert shell(f"{sys.executable} -c '{code}' <&- >&-") == (0, b"", b"/dev/null /dev/null\n")
