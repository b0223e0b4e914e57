"""Runs every test marked `fault(id)` and prints what became of each case of the fault suite.

The last line is one JSON object: id -> passed, failed or skipped. A case of several tests is passed when all of its
tests passed, failed when one failed. Exit status 1 when one failed, or when there was nothing to run.
"""

import json
import sys
from collections import defaultdict

import pytest


class FaultTable:
    """Collects the outcome of each marked test under its ids."""

    def __init__(self) -> None:
        self.ids_of: dict[str, list[str]] = {}
        self.outcomes: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which cases a test shows."""
        for item in items:
            self.ids_of[item.nodeid] = [mark.args[0] for mark in item.iter_markers("fault")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts once: by its call, or by a set-up that failed or was skipped."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            for fault_id in self.ids_of.get(report.nodeid, []):
                self.outcomes[fault_id].append(report.outcome)

    def verdicts(self) -> dict[str, str]:
        """Each case's verdict, in the order of letters and numbers."""
        by_number = sorted(self.outcomes, key=lambda fault_id: (fault_id[0], int(fault_id[1:])))
        return {fault_id: _verdict(self.outcomes[fault_id]) for fault_id in by_number}


def _verdict(outcomes: list[str]) -> str:
    if "failed" in outcomes:
        return "failed"
    return "skipped" if "skipped" in outcomes else "passed"


def main(arguments: list[str]) -> int:
    """Run the marked tests, print the table and the JSON line."""
    table = FaultTable()
    pytest.main(["-m", "fault", *arguments], plugins=[table])
    verdicts = table.verdicts()
    print(f"\n{'case':<6}{'tests':>6}  verdict")
    for fault_id, verdict in verdicts.items():
        print(f"{fault_id:<6}{len(table.outcomes[fault_id]):>6}  {verdict}")
    print(json.dumps(verdicts))
    return 0 if verdicts and "failed" not in verdicts.values() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
