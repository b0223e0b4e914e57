"""The image without an engine: what is sent to the build is enough, and its last step works on it."""

import os
import subprocess
import sys
import sysconfig

import pytest

from tests.deploy.helpers import ROOT
from tests.deploy.image import copy_context, image_environment, run_commands

pytestmark = pytest.mark.fault("D12")


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """What `.dockerignore` lets through, in a folder of its own."""
    folder = tmp_path_factory.mktemp("context")
    copy_context(folder)
    return folder


def test_what_is_sent_is_the_code_and_nothing_of_anybody(context):
    sent = {path.relative_to(context).parts[0] for path in context.iterdir()}
    assert sent == {
        "assets",
        "models",
        "pipeline",
        "deploy",
        "cities.yaml",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "NOTICE",
        "requirements.lock",
    }
    assert [path.name for path in (context / "deploy").iterdir()] == ["workspace.yaml"]
    assert not list(context.rglob(".env*")) and not list(context.rglob("__pycache__"))


def test_every_file_of_the_packages_is_sent(context):
    files = [path for name in ("assets", "models", "pipeline") for path in (ROOT / name).rglob("*") if path.is_file()]
    ours = {path.relative_to(ROOT) for path in files if path.parent.name != "__pycache__"}
    assert {path for path in ours if not (context / path).is_file()} == set()


@pytest.mark.slow
def test_the_last_step_of_the_build_installs_the_project_from_what_is_sent(context, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    site = next((tmp_path / "venv/lib").glob("python3*/site-packages"))
    (site / "locked.pth").write_text(f"{sysconfig.get_path('purelib')}\n")  # what the step before has installed
    (install,) = [words for words in run_commands() if "-e" in words]
    assert install[:2] == ["pip", "install"]
    environment = {"PATH": f"{python.parent}:{os.defpath}", **image_environment(), "HOME": str(tmp_path)}
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, *install[1:]],
        cwd=context,
        env={**environment, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    code = "import assets.definitions as d, pipeline, models; d.defs(); print(d.__file__, pipeline.__file__)"
    completed = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.split() == [str(context / "assets/definitions.py"), str(context / "pipeline/__init__.py")]
