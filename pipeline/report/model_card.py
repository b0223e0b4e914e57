"""The header of the model card: what hubs read of it, by the conventions of Hugging Face's model cards.

The card itself is `templates/model_card.md.j2`. It names the model a reconstruction and claims no figure of the paper.
"""

from typing import Any

import yaml

from pipeline.report.content import ModelResult, Report

CARD_NAME = "model_card.md"


def card_header(report: Report) -> str:
    """The YAML between the first two lines of `---`, and these."""
    told = yaml.safe_dump(card_metadata(report), sort_keys=False, allow_unicode=True, width=110)
    return f"---\n{told}---\n"


def card_metadata(report: Report) -> dict[str, Any]:
    """Language, licence, tags and results; the licence is unknown, since posts belong to their authors."""
    data_name = f"posts of {report.city_name}" + (" (invented)" if report.is_synthetic else "")
    return {
        "language": ["en"],
        "license": "unknown",
        "library_name": "pytorch",
        "tags": ["geolocation", "multimodal", "mrlf", "reconstruction", "arxiv:2306.07935"],
        "metrics": ["accuracy", "f1"],
        "model-index": [
            {
                "name": f"mrlf-{report.city}",
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
    told = [
        ("accuracy", "Accuracy", ours.accuracy.value),
        ("f1", "Macro-F1", ours.macro_f1),
        ("mean_error_km", "Mean error, km", ours.mean_km.value),
        ("median_error_km", "Median error, km", ours.median_km),
    ]
    return [{"type": kind, "name": name, "value": round(value, 4)} for kind, name, value in told]
