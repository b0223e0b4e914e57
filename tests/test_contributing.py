"""The worked examples of CONTRIBUTING.md work: applied to a copy of the tree, their own tests pass there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(python|diff)\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SUBJECTS = ("A curation rule", "A stage", "A source of POIs", "A network", "A baseline")
COPIED = ("pipeline", "models", "assets", "cities.yaml", "pyproject.toml")
FOR_TESTS = ("tests/conftest.py", "tests/models/synthetic.py")


def blocks(text: str) -> list[tuple[str, str, str]]:
    """The blocks of a section: kind (python or diff), path and lines."""
    return BLOCK.findall(text)


def changed(text: str, diff: str) -> str:
    """The text with the lines of a block put in; its other lines must stand in the text once."""
    lines = diff.splitlines()
    assert {line[0] for line in lines} <= set(" +-"), "a line of a diff begins with a blank, + or -"
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    places = f"\n{text}".count(f"\n{before}")
    assert places == 1, f"these lines stand {places} times in the file, not once:\n{before}"
    return f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture(scope="module")
def tree(page, tmp_path_factory) -> Path:
    """A copy of what the examples touch, with all of them in it."""
    folder = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    for name in FOR_TESTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for kind, path, lines in blocks(page):
        target = folder / path
        if kind == "diff":
            target.write_text(changed(target.read_text(), lines))
        else:
            assert not target.exists(), f"{path} is there already"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(lines)
    return folder


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_example_has_code_and_a_test(page, subject):
    section = page.partition(f"### {subject}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    paths = [path for _, path, _ in blocks(section)]
    assert any(path.startswith("tests/") for path in paths)
    assert any(not path.startswith("tests/") for path in paths)


def test_every_block_of_code_names_its_file(page):
    assert len(blocks(page)) == len(re.findall(r"^```(?:python|diff)$", page, re.MULTILINE))


@pytest.mark.slow
def test_the_examples_pass_their_own_tests(page, tree):
    tests = [path for _, path, _ in blocks(page) if path.startswith("tests/")]
    completed = run(tree, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_examples_are_in_the_style_of_the_house(page, tree):
    paths = [path for _, path, _ in blocks(page)]
    for words in (("ruff", "check"), ("ruff", "format", "--check")):
        completed = run(tree, *words, *dict.fromkeys(paths))
        assert completed.returncode == 0, completed.stdout + completed.stderr
