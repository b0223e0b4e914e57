"""What a planted defect is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A text of one file, what a slip would make of it, and the tests that should notice.

    tests: names of test files without their folders, so that moving one makes nothing stale; few and quick ones, since
    each defect costs a run of them.
    """

    id: str
    file: str
    before: str
    after: str
    tests: str
