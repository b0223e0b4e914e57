"""The report's summary, one line for each question a reader asks, and the notes beside `measure_figures`.

Law: as in `wording`, a line claims a difference only where its interval leaves out zero.
"""

from dataclasses import dataclass

from pipeline.report.content import Calibration, Drift, Estimate, Leakage, ModalityUse, Report
from pipeline.report.wording import kilometres, percent, percent_range, plural, points, points_range


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


@dataclass(frozen=True, kw_only=True)
class Line:
    """A question, its answer, and the id of the section that has the rest."""

    question: str
    answer: str
    section: str


def brief(report: Report) -> list[Line]:
    """What the page says, in six lines."""
    return [
        Line(question="Which input decides?", answer=modalities_line(report.modalities), section="modalities"),
        Line(question="Where does it err?", answer=mistakes_line(report), section="mistakes"),
        Line(
            question="Can its percentages be trusted?", answer=honesty_line(report.calibration), section="calibration"
        ),
        Line(question="Do posts give the answer away?", answer=leakage_line(report), section="leakage"),
        Line(question="Is it as good on later posts?", answer=drift_line(report.drift), section="drift"),
    ]


def modalities_line(use: ModalityUse) -> str:
    """The kinds of input by what is lost without them."""
    ordered = sorted(use.modalities, key=lambda each: -each.fall.value)
    told = ", ".join(f"{each.title} {points(-each.fall.value)}" for each in ordered)
    first, second = ordered[0], ordered[1]
    if first.fall.low <= 0:
        return f"None on its own can be shown to: accuracy changes by {told} points where one of them is hidden."
    leads = "Most of all" if first.fall.low > second.fall.high else "About equally, led by"
    return f"{leads} the {first.title}. Hidden from the trained model, they cost: {told} points."


def mistakes_line(report: Report) -> str:
    """Nearness of wrong answers, by category and by distance."""
    mistakes, far = report.categories, report.distances.median_wrong_km
    if not mistakes.num_wrong or mistakes.share_within is None or mistakes.by_chance is None or far is None:
        return "Nowhere in these posts."
    return (
        f"{plural(mistakes.num_wrong, 'wrong answer')}: {percent(mistakes.share_within)} name a place of the same "
        f"category (by chance {percent(mistakes.by_chance)}); half of them are more than {kilometres(far)} off."
    )


def honesty_line(told: Calibration) -> str:
    """Boasting, modest or honest, judged beside what chance makes of so few posts."""
    gap = told.mean_confidence - told.accuracy
    how = "boasts" if gap > 0 else "is too modest"
    is_honest = told.error_before <= 1.25 * told.honest_error
    verdict = "No dishonesty can be shown" if is_honest else f"It {how}"
    return (
        f"{verdict}: it says {percent(told.mean_confidence)} on average and is right in {percent(told.accuracy)}. "
        f"Calibration error {percent(told.error_before)}, with one temperature {percent(told.error_after)}; an honest "
        f"model would show about {percent(told.honest_error)} on so few posts."
    )


def leakage_line(report: Report) -> str:
    """How many posts name their place, and what is left without."""
    leakage: Leakage = report.leakage
    ours = leakage.models[0]
    share = percent(leakage.num_own / report.num_test_posts)
    if not leakage.num_own:
        return "No test post names its place."
    return (
        f"{share} of test posts name their place. With the names taken out, accuracy goes from "
        f"{percent(ours.accuracy.value)} to {percent(ours.masked.value)} ({_difference(ours.fall)})."
    )


def drift_line(drift: Drift) -> str:
    """The change from the earlier half to the later one."""
    if drift.change is None:
        return f"The test posts are too few to say: fewer than {drift.min_posts} in a half of the time."
    change = drift.change
    told = f"difference of the later half {points(change.value)} points, {points_range(change)}"
    if change.low > 0:
        return f"Better ({told})."
    return f"Worse ({told})." if change.high < 0 else f"No change can be told ({told})."


def _difference(fall: Estimate) -> str:
    turned = Estimate(value=-fall.value, low=-fall.high, high=-fall.low)
    return f"difference {points(turned.value)} points, {points_range(turned)}"
