"""The installed package: what a wheel holds is enough to begin a project in an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.slow
@pytest.mark.fault("D20")
def test_a_project_begins_in_an_empty_folder_with_the_wheel_alone(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheel").iterdir()
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    project = tmp_path / "project"
    project.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MRLF")}

    def mrlf(*words: str) -> tuple[int, str]:
        code = "from pipeline.cli.app import app; app()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=project,
            env={**environment, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    status, said = mrlf("status", "demo")
    assert status == 1 and f"there is no {project}/cities.yaml" in said
    assert not list(project.iterdir())
    assert mrlf("init")[0] == 0
    assert mrlf("cities") == (0, "demo         Demo City (synthetic)\n")
    text = (project / "cities.yaml").read_text()
    (project / "cities.yaml").write_text(text.replace("{seed: 7}", "{seed: 7, num_posts: 48, image_side: 64}"))
    status, said = mrlf("run", "demo", "--to", "pois")
    assert status == 0 and (project / "data" / "stages" / "demo" / "pois.json").is_file(), said
