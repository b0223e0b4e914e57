"""The study of a city, where one stands beside its report: pointed at, not repeated."""

from pipeline.report.measures import Study
from pipeline.store import Store

STUDY_JSON, STUDY_PAGE = "study.json", "study.html"


def find_study(store: Store, city: str) -> Study | None:
    """The study's page, None where there is none."""
    folder = store.report_folder(city)
    is_there = (folder / STUDY_JSON).is_file() and (folder / STUDY_PAGE).is_file()
    return Study(page=STUDY_PAGE) if is_there else None


def study_input(store: Store, city: str) -> str:
    """What of the study the report depends on: whether it is there."""
    return "" if find_study(store, city) is None else STUDY_PAGE
