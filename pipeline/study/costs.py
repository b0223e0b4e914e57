"""How long a cell should take, to begin with the longest and to tell how long the rest will last.

Seconds for 1,000 training posts at the small preset on one core of a 2026 server; only their ratios matter, since the
run learns the pace of its machine from the cells it has done.
"""

from pipeline.study.cells import Cell

SECONDS = {
    "mrlf": 60.0,
    "deepgeo": 90.0,
    "loctwi": 90.0,
    "logistic_all": 1.0,
    "logistic_text": 1.0,
    "logistic_characters": 0.7,
    "logistic_hashtags": 1.0,
    "logistic_image": 0.3,
    "tagvisor": 0.8,
}
IMAGE_HEAD = 2.5
FINE_TUNED = 3000.0
BEST = 5.0
"""times as long as MRLF alone"""


def expected_seconds(cell: Cell, num_train: int) -> float:
    """Seconds, roughly."""
    thousands = num_train / 1000
    if cell.candidate.startswith("finetuned_"):
        return FINE_TUNED * thousands
    if cell.candidate.startswith("image_"):
        return IMAGE_HEAD * thousands
    factor = BEST if cell.settings.get("preset") == "best" else 1.0
    modalities = cell.settings.get("modalities", ["text", "hashtags", "image"])
    if "text" not in modalities and "hashtags" not in modalities:
        return IMAGE_HEAD * thousands
    return (
        SECONDS.get(cell.candidate, 0.1) * factor * (0.6 if len(set(modalities) - {"image"}) == 1 else 1) * thousands
    )
