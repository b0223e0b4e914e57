"""A study as files: one HTML page that loads nothing, the same as Markdown with its figures beside it, plain
text for a terminal, and JSON.

Law: every value that enters a page is escaped for the language it enters, by the environment of `pipeline.report`.
"""

import base64
import dataclasses
import json

from pipeline.report.render import environment
from pipeline.study.content import Study, StudySection
from pipeline.study.study_figures import section_figure
from pipeline.study.words import difference, paper_told, seeds_told, study_lines

JSON_FORMAT = 1
PAGE_NAME, TEXT_NAME, JSON_NAME = "study.html", "study.txt", "study.json"


def render(study: Study) -> dict[str, bytes]:
    """Name -> bytes of every file of the study, `study.json` last."""
    figures = {section.key: data for section in study.sections if (data := section_figure(section)) is not None}
    shared = {"study": study, "paper": paper_told, "seeds": seeds_told, "alts": _alts(study.sections)}
    page = (
        environment(is_html=True)
        .get_template("study.html.j2")
        .render(**shared, pictures={key: base64.b64encode(data).decode() for key, data in figures.items()})
    )
    text = (
        environment(is_html=False)
        .get_template("study.md.j2")
        .render(**shared, names={key: f"study-{key}.png" for key in figures})
    )
    told = {"format": JSON_FORMAT, **dataclasses.asdict(study)}
    files = {f"study-{key}.png": data for key, data in figures.items()}
    files |= {"study.md": text.encode(), PAGE_NAME: page.encode(), TEXT_NAME: _text(study)}
    return files | {JSON_NAME: (json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()}


def _text(study: Study) -> bytes:
    return ("\n".join(study_lines(study)) + "\n").encode()


def _alts(sections: list[StudySection]) -> dict[str, str]:
    """Each figure in words."""
    return {
        section.key: f"{section.title}: accuracy and Mean of each row with intervals. "
        + "; ".join(filter(None, map(difference, section.rows)))
        for section in sections
    }
