"""The page in a minute: one line for each question a reader asks, with where on the page the rest of it stands.

Law: as in `wording`, a line claims a difference only where its interval leaves out zero.
"""

from dataclasses import dataclass

from pipeline.report.content import Report
from pipeline.report.measures import Calibration, Drift, Estimate, Leakage, ModalityUse
from pipeline.report.wording import kilometres, percent, plural, points, points_range


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
