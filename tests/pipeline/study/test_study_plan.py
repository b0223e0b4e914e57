"""The plan: every row that the study promises, and cells that are the same where the question is."""

import pytest

from models.candidates import CANDIDATES
from pipeline.study.plan import SECTIONS, cells_of, plan_study
from pipeline.study.settings import StudySettings

PLAN = {section.key: section for section in plan_study(StudySettings(), min_hashtag_count=8)}


def test_table_2_has_every_candidate_and_the_best_preset():
    cells = [row.cells[0] for row in PLAN["table2"].rows]
    assert [cell.candidate for cell in cells][-2:] == ["mrlf", "mrlf"]
    assert {cell.candidate for cell in cells} == set(CANDIDATES)
    assert cells[-1].settings["preset"] == "best"


def test_best_is_compared_with_the_linear_model_on_the_cells_of_table_2():
    table_2, best = ({cell.identity for row in PLAN[key].rows for cell in row.cells} for key in ("table2", "best"))
    assert best <= table_2
    linear, tuned, *networks = PLAN["best"].rows
    assert [row.cells[0].candidate for row in (linear, tuned)] == ["logistic_all", "logistic_tuned"]
    assert [row.against for row in networks] == [linear.title, tuned.title] * 2
    assert networks[-1].cells[0].settings["preset"] == "best"


@pytest.mark.parametrize("section", PLAN.values(), ids=PLAN)
def test_a_row_is_compared_with_a_row_of_its_section_and_has_a_cell_for_each_seed(section):
    titles = [row.title for row in section.rows]
    assert len(set(titles)) == len(titles)
    assert all(row.against in ("", *titles) and row.against != row.title for row in section.rows)
    assert any(row.against for row in section.rows)
    assert all([cell.seed for cell in row.cells] == [0, 1, 2] for row in section.rows)


def test_sections_have_the_keys_they_are_asked_for_by():
    assert list(PLAN) == list(SECTIONS)


def test_all_single_modalities_and_all_pairs_stand_in_figure_2():
    chosen = [tuple(row.cells[0].settings.get("modalities", ())) for row in PLAN["fig2"].rows]
    assert sorted(map(len, chosen)) == [0, 1, 1, 1, 2, 2, 2]
    assert len(set(chosen)) == 7


@pytest.mark.parametrize(
    ("thresholds", "expected"), [(None, ["1", "4", "8", "16"]), ([30, 1], ["1", "30"]), ([8], ["8"])], ids=str
)
def test_figure_4_goes_by_the_citys_threshold_or_by_the_settings(thresholds, expected):
    sections = plan_study(StudySettings(hashtag_thresholds=thresholds), min_hashtag_count=8)
    (section,) = [each for each in sections if each.key == "fig4"]
    assert [row.cells[0].variant.removeprefix("hashtags_from_") for row in section.rows] == expected


def test_epochs_are_limited_for_networks_alone():
    sections = plan_study(StudySettings(max_epochs=2), min_hashtag_count=8)
    for cell in cells_of(sections, SECTIONS):
        assert ("max_epochs" in cell.settings) == CANDIDATES[cell.candidate].is_network


def test_a_cell_is_asked_for_once():
    cells = cells_of(list(PLAN.values()), SECTIONS)
    assert len({cell.identity for cell in cells}) == len(cells)
    assert len(cells_of(list(PLAN.values()), ["splits"])) == 18


def test_figures_of_the_paper_stand_where_the_paper_has_them():
    with_paper = {row.title for row in PLAN["table2"].rows if row.paper}
    assert {"Tagvisor", "Deepgeo", "LocTwi", "MRLF", "ResNet50, frozen", "ResNet50, fine-tuned"} <= with_paper
    assert not any(title.startswith(("VGG", "Logistic", "Most", "POI")) for title in with_paper)
    assert [len(row.paper) for row in PLAN["table3"].rows] == [3, 3, 0]
