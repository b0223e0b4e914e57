"""Calibration of a report: the temperature comes from validation alone, and the figures are those of the metrics."""

import numpy as np
import pytest

from models.evaluation.calibration import fit_temperature, with_temperature
from models.evaluation.metrics import calibration_error
from pipeline.report.calibration import measure_calibration

RNG = np.random.default_rng(0)
VALIDATION, TEST = RNG.dirichlet(np.ones(4), 120), RNG.dirichlet(np.ones(4), 200)
VALIDATION_LABELS = np.array([RNG.choice(4, p=row) for row in VALIDATION])
TEST_LABELS = np.array([RNG.choice(4, p=row) for row in TEST])


def test_temperature_looks_at_no_test_post():
    one = measure_calibration(VALIDATION, VALIDATION_LABELS, TEST, TEST_LABELS)
    other = measure_calibration(VALIDATION, VALIDATION_LABELS, TEST, np.zeros(200, dtype=np.int64))
    assert one.temperature == other.temperature == fit_temperature(VALIDATION, VALIDATION_LABELS)
    assert one.error_before != other.error_before


def test_figures_are_those_of_the_metrics_and_groups_hold_every_post():
    told = measure_calibration(VALIDATION, VALIDATION_LABELS, TEST, TEST_LABELS)
    cooled = with_temperature(TEST, told.temperature)
    assert told.error_before == calibration_error(TEST, TEST_LABELS)
    assert told.error_after == calibration_error(cooled, TEST_LABELS)
    assert told.accuracy == np.mean(TEST.argmax(axis=1) == TEST_LABELS)
    for groups in (told.before, told.after):
        assert sum(each.num_posts for each in groups) == 200
        assert sum(each.num_posts * each.accuracy for each in groups) == pytest.approx(200 * told.accuracy)


@pytest.mark.fault("T11")
def test_no_validation_post_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="give the validation split some posts"):
        measure_calibration(VALIDATION[:0], VALIDATION_LABELS[:0], TEST, TEST_LABELS)
