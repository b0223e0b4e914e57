"""The fault suite's own book-keeping: one failed test fails its case, one skipped part skips it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
import pytest

@pytest.mark.fault("P1")
def test_good(): pass

@pytest.mark.fault("P1")
@pytest.mark.fault("P10")
def test_also_good(): pass

@pytest.mark.fault("P2")
@pytest.mark.parametrize("x", [0, 1])
def test_one_of_two(x): assert x

@pytest.mark.fault("P3")
def test_not_here(): pytest.skip("no")

def test_unmarked(): assert False
"""


@pytest.mark.slow
def test_verdicts_are_the_last_line(tmp_path):
    (tmp_path / "test_cases.py").write_text(CASES)
    root = os.getcwd()
    command = [sys.executable, "-m", "tests.faults", str(tmp_path), "-p", "no:cacheprovider"]
    completed = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": root}
    )
    last = json.loads(completed.stdout.splitlines()[-1])
    assert last == {"P1": "passed", "P2": "failed", "P3": "skipped", "P10": "passed"}
    assert list(last) == ["P1", "P2", "P3", "P10"]
    assert completed.returncode == 1


def test_every_case_stands_in_the_list_and_every_promise_has_its_tests_or_says_that_it_has_none():
    root = Path(__file__).parent.parent
    marks = {
        found for path in root.rglob("test_*.py") for found in re.findall(r'fault\("([A-Z]\d+)"\)', path.read_text())
    }
    rows = re.findall(r"^\| ([A-Z]\d+) \|(.*)$", (root.parent / "docs/FAULTS.md").read_text(), flags=re.MULTILINE)
    shown = {fault_id for fault_id, text in rows if "*(no test yet)*" not in text}
    assert len(rows) == len({fault_id for fault_id, _ in rows}), "an id stands twice"
    assert shown == marks
