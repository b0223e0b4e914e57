"""A report as files: an HTML page that loads nothing, the same as Markdown with pictures, a model card, and JSON.

Law: every value that enters a page is escaped for the language it enters, by default and not by care: autoescape in
the HTML, a `finalize` in the Markdown.
"""

import base64
import dataclasses
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.report import measure_sentences, sentences, wording
from pipeline.report.brief import brief
from pipeline.report.content import Example, Report
from pipeline.report.figures import accuracy_bars, confusion_matrix, drawn_mistakes, training_curve
from pipeline.report.maps import MapPoint, poi_map
from pipeline.report.measure_figures import (
    category_matrix,
    distance_curves,
    drift_chart,
    leakage_bars,
    modality_bars,
    reliability_diagram,
)
from pipeline.report.model_card import CARD_NAME, card_header
from pipeline.report.write import JSON_NAME, file_digests

if TYPE_CHECKING:
    from jinja2 import Environment

JSON_FORMAT = 2
FIGURES = (
    *("accuracy", "modalities", "map", "distance", "categories", "confusion", "calibration", "leakage", "drift"),
    "training",
)
FILTERS = ("certainty", "percent", "percent_range", "points", "points_range", "kilometres", "plural")


def render(report: Report) -> dict[str, bytes]:
    """Name -> bytes of every file of the report, `report.json` last."""
    figures = _figures(report)
    photos = {f"report-example-{number:02d}.jpg": example.jpeg for number, example in enumerate(report.examples, 1)}
    shared = {
        "report": report,
        "brief": brief(report),
        "words": sentences,
        "measured": measure_sentences,
        "alts": _alts(report),
        "stand_ins": [stage for stage in report.picture_stages if stage.is_stand_in],
    }
    page = (
        environment(is_html=True)
        .get_template("report.html.j2")
        .render(
            **shared,
            pictures={name: _base64(data) for name, data in figures.items()},
            photos=[_base64(data) for data in photos.values()],
        )
    )
    text = (
        environment(is_html=False)
        .get_template("report.md.j2")
        .render(
            **shared,
            names={name: f"report-{name}.png" for name in figures},
            photo_names=list(photos),
        )
    )
    files = {f"report-{name}.png": data for name, data in figures.items()} | photos
    card = card_header(report) + environment(is_html=False).get_template("model_card.md.j2").render(**shared)
    files |= {CARD_NAME: card.encode(), "report.md": text.encode(), "report.html": page.encode()}
    return files | {JSON_NAME: _json(report, file_digests(files))}


def escape_markdown(value: object) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no end of a table's cell."""
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]#|~$!])", r"\\\1", text)
    return text.replace("://", ":\\//").replace("www.", "www\\.")


def environment(*, is_html: bool) -> "Environment":
    """Templates of this room, escaped for the language they write."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=is_html,  # noqa: S701 (the Markdown is escaped by `finalize`)
        finalize=None if is_html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in FILTERS}
    return environment


def _figures(report: Report) -> dict[str, bytes]:
    points = [
        MapPoint(
            number=place.number,
            name=place.name,
            latitude=place.latitude,
            longitude=place.longitude,
            num_posts=place.num_test,
            num_right=place.num_right,
        )
        for place in report.places
    ]
    return {
        "accuracy": accuracy_bars(report.models),
        "modalities": modality_bars(report.modalities),
        "map": poi_map(points, drawn_mistakes(report.confusion)),
        "distance": distance_curves(report.distances),
        "categories": category_matrix(report.categories),
        "confusion": confusion_matrix(report.places, report.confusion),
        "calibration": reliability_diagram(report.calibration),
        "leakage": leakage_bars(report.leakage),
        "drift": drift_chart(report.drift),
        "training": training_curve(report.epochs, report.best_epoch),
    }


def _alts(report: Report) -> dict[str, str]:
    return {
        "accuracy": wording.describe_bars(report.models),
        "modalities": measure_sentences.describe_modalities(report),
        "map": sentences.map_note(report),
        "distance": measure_sentences.distance_note(report),
        "categories": measure_sentences.categories_note(report),
        "confusion": sentences.describe_confusion(report),
        "calibration": measure_sentences.calibration_note(report),
        "leakage": measure_sentences.describe_leakage(report),
        "drift": measure_sentences.describe_drift(report),
        "training": sentences.training_note(report),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(report: Report, files: dict[str, str]) -> bytes:
    content = {field.name: _plain_value(getattr(report, field.name)) for field in dataclasses.fields(report)}
    told = {"format": JSON_FORMAT, **content, "files": files}
    return (json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain_value(value: object) -> Any:
    """Records, lists and numbers as JSON takes them; pictures are left to the files beside."""
    if isinstance(value, Example):
        return {name: _plain_value(told) for name, told in vars(value).items() if name != "jpeg"}
    if dataclasses.is_dataclass(value):
        return {name: _plain_value(told) for name, told in vars(value).items()}
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
