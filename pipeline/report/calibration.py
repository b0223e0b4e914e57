"""Whether the model's probabilities are honest, and what one temperature does about it.

The temperature is fitted on the validation posts; the test posts only show what came of it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report.evaluation import Floats
from pipeline.report.measures import Calibration, ConfidenceGroup

if TYPE_CHECKING:
    from models.evaluation.calibration import Reliability

POSTS_PER_GROUP, MIN_GROUPS, MAX_GROUPS = 16, 3, 15

Labels = np.ndarray[Any, np.dtype[np.int64]]


def measure_calibration(
    validation: Floats, validation_labels: Labels, test: Floats, test_labels: Labels
) -> Calibration:
    """Probabilities of the validation posts and of the test posts as the model gives them."""
    from models.evaluation.calibration import fit_temperature, honest_calibration_error, reliability, with_temperature
    from models.evaluation.metrics import accuracy, calibration_error

    temperature = fit_temperature(validation, validation_labels)
    num_groups = min(MAX_GROUPS, max(MIN_GROUPS, len(test_labels) // POSTS_PER_GROUP))
    cooled = with_temperature(test, temperature)
    return Calibration(
        temperature=temperature,
        mean_confidence=float(test.max(axis=1).mean()),
        accuracy=accuracy(test.argmax(axis=1), test_labels),
        error_before=calibration_error(test, test_labels),
        error_after=calibration_error(cooled, test_labels),
        honest_error=honest_calibration_error(test),
        before=_groups(reliability(test, test_labels, num_groups=num_groups)),
        after=_groups(reliability(cooled, test_labels, num_groups=num_groups)),
    )


def _groups(found: "Reliability") -> list[ConfidenceGroup]:
    rows = zip(found.num_samples_B.tolist(), found.confidence_B.tolist(), found.accuracy_B.tolist(), strict=True)
    return [ConfidenceGroup(num_posts=num, confidence=told, accuracy=right) for num, told, right in rows]
