"""A report as files: an HTML page that loads nothing, the same as Markdown with pictures, a model card, and JSON.

Law: every value is escaped for the language of its page by default (`pipeline.templates`).
The model card begins with the YAML header that model hubs read, by the conventions of Hugging Face. It names the model
a reconstruction and claims no figure of the paper.
"""

import base64
import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline import templates
from pipeline.report import elsewhere_sentences, measure_sentences, sentences, wording
from pipeline.report.content import Estimate, Example, ModelResult, Report
from pipeline.report.figures import accuracy_bars, confusion_matrix, drawn_mistakes, training_curve
from pipeline.report.maps import MapPoint, poi_map
from pipeline.report.measure_figures import (
    category_matrix,
    coverage_curve,
    distance_curves,
    drift_chart,
    leakage_bars,
    modality_bars,
    reliability_diagram,
)
from pipeline.report.measure_sentences import brief
from pipeline.report.write import JSON_NAME, file_digests

if TYPE_CHECKING:
    from jinja2 import Environment

JSON_FORMAT = 2
CARD_NAME = "model_card.md"
FIGURES = (
    *("accuracy", "modalities", "map", "distance", "categories", "confusion", "calibration", "elsewhere", "leakage"),
    *("drift", "training"),
)
_EXAMPLE_KEYS = {"predicted_place": "told_place"}
"""names of fields of an example that report.json has under an older one"""
FILTERS = (
    *(
        "certainty",
        "percent",
        "percent_range",
        "points",
        "points_range",
        "kilometres",
        "kilometres_range",
        "p_values",
        "plural",
    ),
    "subject",
)


def render(report: Report) -> dict[str, bytes]:
    """Name -> bytes of every file of the report, `report.json` last."""
    figures = _figures(report)
    photos = {f"report-example-{number:02d}.jpg": example.jpeg for number, example in enumerate(report.examples, 1)}
    shared = {
        "report": report,
        "brief": brief(report),
        "words": sentences,
        "measured": measure_sentences,
        "elsewhere": elsewhere_sentences,
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


def environment(*, is_html: bool) -> "Environment":
    """The templates of reports and studies, with the filters that write numbers."""
    environment = templates.environment(Path(__file__).parent / "templates", is_html=is_html)
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
        "elsewhere": coverage_curve(report.elsewhere),
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
        "elsewhere": elsewhere_sentences.describe_coverage(report),
        "leakage": measure_sentences.describe_leakage(report),
        "drift": measure_sentences.describe_drift(report),
        "training": sentences.training_note(report),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(report: Report, files: dict[str, str]) -> bytes:
    content = {field.name: _plain_value(getattr(report, field.name)) for field in dataclasses.fields(report)}
    document = {"format": JSON_FORMAT, **content, "files": files}
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain_value(value: object) -> Any:
    """Records, lists and numbers as JSON values; pictures are separate files."""
    if isinstance(value, Example):
        shown = {name: item for name, item in vars(value).items() if name != "jpeg"}
        return {_EXAMPLE_KEYS.get(name, name): _plain_value(item) for name, item in shown.items()}
    if isinstance(value, Estimate) and not value.has_interval:
        return {"value": _plain_value(value.value), "low": None, "high": None}
    if dataclasses.is_dataclass(value):
        return {name: _plain_value(item) for name, item in vars(value).items()}
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def card_header(report: Report) -> str:
    """The YAML between the first two lines of `---`, and these."""
    header = yaml.safe_dump(card_metadata(report), sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{header}---\n"


def card_metadata(report: Report) -> dict[str, Any]:
    """Language, licence, tags and results; the licence is unknown, since posts belong to their authors."""
    of_mrlf = [] if sentences.is_linear(report) else ["mrlf", "reconstruction", "arxiv:2306.07935"]
    data_name = f"posts of {report.city_name}" + (" (invented)" if report.is_synthetic else "")
    return {
        "language": ["en"],
        "license": "unknown",
        "library_name": "pytorch" if of_mrlf else "scikit-learn",
        "tags": ["geolocation", "multimodal", *of_mrlf],
        "metrics": ["accuracy", "f1"],
        "model-index": [
            {
                "name": f"{report.answers}-{report.city}",
                "results": [
                    {
                        "task": {"type": "other", "name": "Naming the place where a post was made"},
                        "dataset": {"type": f"mrlf-release-{report.city}", "name": data_name, "split": "test"},
                        "metrics": _metrics(report.models[0]),
                    }
                ],
            }
        ],
    }


def _metrics(ours: ModelResult) -> list[dict[str, Any]]:
    values = [
        ("accuracy", "Accuracy", ours.accuracy.value),
        ("f1", "Macro-F1", ours.macro_f1),
        ("mean_error_km", "Mean error, km", ours.mean_km.value),
        ("median_error_km", "Median error, km", ours.median_km),
    ]
    return [{"type": kind, "name": name, "value": round(value, 4)} for kind, name, value in values]
