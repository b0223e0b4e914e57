"""A whole study, small: what is computed once, what again, what stands where it cannot be, and what a kill leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.cities import City
from pipeline.errors import StageError
from pipeline.store import Store
from pipeline.study.cells import cells_folder, read_cell
from pipeline.study.content import StudySection
from pipeline.study.plan import SECTIONS
from pipeline.study.settings import StudySettings
from pipeline.study.study import NO_GPU, build_study
from tests.pipeline.study.study_town import CITY, CellsHere
from tests.pipeline.study.test_study_running import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a town is built first: three networks are loaded

NO_OTHERS = {"backbones": []}
SMALL = StudySettings(num_seeds=1, max_epochs=1, num_resamples=100, num_processes=1, device="cpu")


def cells(store: Store) -> dict[str, int]:
    """The cells that stand and when each was written."""
    manifests = cells_folder(store, "demo").glob("*/manifest.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in manifests}


def page_of(store: Store) -> dict:
    return json.loads((store.report_folder("demo") / "study.json").read_text())


def rows(store: Store, section: str) -> dict[str, dict]:
    (found,) = [each for each in page_of(store)["sections"] if each["key"] == section]
    return {row["title"]: row for row in found["rows"]}


def study(store: Store, *only: str, city: City = CITY, **changes: object):
    return build_study(store, city, SMALL.model_copy(update=changes), only=only)


@pytest.fixture(scope="module", autouse=True)
def without_processes():
    """A process for cells imports torch and reads the town anew; `test_study_running` has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.study.running._pool", CellsHere)
        yield


@pytest.fixture(scope="module", autouse=True)
def figures_in_words():
    """Drawing the figures is half the time of a study; `test_study_render` has them."""

    def figure(section: StudySection) -> bytes | None:
        return repr(section).encode() if any(row.figures for row in section.rows) else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.study.study_render.section_figure", figure)
        yield


@pytest.fixture(scope="module")
def studied(whole_town, tmp_path_factory) -> Path:
    """A town with its whole study."""
    store = Store(shutil.copytree(whole_town, tmp_path_factory.mktemp("studied") / "data"))
    study(store)
    return store.root


@pytest.fixture
def own(studied, tmp_path) -> Store:
    """The same to change."""
    return Store(shutil.copytree(studied, tmp_path / "own"))


def without_figures(section: Iterable[dict]) -> dict[str, str]:
    return {row["title"]: row["reason"] for row in section if row["figures"] is None}


def test_every_row_has_figures_or_a_reason(own):
    lacking = {}
    for section in SECTIONS:
        lacking |= without_figures(rows(own, section).values())
    tuned = {title: reason for title, reason in lacking.items() if "fine-tuned" in title}
    assert set(tuned.values()) == {NO_GPU}
    assert len(tuned) == 5
    assert {
        title: reason for title, reason in lacking.items() if title not in tuned and "no test post" not in reason
    } == {title: reason for title, reason in lacking.items() if title in OTHER_BACKBONES}


OTHER_BACKBONES = {"ResNet50, frozen", "ResNet101, frozen", "DenseNet121, frozen"}
"""The town's study_data computes VGG16 alone."""


def test_the_true_place_is_first_exactly_where_the_prediction_is_right(studied):
    for folder in cells_folder(Store(studied), "demo").iterdir():
        predictions = read_cell(folder).predictions.to_pandas()
        is_right = predictions["predicted"] == predictions["label"]
        assert ((predictions["rank"] == 1) == is_right).all(), folder


def test_mrlf_of_every_section_is_one_cell(own):
    accuracies = {
        tuple(row["figures"]["accuracies"])
        for section, title in [
            ("table2", "MRLF"),
            ("fig2", "MRLF, all three"),
            ("leakage", "MRLF, as it is"),
            ("splits", "MRLF, by user and picture (ours)"),
        ]
        for row in [rows(own, section)[title]]
    }
    assert len(accuracies) == 1
    done = [json.loads(path.read_text())["cell"] for path in cells_folder(own, "demo").glob("*/result.json")]
    same = ("release", "hashtags_from_2", "hashtags_from_4")  # the town has no hashtag of two or three posts
    fusions = (None, "early_cross")
    mrlf = [cell for cell in done if cell["candidate"] == "mrlf" and cell["variant"] in same]
    plain = [
        cell
        for cell in mrlf
        if cell["split"] == "user"
        and cell["settings"].get("fusion") in fusions
        and cell["settings"]["preset"] == "auto"
        and "modalities" not in cell["settings"]
    ]
    assert len(plain) == SMALL.num_seeds


def test_unchanged_it_is_reused(own):
    before = cells(own)
    assert study(own).is_reused
    assert cells(own) == before


def test_a_changed_setting_computes_its_own_row_anew_and_no_other(own):
    before = cells(own)
    assert not study(own, hashtag_thresholds=[1, 2, 30]).is_reused
    after = cells(own)
    new = [
        json.loads((cells_folder(own, "demo") / name / "result.json").read_text()) for name in after.keys() - before
    ]
    assert {cell["cell"]["variant"] for cell in new} == {"hashtags_from_30"}
    assert len(new) == SMALL.num_seeds
    assert {name: after[name] for name in before} == before


def test_one_more_seed_computes_that_seed_alone(own):
    before = cells(own)
    study(own, "splits", num_seeds=2)
    new = [json.loads((cells_folder(own, "demo") / n / "result.json").read_text()) for n in cells(own).keys() - before]
    assert {cell["cell"]["seed"] for cell in new} == {1}
    assert rows(own, "table3")["all pictures, unmasked"]["reason"].startswith("not computed yet")


def test_a_lost_cell_is_computed_again_to_the_same_figures(own):
    before, page = cells(own), page_of(own)["sections"]
    name = sorted(before)[0]
    (cells_folder(own, "demo") / name / "predictions.parquet").unlink()
    study(own)
    after = cells(own)
    assert {key for key in before if after[key] != before[key]} == {name}
    assert strip_seconds(page_of(own)["sections"]) == strip_seconds(page)


def strip_seconds(sections: list[dict]) -> list[dict]:
    for section in sections:
        for row in section["rows"]:
            if row["figures"]:
                row["figures"].pop("seconds")
    return sections


def test_a_page_that_was_edited_is_written_again(own):
    page = own.report_folder("demo") / "study.html"
    before = page.read_bytes()
    page.write_text("edited")
    assert not study(own).is_reused
    assert page.read_bytes() == before


def test_with_the_originals_gone_it_says_so_in_the_rows_that_need_them(bare):
    for path in (bare.root / "blobs" / "original").rglob("*"):
        if path.is_file():
            path.unlink()
    study(bare, "table3", "fig4", city=CITY.model_copy(update={"stages": {**CITY.stages, "study_data": NO_OTHERS}}))
    reasons = without_figures(rows(bare, "table3").values())
    assert len(reasons) == 3
    assert all("63 of 63 original pictures" in reason and "are gone" in reason for reason in reasons.values())
    assert not without_figures(rows(bare, "fig4").values())


def test_a_section_that_does_not_exist_is_refused(bare):
    with pytest.raises(StageError, match=r"no section table9 \(did you mean table[23]\?\): take some of table2"):
        study(bare, "table9")


def test_without_features_it_says_what_to_do(bare):
    bare.forget_stage_record("demo", "image_features")
    with pytest.raises(StageError, match="mrlf run demo --only image_features"):
        study(bare, "table2")


@pytest.mark.parametrize("change", [{"image_size": 48}, {"precision": "auto"}])
def test_features_made_in_another_way_than_the_settings_say_are_refused(bare, change):
    features = {**CITY.stages["image_features"], **change}
    city = CITY.model_copy(update={"stages": {**CITY.stages, "image_features": features}})
    with pytest.raises(StageError, match=r"no features by .* pixels and precision .*, yet: `mrlf run demo"):
        study(bare, "table2", city=city)


RUN = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pipeline.store import Store
    from pipeline.study import running
    from tests.pipeline.study.test_study import CellsHere, study
    if __name__ == "__main__":
        running._pool = CellsHere
        study(Store(Path(sys.argv[1])), "splits")
""")


def test_a_killed_study_goes_on_where_it_stopped(town, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    root = Path(__file__).parent.parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([sys.executable, str(script), str(town.root)], env=environment, cwd=tmp_path)
    wait_until(lambda: cells(town) or run.poll() is not None)
    assert run.poll() is None, "it ended before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = cells(town)
    assert not (town.report_folder("demo") / "study.json").exists()
    study(town, "splits")
    after = cells(town)
    assert 0 < len(before) < len(after)
    assert {name: after[name] for name in before} == before
    assert not without_figures(rows(town, "splits").values())
