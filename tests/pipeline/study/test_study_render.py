"""The page of a study: the same figures in every form, nothing from outside that acts, nothing loaded."""

import dataclasses
import json
import re

import pytest

from pipeline.report.content import Estimate, Fact
from pipeline.study.content import RowFigures, Study, StudyRow, StudySection
from pipeline.study.papers import of_candidate
from pipeline.study.plan import SECTIONS, SPLIT_MODELS, SPLITS
from pipeline.study.study_render import render
from pipeline.study.words import findings

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"Grand {SCRIPT} | [x](javascript:alert(1)) $x^2$"


def figures(*, accuracy: float = 0.8, gain: float | None = None, features: str = "vgg19") -> RowFigures:
    """Figures of a row, with an interval of two points each way."""
    return RowFigures(
        accuracy=around(accuracy),
        accuracies=[accuracy - 0.01, accuracy + 0.01],
        top5=0.95,
        macro_f1=0.75,
        mean_km=Estimate(value=1.2345, low=1.0, high=1.5),
        median_km=0.25,
        within_500_m=0.6,
        within_1_km=0.7,
        within_5_km=0.9,
        calibration_error=None,
        gain=None if gain is None else around(gain),
        gain_km=None,
        num_common=0,
        num_train=80,
        num_test=10,
        num_users=5,
        num_parameters=None,
        features=features,
        seconds=1.0,
    )


def around(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.02, high=value + 0.02)


def row(title: str, **changes: object) -> StudyRow:
    plain = {"against": "", "figures": None, "reason": "", "is_stand_in": False, "paper": ()}
    return StudyRow(title=title, **{**plain, **changes})


ROWS = [
    row("Deepgeo", figures=figures(accuracy=0.7, gain=-0.1), against="MRLF", paper=of_candidate("deepgeo")),
    row("Linear", figures=figures(accuracy=0.81, gain=0.01), against="MRLF"),
    row("Better", figures=figures(accuracy=0.9, gain=0.1), against="MRLF", is_stand_in=True),
    row("VGG19, fine-tuned", reason=f"not run: no GPU {SCRIPT}"),
    row("MRLF", figures=figures(), paper=of_candidate("mrlf")),
]
OF_SPLITS = [
    row(f"{model}, {how}", figures=figures(accuracy=accuracy))
    for model in SPLIT_MODELS
    for how, accuracy in zip(SPLITS.values(), (0.297, 0.35, 0.404), strict=True)
]


def study(**changes: object) -> Study:
    sections = [
        StudySection(
            key=key, title=f"Title of {key}", question="?", stated=f"said of {key}", rows=ROWS, notes=[HOSTILE]
        )
        for key in SECTIONS
    ]
    plain = {
        "city": "demo",
        "city_name": HOSTILE,
        "is_synthetic": True,
        "num_seeds": 2,
        "num_resamples": 100,
        "num_posts": 968,
        "num_users": 160,
        "num_classes": 11,
        "findings": findings(sections, num_classes=11),
        "notes": ["a note"],
        "sections": sections,
        "versions": [Fact(name="release", value="v1")],
    }
    return Study(**{**plain, **changes})


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return render(study())


@pytest.mark.slow
def test_nothing_from_outside_acts_or_loads(files):
    page, text = files["study.html"].decode(), files["study.md"].decode()
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "default-src 'none'" in page
    assert "[x](javascript" not in text


@pytest.mark.parametrize("name", ["study.html", "study.md", "study.txt"])
def test_every_form_has_every_row_with_its_figures_its_reason_and_the_papers(files, name):
    text = files[name].decode()
    for section in SECTIONS:
        assert f"Title of {section}" in text.replace("\\_", "_")
    assert text.count("Deepgeo") >= len(SECTIONS)
    assert "1.23" in text
    assert "not run: no GPU" in text
    assert "other data" in text
    assert "0.738" in text and "1.804" in text
    assert "stand-in" in text


def test_json_comes_last_and_holds_the_same(files):
    assert list(files)[-1] == "study.json"
    content = json.loads(files["study.json"])
    assert content["sections"][0]["told"].startswith("said of")
    assert content["sections"][0]["rows"][0]["figures"]["accuracy"]["value"] == 0.7
    assert content["sections"][0]["rows"][3]["figures"] is None
    assert content["sections"][0]["rows"][0]["paper"][0] == {"city": "New York", "accuracy": 0.738, "mean_km": 1.804}


def test_every_section_has_its_figure(files):
    assert {name for name in files if name.endswith(".png")} == {f"study-{section}.png" for section in SECTIONS}
    assert all(files[f"study-{section}.png"].startswith(b"\x89PNG") for section in SECTIONS)


@pytest.mark.slow
def test_equal_studies_are_equal_bytes():
    first, again = (render(study(sections=study().sections[:2])) for _ in range(2))
    assert first == again


def test_a_table_of_markdown_has_as_many_cells_in_each_row(files):
    tables = [line for line in files["study.md"].decode().splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in tables}) == 1


def test_what_is_found_follows_from_the_intervals():
    sentences = " ".join(findings(study().sections, num_classes=11))
    assert "MRLF names the right place of 11 for 80.0" in sentences
    assert "MRLF is better than these: Deepgeo." in sentences
    assert "MRLF is not significantly different from: Linear." in sentences
    assert "MRLF is worse than these: Better [stand-in]." in sentences


def test_a_study_without_figures_has_no_findings_and_no_figure():
    empty = [
        StudySection(key=key, title=key, question="", stated="", rows=[row("MRLF", reason="no")], notes=[])
        for key in SECTIONS
    ]
    assert findings(empty, num_classes=11) == []
    assert not [name for name in render(study(sections=empty, findings=[])) if name.endswith(".png")]


def sections_with(key: str, rows: list[StudyRow]) -> list[StudySection]:
    """All sections, of which one has rows."""
    shared = {"title": "", "question": "", "stated": "", "notes": []}
    return [
        StudySection(key=name, rows=rows if name == key else [], **shared) for name in SECTIONS if name != "table2"
    ]


@pytest.mark.fault("T28")
def test_the_splits_by_user_and_in_time_are_the_headline_and_random_is_named_for_what_it_adds():
    assert list(SPLITS) == ["user", "time", "random"]
    sections = [*study().sections[:1], *sections_with("splits", OF_SPLITS)]
    (ours,) = [text for text in findings(sections, num_classes=11) if text.startswith("MRLF is right for 29.7")]
    assert "29.7\u202f% split by user and picture and 35.0\u202f% split oldest to newest" in ours
    assert "40.4\u202f%" in ours and "+10.7 than by user and picture" in ours and "on both sides" in ours


@pytest.mark.fault("T27")
def test_a_section_says_how_many_differences_remain_with_holms_correction():
    rows = [
        row(str(number), figures=dataclasses.replace(figures(gain=0.1), p=p, p_holm=corrected), against="MRLF")
        for number, (p, corrected) in enumerate([(0.002, 0.006), (0.03, 0.06), (0.5, 0.5)])
    ]
    found = findings([*study().sections[:1], *sections_with("fig2", rows)], num_classes=11)
    assert "Of 3 comparisons 2 differ by more than chance one at a time (p < 0.05), and 1 with Holm's correction" in (
        " ".join(found)
    )
    assert "p = 0.030; Holm p = 0.060" in " ".join(found)
