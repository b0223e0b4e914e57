"""Cities that a report can be made of, each built once."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.report import evaluate_mrlf, evaluation, render
from pipeline.report.content import Report
from pipeline.report.evaluate_mrlf import build_evaluate_mrlf
from pipeline.store import Store
from tests.pipeline.report.small_city import SETTINGS, Trained, make_city, write_data, write_run


@dataclass(frozen=True)
class Built:
    """The folders of the synthetic city (True) and of the real one, and the report of the synthetic one as records."""

    folders: dict[bool, Path]
    report: Report


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    """A synthetic city and a real one with the same posts, each with its run and its report."""
    folders = {is_synthetic: tmp_path_factory.mktemp("city") / "data" for is_synthetic in (True, False)}
    reports: list[Report] = []

    def rendered(report: Report) -> dict[str, bytes]:
        reports.append(report)
        return render.render(report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_mrlf, "render", rendered)
        _build_synthetic(folders[True])
        patch.setattr(evaluation, "BASELINES", ("majority",))
        patch.setattr(render, "_figures", lambda report: dict.fromkeys(render.FIGURES, b"PNG"))
        _build_real(folders[True], folders[False])
    return Built(folders=folders, report=reports[0])


def _build_synthetic(folder: Path) -> None:
    store, city = Store(folder), make_city(is_synthetic=True)
    write_data(store, city)
    write_run(store, "demo")
    build_evaluate_mrlf(store, city, SETTINGS)


def _build_real(of: Path, folder: Path) -> None:
    shutil.copytree(of, folder)
    store, city = Store(folder), make_city(is_synthetic=False)
    shutil.rmtree(store.report_folder("demo"))
    shutil.rmtree(store.run_folder("mrlf", "demo", "run1"))
    store.forget_stage_record("demo", "dataset")
    build_dataset(store, city, DatasetSettings())
    write_run(store, "demo", max_epochs=1)
    build_evaluate_mrlf(store, city, SETTINGS)


@pytest.fixture
def reported(built) -> Trained:
    """A synthetic city with its report, to be read only."""
    return Trained(Store(built.folders[True]), make_city(is_synthetic=True))


@pytest.fixture
def reported_real(built) -> Trained:
    """A city that is not synthetic with its report, figures left out, to be read only."""
    return Trained(Store(built.folders[False]), make_city(is_synthetic=False))


@pytest.fixture(scope="session")
def reported_record(built) -> Report:
    """The report of the synthetic city as records."""
    return built.report


@pytest.fixture
def own(built, tmp_path) -> Trained:
    """A synthetic city with its report that a test may change."""
    shutil.copytree(built.folders[True], tmp_path / "own")
    return Trained(Store(tmp_path / "own"), make_city(is_synthetic=True))


@pytest.fixture
def few_baselines(monkeypatch) -> None:
    """The most frequent place is the only simpler model."""
    monkeypatch.setattr(evaluation, "BASELINES", ("majority",))


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Figures are not drawn, which takes most of the time of a report."""
    monkeypatch.setattr(render, "_figures", lambda report: dict.fromkeys(render.FIGURES, b"PNG"))


@pytest.fixture
def known_report(monkeypatch, reported_record) -> None:
    """What a report holds is not measured anew: it is the report of the synthetic city."""
    monkeypatch.setattr(evaluate_mrlf, "gather", lambda *_arguments, **_settings: reported_record)


@pytest.fixture(scope="session")
def drawn_figures(built) -> Callable[[Report], dict[str, bytes]]:
    """The figures that stand in the report of the synthetic city, whatever the report is."""
    folder = Store(built.folders[True]).report_folder("demo")
    return lambda _report: {name: (folder / f"report-{name}.png").read_bytes() for name in render.FIGURES}
