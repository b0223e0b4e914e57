"""How the report words its results: numbers for people to read, the headline, the verdict and the warnings.

Law: every claim follows from the interval of its figure. A model counts as better or worse only if the interval of the
difference excludes zero, and as tied otherwise, for and against the model that answers alike. A figure without an
interval is not given one that has no width.
"""

import unicodedata
from collections.abc import Sequence
from typing import Protocol

from pipeline.errors import plural
from pipeline.report.content import Estimate, ModelResult
from pipeline.training import choice

TITLES = {
    "mrlf": "MRLF",
    "best": "Ensemble of MRLF and linear models",
    "majority": "Most frequent place",
    "nearest_centre": "Most central place",
    "logistic_hashtags": "Linear model on hashtags",
    "tagvisor": "Random forest on hashtags (Tagvisor)",
    "logistic_text": "Linear model on captions",
    "logistic_image": "Linear model on pictures",
    "logistic_all": "Linear model on all three",
    "logistic_tuned": "Linear model on all three, tuned",
    "linear": "Linear model",
}

HARDEST = "logistic_all"
NO_INTERVAL = "no interval"
MIN_GROUPS = 10
LEVEL = 0.05
BEST = (
    "This is the model “best”, our own extension, an ensemble of MRLF and linear models; it is not the model of the "
    "paper."
)

ONE_GROUP = (
    "All test posts are of one {unit}, so there is no interval and no model can be called better than another: "
    "collect posts of more {unit}s."
)


class HasPValues(Protocol):
    """A row that may be compared with another."""

    @property
    def p(self) -> float | None:
        """Of no difference, by itself."""

    @property
    def p_holm(self) -> float | None:
        """The same, corrected for the number of comparisons."""


def plain(text: str, max_length: int = 200) -> str:
    """One line of text without controls and overrides of direction, cut to `max_length` code points."""
    kept = "".join(" " if letter.isspace() else letter for letter in text)
    kept = "".join(letter for letter in kept if unicodedata.category(letter) not in ("Cc", "Cs"))
    kept = "".join(letter for letter in kept if not _turns(letter))
    kept = " ".join(kept.split())
    return kept if len(kept) <= max_length else kept[: max_length - 1].rstrip() + "…"


def title_of(name: str) -> str:
    """A model's name on the page."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def percent(share: float) -> str:
    """0.881 -> `88.1 %`."""
    return f"{100 * share:.1f}\u202f%"


def certainty(probability: float) -> str:
    """A model's probability: never rounded up to certainty."""
    return percent(probability) if probability < 0.9995 else f"over {percent(0.999)}"


def percent_range(estimate: Estimate) -> str:
    """`83.1 to 92.6 %`."""
    if not estimate.has_interval:
        return NO_INTERVAL
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}\u202f%"


def points(share: float) -> str:
    """A difference of shares: 0.0123 -> `+1.2`."""
    return _signed(100 * share)


def points_range(estimate: Estimate) -> str:
    """`−3.0 to +4.2`."""
    if not estimate.has_interval:
        return NO_INTERVAL
    return f"{_signed(100 * estimate.low)} to {_signed(100 * estimate.high)}"


def p_value(p: float) -> str:
    """0.0123 -> `p = 0.012`."""
    return f"p = {p:.3f}" if p >= 0.0005 else "p < 0.001"


def p_values(row: HasPValues) -> str:
    """The p-value of a difference and that corrected by Holm's method, "" where there is none."""
    if row.p is None or row.p_holm is None:
        return ""
    return f"{p_value(row.p)}; Holm {p_value(row.p_holm)}"


def holms_verdict(rows: Sequence[HasPValues]) -> str:
    """How many of these comparisons are told apart, without and with the correction; "" of fewer than two."""
    told = [row for row in rows if row.p is not None and row.p_holm is not None]
    if len(told) < 2:
        return ""
    plain_ones, corrected = (sum(float(getattr(row, name)) < LEVEL for row in told) for name in ("p", "p_holm"))
    return (
        f"Of {len(told)} comparisons {plain_ones} differ by more than chance one at a time (p < {LEVEL}), and "
        f"{corrected} with Holm's correction for their number."
    )


def kilometres(distance_km: float) -> str:
    """`0.52 km`."""
    return f"{distance_km:.2f}\u202fkm"


def kilometres_range(estimate: Estimate) -> str:
    """`0.31 km to 0.80 km`."""
    return f"{kilometres(estimate.low)} to {kilometres(estimate.high)}" if estimate.has_interval else NO_INTERVAL


def subject(ours: ModelResult) -> str:
    """The model that a report is about, the one that answers, at the beginning of a sentence."""
    title = choice.TITLES[ours.name]
    return f"{title[:1].upper()}{title[1:]}"


def headline(
    ours: ModelResult,
    *,
    num_places: int,
    num_posts: int,
    num_groups: int = MIN_GROUPS,
    unit: str = "user",
) -> str:
    """The one sentence that says how good the model is; with one group there is no interval to give."""
    interval = f"95\u202f%\u00a0interval {percent_range(ours.accuracy)}"
    if num_groups < 2:
        interval = f"{NO_INTERVAL}, since all are of one {unit}"
    elif not ours.accuracy.has_interval:
        interval = f"{NO_INTERVAL}, since every resample gives the same"
    return (
        f"{subject(ours)} predicts the right place, one of {num_places}, for {percent(ours.accuracy.value)} of "
        f"{plural(num_posts, 'post')} it has never seen ({interval}). "
        f"On average its prediction is {kilometres(ours.mean_km.value)} off."
    )


def warnings(models: Sequence[ModelResult], *, num_places: int, num_groups: int, unit: str = "user") -> list[str]:
    """What a reader has to know before the figures: a model that is no better than no model, and too few groups of
    test posts; `unit` is what a group is."""
    ours, sentences = models[0], []
    majority = next((model.gain for model in models if model.name == "majority"), None)
    if ours.accuracy.value <= 1 / num_places:
        sentences.append(
            f"{subject(ours)} is no better than guessing: one of {num_places} places drawn at random is right for "
            f"{percent(1 / num_places)} of posts. Do not use it; look at the training curve and the data first."
        )
    elif majority is not None and majority.low <= 0:
        sentences.append(
            f"{subject(ours)} is not significantly better than always predicting the most frequent place (difference "
            f"{points(majority.value)} points, {points_range(majority)}). Do not use it; look at the training curve "
            "and the data first."
        )
    if num_groups < MIN_GROUPS:
        sentences.append(
            f"The test posts come from {plural(num_groups, unit)} only. Intervals over so few are too narrow: do not "
            "rely on any figure here."
        )
    return sentences


def verdict(models: Sequence[ModelResult], *, num_groups: int = MIN_GROUPS, unit: str = "user") -> list[str]:
    """First how MRLF does where another model answers, and whether the linear model on all three is beaten, then a
    sentence each for the simpler models that are beaten, tied with and better. With one group there is no interval,
    so nobody wins."""
    sentences = [BEST] if models[0].name == choice.BEST else []
    sentences += [
        _beside(models[0], model, model.gain) for model in models if model.gain and model.name == choice.MRLF
    ]
    if num_groups < 2:
        return [*sentences, ONE_GROUP.format(unit=unit)]
    others = [(model, model.gain) for model in models if model.gain is not None and model.name != choice.MRLF]
    better = [quoted(model) for model, gain in others if gain.low > 0]
    tied = [_with_gain(model, gain) for model, gain in others if gain.low <= 0 <= gain.high]
    worse = [_with_gain(model, gain) for model, gain in others if gain.high < 0]
    if any(model.name == HARDEST and gain.low <= 0 for model, gain in others):
        sentences.append(
            f"The {_lowered(TITLES[HARDEST])} inputs, the baseline that the papers leave out, is not beaten."
        )
    if better:
        sentences.append(f"{subject(models[0])} is better than {_listed(better)}.")
    if tied:
        sentences.append(
            f"{subject(models[0])} ties with {_listed(tied)}: no difference is more than chance. "
            "In a tie, prefer the simpler model."
        )
    if worse:
        which = f"is worse than {_listed(worse)}"
        sentences.append(f"{subject(models[0])} {which}: use the simpler model for posts like these.")
    return [*sentences, *filter(None, [holms_verdict(models)])]


def _beside(ours: ModelResult, mrlf: ModelResult, gain: Estimate) -> str:
    """How MRLF, which was trained and does not answer, does on the same posts."""
    how = f"difference {points(gain.value)} points, {points_range(gain)}"
    if not gain.has_interval and not gain.value:
        how = "no difference"
    elif gain.has_interval and gain.low <= 0 <= gain.high:
        how = f"no more than chance ({how})"
    elif gain.has_interval:
        how = f"{_lowered(subject(ours))} is {'better' if gain.low > 0 else 'worse'} ({how})"
    return f"MRLF, trained beside it, is right for {percent(mrlf.accuracy.value)} of them: {how}."


def _with_gain(model: ModelResult, gain: Estimate) -> str:
    if not gain.has_interval and not gain.value:
        return f"{quoted(model)} (no difference)"
    return f"{quoted(model)} (difference {points(gain.value)} points, {points_range(gain)})"


def quoted(model: ModelResult) -> str:
    """The model's name within a sentence: `the linear model on hashtags`."""
    return f"the {_lowered(model.title)}"


def describe_bars(models: Sequence[ModelResult]) -> str:
    """The bar chart in words."""
    listed = ", ".join(f"{model.title} {percent(model.accuracy.value)}" for model in models)
    return f"Bar chart of accuracy on the test posts: {listed}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _lowered(title: str) -> str:
    return f"{title[:1].lower()}{title[1:]}"


def _signed(number: float) -> str:
    rounded = round(number, 1) + 0.0
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def _turns(letter: str) -> bool:
    return letter in "\u200e\u200f\u061c" or "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
