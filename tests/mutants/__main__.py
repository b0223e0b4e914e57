"""Plants defects one by one in a copy of the checkout and runs the tests that should catch each.

    python -m tests.mutants                       all of them
    python -m tests.mutants pool split            those whose id holds one of these words
    python -m tests.mutants --root ../before      the same ones in another checkout, whose files may lie elsewhere

Prints for each defect the test that caught it, or MISSED; STALE where its text stands in no file any more, or in
several. The tests that caught one must pass without it. Ends with status 1 where one was missed or is stale.
`make test` does not run this: it takes minutes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import cache_from_source
from pathlib import Path

from tests.mutants.defect import Defect
from tests.mutants.in_models import IN_MODELS
from tests.mutants.in_pipeline import IN_PIPELINE
from tests.mutants.in_rooms import IN_ROOMS
from tests.mutants.in_rules import IN_RULES

ROOT = Path(__file__).parent.parent.parent
COPIED = ("assets", "bench", "deploy", "docs", "models", "pipeline", "tests", "archives")
DEFECTS = (*IN_MODELS, *IN_PIPELINE, *IN_RULES, *IN_ROOMS)
TIMEOUT_S = 600
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
CAUGHT = "caught by "


def copy_checkout(root: Path, copy: Path) -> None:
    """What the tests read, without environments, data and caches."""
    for path in root.iterdir():
        if path.is_file():
            shutil.copy2(path, copy / path.name)
        elif path.name in COPIED:
            shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__"))


def place_of(defect: Defect, root: Path) -> Path | None:
    """The file that holds the text exactly once: the named one, else one of its name, else the only one that does."""
    named = root / defect.file
    if named.is_file() and named.read_text().count(defect.before) == 1:
        return named
    files = (path for floor in ("pipeline", "models", "assets") for path in sorted((root / floor).rglob("*.py")))
    found = [path for path in files if path.read_text().count(defect.before) == 1]
    found = [path for path in found if path.name == named.name] or found
    return found[0] if len(found) == 1 else None


def tests_of(defect: Defect, root: Path) -> list[str]:
    """The paths of its test files, which may lie in another folder than when they were written down."""
    found = {path.name: path for path in (root / "tests").rglob("test_*.py")}
    return [str(found[name].relative_to(root)) for name in defect.tests.split() if name in found]


def run_tests(copy: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run these tests in the copy; what it compiles stays for the next run."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def verdict(defect: Defect, copy: Path) -> str:
    """Plant the defect, run its tests, take it out again: the test that caught it, MISSED or STALE with its reason."""
    path, files = place_of(defect, copy), tests_of(defect, copy)
    if path is None:
        return f"STALE: its text stands in no file, or in several: {defect.before}"
    if not files:
        return f"STALE: there is none of {defect.tests}"
    whole = path.read_text()
    path.write_text(whole.replace(defect.before, defect.after))
    try:
        completed = run_tests(copy, ["-x", *files])
    except subprocess.TimeoutExpired:
        return f"caught: its tests did not end within {TIMEOUT_S} s"
    finally:
        path.write_text(whole)
        Path(cache_from_source(path)).unlink(missing_ok=True)  # it may be of the same second and size
    if completed.returncode == 0:
        return f"MISSED by {', '.join(files)}"
    caught = FAILED.search(completed.stdout)
    if completed.returncode != 1 and caught is None:
        return f"STALE: pytest ended with {completed.returncode}: {completed.stdout[-300:]}{completed.stderr[-300:]}"
    return f"{CAUGHT}{caught[1]}" if caught else "caught"


def fail_anyway(verdicts: Sequence[str], copy: Path) -> list[str]:
    """Of the tests that caught a defect those that fail without it too, and so show nothing."""
    tests = sorted({found.removeprefix(CAUGHT) for found in verdicts if found.startswith(CAUGHT)})
    return FAILED.findall(run_tests(copy, tests).stdout) if tests else []


def main(arguments: Sequence[str]) -> int:
    """Plant each defect and print its verdict; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="parts of ids; by default all defects")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to plant them in")
    options = parser.parse_args(arguments)
    chosen = [each for each in DEFECTS if not options.words or any(word in each.id for word in options.words)]
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="mrlf-mutants-") as folder:
        copy_checkout(options.root.resolve(), Path(folder))
        for defect in chosen:
            found = verdict(defect, Path(folder))
            verdicts.append(found)
            print(f"{defect.id:<28} {found}", flush=True)
        broken = fail_anyway(verdicts, Path(folder))
    num_caught = sum(found.startswith("caught") and found.removeprefix(CAUGHT) not in broken for found in verdicts)
    print("".join(f"fails without a defect too: {test}\n" for test in broken), end="")
    print(f"{num_caught} of {len(chosen)} caught")
    return 0 if num_caught == len(chosen) > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
