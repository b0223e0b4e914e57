"""A whole small city, damaged file by file: nothing is silently wrong, no traceback, and a plain rerun mends it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.digests import file_digest
from tests.fakes.engine import in_this_process
from tests.fakes.face_gates import short_recall
from tests.models.small_backbones import small_backbones

pytestmark = pytest.mark.slow

TINY = {
    "name": "Tiny",
    "latitude": 12.0,
    "longitude": -30.0,
    "radius_km": 12.0,
    "is_synthetic": True,
    "demo": {"seed": 7, "num_pois": 4, "num_posts": 80, "num_users": 30, "image_side": 64},
    "curated_posts": {"min_hashtag_count": 2, "min_posts_per_poi": 4, "language": "any"},
    "portrait_masks": {"weights": "builtin", "find_bodies": False, "num_workers": 1},
    "clean_images": {
        "weights": "builtin",
        "num_workers": 1,
        "face_gate": "off",
        "face_gate_off_reason": "faces are drawn",
    },
    "image_features": {"weights": "builtin", "image_size": 32},
    "train_mrlf": {
        "preset": "small",
        "max_epochs": 1,
        "num_threads": 1,
        "num_filters": 8,
        "num_heads": 2,
        "char_dim": 8,
        "word_dim": 8,
        "image_fc_dim": 8,
        "ffn_dim": 8,
    },
}
FILES = (
    "tables/tiny/curated_posts/*.parquet",
    "tables/tiny/image_features/_delta_log/*.json",
    "tables/tiny/drops/*.parquet",
    "blobs/clean/*/*",
    "blobs/original/*/*",
    "datasets/tiny/*/manifest.json",
    "datasets/tiny/*/train-*.tar",
    "models/mrlf/tiny/*/manifest.json",
    "models/mrlf/tiny/*/checkpoint/checkpoint.safetensors",
    "stages/tiny/portrait_masks.json",
    "digests/tiny/posts.json",
)
MISSED_BY_NOBODY = ("stages", "digests", "checkpoint")
"""What is no damage where it is not there at all."""


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def mrlf(*words: str) -> Result:
    """A command that may end as a command does, and with no traceback."""
    ended = CliRunner().invoke(app, list(words))
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended


def run() -> Result:
    return mrlf("run", "tiny", "--to", "train_mrlf")


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    with in_this_process(), small_backbones(), short_recall():
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Iterator[Path]:
    """The folder of the city after a plain run, and the environment that names it."""
    folder = tmp_path_factory.mktemp("damage")
    (folder / "cities.yaml").write_text(yaml.safe_dump({"cities": {"tiny": TINY}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRLF_CITIES", str(folder / "cities.yaml"))
        patch.setenv("MRLF_DATA", str(folder / "data"))
        ended = run()
        assert ended.exit_code == 0, ended.stderr
        shutil.copytree(folder / "data", folder / "whole")
        yield folder


@pytest.fixture
def data(built) -> Path:
    """The store as it was after that run."""
    shutil.rmtree(built / "data")
    shutil.copytree(built / "whole", built / "data")
    return built / "data"


def facts(root: Path) -> dict[str, object]:
    """All that a person takes out of the store."""
    tables = {name: Store(root).tables.digest("tiny", name) for name in TABLES}
    folders = [*(root / "datasets" / "tiny").iterdir(), *(root / "models" / "mrlf" / "tiny").iterdir()]
    files = {
        f"{folder.name}/{path.name}": file_digest(path)
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in (".tar", ".parquet", ".safetensors") or path.name == "labels.json"
    }
    return {**tables, **files, "clean": sorted(Store(root).blobs.listed("clean")[0])}


@pytest.fixture(scope="module")
def before(built) -> dict[str, object]:
    """What the store held after that run."""
    return facts(built / "whole")


@pytest.mark.fault("S27")
@pytest.mark.fault("S28")
@pytest.mark.fault("S29")
@pytest.mark.fault("S30")
@pytest.mark.fault("T16")
@pytest.mark.parametrize("harm", [flip, Path.unlink])
@pytest.mark.parametrize("pattern", FILES)
def test_a_damaged_file_is_told_and_a_plain_rerun_makes_it_again(data, before, pattern, harm: Callable[[Path], None]):
    paths = sorted(data.glob(pattern))
    harm(paths[len(paths) // 2])
    assert mrlf("status", "tiny").exit_code == 0
    is_told_by_a_look = harm is flip or not any(name in pattern for name in MISSED_BY_NOBODY)
    assert mrlf("verify", "tiny", "--deep").exit_code == int(is_told_by_a_look)
    assert run().exit_code == 0
    assert facts(data) == before
    assert mrlf("verify", "tiny", "--deep").exit_code == 0


@pytest.mark.fault("S28")
def test_features_are_made_of_no_lost_picture_and_the_advice_makes_it_again(data, before):
    path = min(data.glob("blobs/clean/*/*"))
    path.write_bytes(path.read_bytes()[:99])
    shutil.rmtree(data / "tables" / "tiny" / "image_features")
    (data / "digests" / "tiny" / "image_features.json").unlink()
    told = mrlf("run", "tiny", "--only", "image_features")
    assert told.exit_code == 1
    assert f"the first is {path.name}" in told.stderr and "`mrlf run tiny` makes them again" in told.stderr
    assert run().exit_code == 0
    assert facts(data) == before


@pytest.mark.fault("S28")
def test_a_flipped_clean_picture_stops_the_release_that_would_hold_it_and_the_next_run_goes_on(data, before):
    (path,) = sorted(data.glob("blobs/clean/*/*"))[:1]
    flip(path)
    shutil.rmtree(data / "datasets" / "tiny")
    told = run()
    assert told.exit_code == 1
    assert f"the clean picture {path} was damaged and is removed: `mrlf run` of its city" in told.stderr
    assert run().exit_code == 0
    assert facts(data) == before
