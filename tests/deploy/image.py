"""The image as the Dockerfile makes it, as far as it goes without a container engine: what is sent, ENV and RUN."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

from tests.deploy.helpers import ROOT

_SKIPPED = {
    ".git",
    ".venv",
    ".venv-bench",
    ".dagster",
    "node_modules",
}  # excluded by the first rule, and large


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their words, lines joined and comments gone."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(kind, words) for kind, _, words in (line.partition(" ") for line in joined.splitlines())]


def image_environment() -> dict[str, str]:
    """What ENV sets."""
    words = " ".join(words for kind, words in dockerfile() if kind == "ENV")
    return dict(word.split("=", 1) for word in shlex.split(words))


def run_commands() -> list[list[str]]:
    """The commands of all RUN instructions, word by word."""
    commands = [command for kind, words in dockerfile() if kind == "RUN" for command in words.split("&&")]
    return [shlex.split(command) for command in commands]


def copy_context(to: Path) -> None:
    """Copy what `.dockerignore` lets through: of the rules that match a file or a folder above it the last counts."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [(line.removeprefix("!"), line.startswith("!")) for line in lines if line and not line.startswith("#")]
    patterns = [(_pattern(rule), is_let_in) for rule, is_let_in in rules]
    for directory, folders, names in os.walk(ROOT):
        is_root = Path(directory) == ROOT
        folders[:] = [name for name in folders if name not in _SKIPPED and not (is_root and name == "data")]
        for name in names:
            path = Path(directory, name).relative_to(ROOT)
            if _is_sent(PurePosixPath(path), patterns):
                (to / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, to / path)


def import_as_built(app: Path) -> None:
    """Run what the build imports at its end, with what it leaves beside the modules in `app`."""
    (words,) = [words for words in run_commands() if words[0] == "python"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *words[1:]], cwd=app, env={**kept, "PYTHONPATH": str(app)}, check=True)


def _pattern(rule: str) -> re.Pattern[str]:
    text = re.escape(rule).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.compile(text)


def _is_sent(path: PurePosixPath, patterns: list[tuple[re.Pattern[str], bool]]) -> bool:
    names = [str(path), *(str(folder) for folder in path.parents[:-1])]
    verdicts = [is_let_in for pattern, is_let_in in patterns if any(pattern.fullmatch(text) for text in names)]
    return not verdicts or verdicts[-1]
