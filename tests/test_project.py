"""The papers of the project: its version, licence, workflow, and links that lead somewhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "archives").glob("*.md")])
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to, as GitHub makes them."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page):
    links = [link for link in LINK.findall(CODE.sub("", page.read_text())) if "://" not in link]
    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


def test_the_version_is_the_newest_of_the_changelog():
    newest = re.search(r"^## (\d+\.\d+\.\d+) ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_the_licence_is_the_one_that_is_declared():
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])


def test_the_notice_names_files_that_are_there():
    named = re.findall(r"\b(?:pipeline|models|docs)/[\w/]+(?:\.\w+)?", (ROOT / "NOTICE").read_text())
    assert "pipeline/demo/astronaut.jpg" in named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_actions_are_pinned_by_commit_and_may_only_read():
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    assert not [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)]
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_workflow_runs_the_commands_that_a_person_runs_on_both_pythons():
    commands = "\n".join(step.get("run", "") for job in WORKFLOW["jobs"].values() for step in job["steps"])
    needed = ("make lint", "make test", "docker build", "pip_audit", "pre-commit run")
    assert not [command for command in needed if command not in commands]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_hooks_run_the_checks_of_make_lint():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    ours = {f"$(BIN)/{hook['entry'].removeprefix('.venv/bin/')}" for hook in hooks.values() if "entry" in hook}
    assert ours == {line.strip().removesuffix(" .") for line in recipe.splitlines()[1:]}
    assert {"end-of-file-fixer", "check-added-large-files", "check-merge-conflict", "codespell"} <= set(hooks)
    assert "detect-secrets" in hooks


def test_no_text_file_lacks_its_last_newline():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs the repository: git ls-files does not work here")
    texts = [ROOT / name for name in listed.stdout.splitlines() if Path(name).suffix in (".py", ".md", ".yml", ".j2")]
    there = [path for path in texts if path.is_file() and path.stat().st_size]
    assert not [path for path in there if not path.read_bytes().endswith(b"\n")]


def test_the_linter_sees_every_module():
    """A folder named `data` was excluded once, and with it `models/data`."""
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "pipeline", "models", "assets", "tests", "bench"]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    modules = {str(path) for name in command[5:] for path in (ROOT / name).rglob("*.py")}
    assert modules <= set(seen)
