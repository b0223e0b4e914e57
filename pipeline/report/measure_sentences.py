"""Notes beside the figures of `measure_figures`, and each figure in words."""

from pipeline.report.content import Report
from pipeline.report.measures import Estimate
from pipeline.report.wording import percent, percent_range, plural, points, points_range


def modalities_note(report: Report) -> str:
    """How the inputs were hidden and what the shares are."""
    use = report.modalities
    gain = use.everything.value - use.blind.value
    shares = ", ".join(f"{each.title} {points(each.share.value)}" for each in use.modalities)
    return (
        f"The trained model was asked again with inputs emptied. Knowing nothing it is right in "
        f"{percent(use.blind.value)}; all three add {points(gain)} points, of which come from {shares} (Shapley "
        "values: what each adds, averaged over all orders). This shows what this model leans on, not how good a model "
        "trained without an input would be; the study trains those."
    )


def describe_modalities(report: Report) -> str:
    """The bars in words."""
    use = report.modalities
    told = "; ".join(
        f"{each.title} hidden {percent(each.without.value)}, alone {percent(each.alone.value)}"
        for each in use.modalities
    )
    return f"Bar chart of accuracy: everything shown {percent(use.everything.value)}; {told}."


def distance_note(report: Report) -> str:
    """How to read the curve."""
    first = report.distances.curves[0]
    within = {km: share for km, share in zip(report.distances.limits_km, first.shares, strict=True)}
    told = ", ".join(f"{percent(within[km])} within {km:g}\u202fkm" for km in (0.5, 1.0, 5.0))
    return (
        f"How many answers lie within a distance of the truth. MRLF: {told}. The height at the left end is the "
        "accuracy; what a curve gains to the right are answers that are wrong but near."
    )


def categories_note(report: Report) -> str:
    """The matrix of categories in words."""
    mistakes = report.categories
    if mistakes.share_within is None or mistakes.by_chance is None:
        return "Test posts by true category (rows) and told category (columns): none is wrong."
    return (
        "Test posts by true category (rows) and category of the told place (columns). Of "
        f"{plural(mistakes.num_wrong, 'wrong answer')} {percent(mistakes.share_within)} stay in the category; naming "
        f"any wrong place would stay there in {percent(mistakes.by_chance)}."
    )


def calibration_note(report: Report) -> str:
    """What the diagram shows and what the temperature is."""
    told = report.calibration
    return (
        f"Groups of about {told.before[0].num_posts} posts: what the model says of its first answer (across) and how "
        "many are right (upwards); an honest model stays on the dotted line. One temperature for all posts "
        f"({told.temperature:.2f}, above 1 makes the model more modest) was fitted on the validation posts: the "
        f"calibration error goes from {percent(told.error_before)} to {percent(told.error_after)}. It changes no "
        f"answer. An honest model would show about {percent(told.honest_error)} on so few posts by chance alone."
    )


def leakage_note(report: Report) -> str:
    """What label words are and what was done with them."""
    leakage = report.leakage
    return (
        f"Label words are the names of the places, whole, in their own words, after @ or as hashtags. "
        f"{leakage.num_own:,} of {plural(report.num_test_posts, 'test post')} hold those of their own place, "
        f"{leakage.num_any:,} those of any. MRLF names {_accuracy(leakage.accuracy_own)} of the posts that name their "
        f"place, and {_accuracy(leakage.accuracy_other)} of the others. Below, the words of all places were taken out "
        "of all test posts, and the models, trained with them, asked again. Typos and nicknames stay in; models "
        "trained without label words are in the study."
    )


def describe_leakage(report: Report) -> str:
    """The bars in words."""
    told = "; ".join(
        f"{model.title} {percent(model.accuracy.value)}, masked {percent(model.masked.value)}"
        for model in report.leakage.models
    )
    return f"Bar chart of accuracy with and without label words: {told}."


def drift_note(report: Report) -> str:
    """The span, the change and what the split does to it."""
    drift = report.drift
    told = f"Test posts from {drift.first_day} to {drift.last_day} by {drift.unit}; lines are 95 % intervals."
    if drift.change is None:
        told += f" Too few posts to compare an earlier with a later half ({drift.min_posts} are asked for in each)."
    else:
        told += f" Later half minus earlier half: {points(drift.change.value)} points ({points_range(drift.change)})."
    few = sum(each.accuracy is None for each in drift.bins)
    if few:
        told += f" Hollow: too few posts for an interval (fewer than {drift.min_posts})."
    return (
        f"{told} Training posts come from the same months, so this shows whether some time is harder, not how the "
        "model ages; for that the study splits by date."
    )


def describe_drift(report: Report) -> str:
    """The chart in words."""
    told = "; ".join(f"{each.name} {each.num_right} of {each.num_posts}" for each in report.drift.bins)
    return f"Right answers by {report.drift.unit}: {told}."


def _accuracy(estimate: Estimate | None) -> str:
    return (
        f"{percent(estimate.value)} ({percent_range(estimate)})" if estimate is not None else "none (there are none)"
    )
