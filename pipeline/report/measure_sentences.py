"""The report's summary, one line for each question a reader asks, and the notes beside `measure_figures`.

Law: as in `wording`, a line claims a difference only where its interval leaves out zero.
"""

import math
from dataclasses import dataclass

from pipeline.errors import plural
from pipeline.report.content import Calibration, Drift, Estimate, Leakage, ModalityUse, Report
from pipeline.report.elsewhere_sentences import elsewhere_line
from pipeline.report.wording import kilometres, percent, percent_range, points, points_range, subject


def modalities_note(report: Report) -> str:
    """How the inputs were hidden and what the shares are."""
    use = report.modalities
    gain = use.everything.value - use.blind.value
    shares = ", ".join(f"{each.title} {points(each.share.value)}" for each in use.modalities)
    return (
        f"The trained model predicted again with inputs emptied. With no input its accuracy is "
        f"{percent(use.blind.value)}. All three together add {points(gain)} points: {shares} (Shapley values: what "
        "each adds, averaged over all orders). This shows what this model relies on, not how good a model trained "
        "without an input would be; the study trains those."
    )


def describe_modalities(report: Report) -> str:
    """The bars in words."""
    use = report.modalities
    bars = "; ".join(
        f"{each.title} hidden {percent(each.without.value)}, alone {percent(each.alone.value)}"
        for each in use.modalities
    )
    return f"Bar chart of accuracy: all inputs {percent(use.everything.value)}; {bars}."


def distance_note(report: Report) -> str:
    """How to read the curve."""
    first = report.distances.curves[0]
    within = {km: share for km, share in zip(report.distances.limits_km, first.shares, strict=True)}
    shares = ", ".join(f"{percent(within[km])} within {km:g}\u202fkm" for km in (0.5, 1.0, 5.0))
    nearest = report.distances.limits_km[0]
    left = (
        "is the accuracy"
        if math.isclose(first.shares[0], report.models[0].accuracy.value)
        else (f"is the accuracy and the wrong predictions within {nearest:g}\u202fkm")
    )
    return (
        f"Share of predictions within a distance of the true place. {subject(report.models[0])}: {shares}. The height "
        f"at the left end {left}; the rise to the right is due to wrong but nearby predictions."
    )


def categories_note(report: Report) -> str:
    """The matrix of categories in words."""
    mistakes = report.categories
    if not mistakes.num_wrong:
        return "Test posts by true category (rows) and predicted category (columns): none is wrong."
    found = "Test posts by true category (rows) and category of the predicted place (columns)."
    if mistakes.share_within is None or mistakes.by_chance is None:
        return f"{found} The wrong predictions are at or for places whose category is not known."
    left_out = f", those at or for places of unknown category ({mistakes.num_unknown}) left out,"
    return (
        f"{found} Of {plural(mistakes.num_wrong - mistakes.num_unknown, 'wrong prediction')}"
        f"{left_out if mistakes.num_unknown else ''} {percent(mistakes.share_within)} have the right category; "
        f"for a wrong place drawn at random it would be {percent(mistakes.by_chance)}."
    )


def calibration_note(report: Report) -> str:
    """What the diagram shows and what the temperature is."""
    found = report.calibration
    used = (
        f"One temperature for all posts ({found.temperature:.2f}; above 1 lowers the confidence) was fitted on the "
        f"validation posts. It changes the calibration error from {percent(found.error_before)} to "
        f"{percent(found.error_after)}, and no prediction."
    )
    unused = (
        "A temperature fitted on some of the validation posts did not help on the others, so probabilities stay as "
        f"the model gives them: calibration error {percent(found.error_before)}."
    )
    return (
        f"Groups of about {found.before[0].num_posts} posts: mean confidence (horizontal) against accuracy "
        "(vertical). A perfectly calibrated model lies on the dotted line. "
        f"{unused if found.temperature == 1 else used} On so few posts a perfectly calibrated model would show about "
        f"{percent(found.honest_error)} by chance alone."
    )


def leakage_note(report: Report) -> str:
    """What label words are and what was done with them."""
    leakage = report.leakage
    found = "Label words are the names of the places: the whole name, its distinctive words, after @ or as hashtags. "
    if not leakage.num_any:
        return (
            f"{found}No test post contains any, so there is nothing to remove. Typos and nicknames are not looked for."
        )
    parts = [
        f"{percent(estimate.value)} ({percent_range(estimate)}) on {which}"
        for estimate, which in (
            (leakage.accuracy_own, "posts that name their place"),
            (leakage.accuracy_other, "others"),
        )
        if estimate is not None
    ]
    return (
        f"{found}{leakage.num_own:,} of {plural(report.num_test_posts, 'test post')} contain those of their own "
        f"place, {leakage.num_any:,} those of any place. {subject(report.models[0])}'s accuracy is "
        f"{' and '.join(parts)}. Below, the words of all places were removed from all test posts, and the same models "
        "predicted again. Typos and nicknames remain. The study has models trained without label words."
    )


def describe_leakage(report: Report) -> str:
    """The bars in words."""
    bars = "; ".join(
        f"{model.title} {percent(model.accuracy.value)}, masked {percent(model.masked.value)}"
        for model in report.leakage.models
    )
    return f"Bar chart of accuracy with and without label words: {bars}."


def drift_note(report: Report) -> str:
    """The span, the change and what the split does to it."""
    drift = report.drift
    note = f"Test posts from {drift.first_day} to {drift.last_day} by {drift.unit}; lines are 95 % intervals."
    if drift.change is None:
        note += f" Too few posts to compare an earlier with a later half ({drift.min_posts} are required in each)."
    else:
        note += f" Later half minus earlier half: {points(drift.change.value)} points ({points_range(drift.change)})."
    few = sum(each.accuracy is None for each in drift.bins)
    if few:
        note += f" Hollow: too few posts for an interval (fewer than {drift.min_posts})."
    if report.split == "time":
        return f"{note} All of them were made after the training posts, so the figures are those of later posts."
    return (
        f"{note} Training posts come from the same period, so this shows whether some months are harder, not how the "
        "model ages. For that, the study splits by date."
    )


def describe_drift(report: Report) -> str:
    """The chart in words."""
    bins = "; ".join(f"{each.name} {each.num_right} of {each.num_posts}" for each in report.drift.bins)
    return f"Correct predictions by {report.drift.unit}: {bins}."


@dataclass(frozen=True, kw_only=True)
class Line:
    """A question, its answer, and the id of the section that has the rest."""

    question: str
    answer: str
    section: str


def brief(report: Report) -> list[Line]:
    """The summary at the top of the page."""
    return [
        Line(question="Which input matters most?", answer=modalities_line(report.modalities), section="modalities"),
        Line(question="Where does it err?", answer=mistakes_line(report), section="mistakes"),
        Line(
            question="Are its probabilities calibrated?",
            answer=calibration_line(report.calibration),
            section="calibration",
        ),
        Line(question="Does it notice a post from elsewhere?", answer=elsewhere_line(report), section="elsewhere"),
        Line(question="Do posts name their place?", answer=leakage_line(report), section="leakage"),
        Line(question="Is it as good on later posts?", answer=later_line(report), section="drift"),
    ]


def modalities_line(use: ModalityUse) -> str:
    """The kinds of input by what is lost without them."""
    ordered = sorted(use.modalities, key=lambda each: -each.fall.value)
    changes = ", ".join(f"{each.title} {points(-each.fall.value)}" for each in ordered)
    first, second = ordered[0], ordered[1]
    if first.fall.low <= 0:
        return f"None has a significant effect on its own. Change of accuracy with one hidden: {changes} points."
    how = "clearly" if first.fall.low > second.fall.high else "but the intervals overlap"
    return f"The {first.title}, {how}. Change of accuracy with one hidden: {changes} points."


def mistakes_line(report: Report) -> str:
    """How near wrong predictions are, by category and by distance."""
    mistakes, far = report.categories, report.distances.median_wrong_km
    if not mistakes.num_wrong or far is None:
        return "Nowhere in these posts."
    kinds = "the places' categories are not known"
    if mistakes.share_within is not None and mistakes.by_chance is not None:
        judged = "of those between places of known category " if mistakes.num_unknown else ""
        kinds = (
            f"{percent(mistakes.share_within)} {judged}are places of the same category "
            f"(by chance {percent(mistakes.by_chance)})"
        )
    return (
        f"{plural(mistakes.num_wrong, 'wrong prediction')}: {kinds}; half of them are more than {kilometres(far)} off."
    )


def calibration_line(found: Calibration) -> str:
    """Overconfident, underconfident or neither, compared with what chance alone gives on so few posts."""
    gap = found.mean_confidence - found.accuracy
    how = "overconfident" if gap > 0 else "underconfident"
    is_calibrated = found.error_before <= 1.25 * found.honest_error
    verdict = "No miscalibration found" if is_calibrated else f"No, the model is {how}"
    after = "" if found.temperature == 1 else f", with one temperature {percent(found.error_after)}"
    return (
        f"{verdict}: mean confidence {percent(found.mean_confidence)}, accuracy {percent(found.accuracy)}. "
        f"Calibration error {percent(found.error_before)}{after}; a "
        f"perfectly calibrated model would show about {percent(found.honest_error)} on so few posts."
    )


def leakage_line(report: Report) -> str:
    """How many posts name their place, and the accuracy without the names."""
    leakage: Leakage = report.leakage
    ours = leakage.models[0]
    share = percent(leakage.num_own / report.num_test_posts)
    if not leakage.num_own:
        return "No test post names its place."
    return (
        f"{share} of test posts name their place. With the names removed, accuracy changes from "
        f"{percent(ours.accuracy.value)} to {percent(ours.masked.value)} ({_difference(ours.fall)})."
    )


def later_line(report: Report) -> str:
    """Where the split is in time, every figure is of later posts; else the change within the same time."""
    if report.split != "time":
        return drift_line(report.drift)
    return f"All figures are those of later posts. Within these: {_lowered(drift_line(report.drift))}"


def _lowered(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"


def drift_line(drift: Drift) -> str:
    """The change from the earlier half to the later one."""
    if drift.change is None:
        return f"There are too few test posts to say: fewer than {drift.min_posts} in one half of the period."
    change = drift.change
    difference = f"later half {points(change.value)} points, {points_range(change)}"
    if change.low > 0:
        return f"Better ({difference})."
    return f"Worse ({difference})." if change.high < 0 else f"No significant change ({difference})."


def _difference(fall: Estimate) -> str:
    turned = Estimate(value=-fall.value, low=-fall.high, high=-fall.low)
    return f"difference {points(turned.value)} points, {points_range(turned)}"
