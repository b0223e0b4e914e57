"""The words of a study: what follows from its rows, what to know of them, and its tables as plain text.

Law: a row counts as better or worse only where the interval of the difference leaves out zero.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import plural
from pipeline.report.content import Estimate, Fact
from pipeline.report.wording import (
    holms_verdict,
    kilometres,
    p_values,
    percent,
    percent_range,
    points,
    points_range,
)
from pipeline.study.cells import code_of_cells
from pipeline.study.content import RowFigures, Study, StudyRow, StudySection
from pipeline.study.papers import OTHER_DATA
from pipeline.study.plan import SPLIT_MODELS, SPLITS
from pipeline.study.settings import FEWEST_SEEDS, StudySettings
from pipeline.training.label_words import posts_with_label_words

if TYPE_CHECKING:
    from pipeline.study.variants import StudyData
    from pipeline.study.work import CellRunner

MISSING = "–"
TIED = "no significant difference"
NOT_STATED = (
    "The paper states neither whether its image networks were frozen or trained further, nor its split, seeds or "
    "number of runs: its figures stand beside both kinds. Its text mentions a row of VGG16, which no copy we know of "
    "shows; a linear model, VGG19 and simple priors it does not have."
)
OF_FIGURES = {
    "table2": NOT_STATED,
    "table3": "The paper's row is VGG19 alone on all posts; ours is MRLF's image branch alone.",
    "splits": "Rows of different splits have other test posts: only rows of the same split are compared. The split at "
    "random stands here for papers that have one; its figures are no measure of posts of people the model never saw.",
    "noise": "Posts in another language, far from their place or at places outside the release stay out.",
}


def findings(sections: Sequence[StudySection], *, num_classes: int) -> list[str]:
    """What the study found, a sentence for each section that has figures."""
    by_key = {section.key: section for section in sections}
    sentences = [*_of_table_2(by_key["table2"], num_classes)]
    for key, lead in (
        ("table3", "Pictures and people"),
        ("fig2", "Modalities"),
        ("fig3", "Fusion"),
        ("fig4", "Rare hashtags"),
        ("best", "Against the linear model"),
        ("leakage", "Words that name the place"),
        ("splits", "Splits"),
        ("noise", "Incomplete posts"),
    ):
        of_rows = [clause for row in by_key[key].rows if (clause := difference(row))]
        sentences += [f"{lead}: {'; '.join(of_rows)}."] if of_rows else []
        sentences += _of_splits(by_key[key]) if key == "splits" else []
        sentences += filter(None, [_corrected(by_key[key])])
    return sentences


def _corrected(section: StudySection) -> str:
    """How many comparisons of a section remain when their number is corrected for."""
    return holms_verdict([row.figures for row in section.rows if row.figures is not None])


def _of_splits(section: StudySection) -> list[str]:
    """The accuracies by user and in time, and what posts of the same users on both sides would add to them."""
    sentences = []
    for model in SPLIT_MODELS:
        found = {
            kind: row.figures.accuracy
            for kind, how in SPLITS.items()
            for row in section.rows
            if row.figures is not None and row.title.startswith(f"{model}, {how}")
        }
        if "random" not in found or len(found) < 2:
            continue
        at_random = found.pop("random").value
        honest = [f"{percent(figure.value)} split {SPLITS[kind]}" for kind, figure in found.items()]
        more = [f"{points(at_random - figure.value)} than {SPLITS[kind]}" for kind, figure in found.items()]
        sentences.append(
            f"{model} is right for {' and '.join(honest)}. Split at random it would be for {percent(at_random)} "
            f"(points: {', '.join(more)}): that much is of users and pictures on both sides, not of what it learnt of "
            "places."
        )
    return sentences


def _of_table_2(section: StudySection, num_classes: int) -> list[str]:
    ours = next(row for row in section.rows if row.title == "MRLF")
    if ours.figures is None:
        return []
    accuracy = ours.figures.accuracy
    sentences = [
        f"MRLF names the right place of {num_classes} for {percent(accuracy.value)} of test posts (95 % interval "
        f"{percent_range(accuracy)}), {kilometres(ours.figures.mean_km.value)} off on average."
    ]
    for how, lead in (
        ("worse", "is better than these"),
        (TIED, "is not significantly different from"),
        ("better", "is worse than these"),
    ):
        titles = [
            _title(row) for row in section.rows if row.figures and row.figures.gain and _how(row.figures.gain) == how
        ]
        sentences += [f"MRLF {lead}: {'; '.join(titles)}."] if titles else []
    return [*sentences, *filter(None, [_corrected(section)])]


def difference(row: StudyRow) -> str:
    """A row against the one it is compared with, in a clause; "" where it is compared with none."""
    if row.figures is None or row.figures.gain is None:
        return ""
    gain = row.figures.gain
    chance = f"; {p_values(row.figures)}" if row.figures.p is not None else ""
    return f"{row.title} {points(gain.value)} points ({points_range(gain)}{chance}; {_how(gain)})"


def _how(gain: Estimate) -> str:
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else TIED


def paper_figures(row: StudyRow) -> str:
    """The paper's figures of other data beside a row: accuracy and Mean by city."""
    return "; ".join(f"{each.city} {each.accuracy:.3f} / {each.mean_km:.3f}" for each in row.paper)


def seed_accuracies(figures: RowFigures) -> str:
    """The accuracy of each seed, in percent."""
    return " ".join(f"{100 * accuracy:.1f}" for accuracy in figures.accuracies)


def table_lines(section: StudySection) -> Iterable[str]:
    """A section as plain text for a terminal."""
    width = max(len(_title(row)) for row in section.rows)
    yield section.title
    yield (
        f"  {'':<{width}} {'acc %':>6} {'interval':>13} {'top-5':>6} {'F1':>6} {'Mean km':>8} {'median':>7} "
        f"{'≤1 km':>6}  difference, points"
    )
    for row in section.rows:
        yield from _row_lines(row, width)
    yield from (f"  {text}" for text in (*section.notes, section.stated) if text)


def _row_lines(row: StudyRow, width: int) -> Iterable[str]:
    title = f"{_title(row):<{width}}"
    if row.figures is None:
        yield f"  {title} {row.reason}"
    else:
        figures = row.figures
        interval = f"{100 * figures.accuracy.low:.1f}–{100 * figures.accuracy.high:.1f}"
        chance = f"; {p_values(figures)}" if figures.p is not None else ""
        gain = f"{points(figures.gain.value)} ({points_range(figures.gain)}{chance})" if figures.gain else MISSING
        yield (
            f"  {title} {100 * figures.accuracy.value:>6.1f} {interval:>13} {100 * figures.top5:>6.1f} "
            f"{100 * figures.macro_f1:>6.1f} {figures.mean_km.value:>8.3f} {figures.median_km:>7.3f} "
            f"{100 * figures.within_1_km:>6.1f}  {gain}"
        )
    if row.paper:
        yield f"  {'':<4}{OTHER_DATA}, the paper's accuracy / Mean: {paper_figures(row)}"


def _title(row: StudyRow) -> str:
    return f"{row.title}{' [stand-in]' if row.is_stand_in else ''}"


def study_lines(study: Study) -> Iterable[str]:
    """The whole study as plain text."""
    posts = f"{study.num_posts:,} posts of {study.num_users:,} users"
    yield f"{study.city_name}: {posts}, {study.num_classes} places, {plural(study.num_seeds, 'seed')}"
    yield from (f"  {note}" for note in study.notes)
    for section in study.sections:
        yield ""
        yield from table_lines(section)
    yield ""
    yield from study.findings


def section_notes(key: str, data: "StudyData") -> list[str]:
    """What to know of a section."""
    notes = [OF_FIGURES[key]] if key in OF_FIGURES else []
    if key == "leakage":
        notes.append(_leaking(data))
    return notes


def _leaking(data: "StudyData") -> str:
    parts = data.parts("release", data.release.split, 0)
    has_words = [
        posts_with_label_words(samples, data.release.labels, city_name=data.release.city_name)
        for samples in (parts.train, parts.validation, parts.test)
    ]
    share = float(np.mean(np.concatenate(has_words)))
    return f"{percent(share)} of the release's posts hold a word of some place's name in caption or hashtags."


def study_notes(settings: StudySettings, sections: Sequence[StudySection]) -> list[str]:
    """What to know of the whole study."""
    notes = [
        "A section makes many comparisons. Intervals are of one at a time; beside the p-value of a difference stands "
        "that corrected for the number in its section (Holm 1979). With "
        f"{plural(settings.num_resamples, 'resample')} none is below {2 / (settings.num_resamples + 1):.2g} before "
        "the correction."
    ]
    if settings.num_seeds < FEWEST_SEEDS:
        notes.append(f"This is a trial: {settings.num_seeds} of at least {FEWEST_SEEDS} seeds.")
    if settings.max_epochs is not None:
        notes.append(f"This is a trial: networks were trained for {plural(settings.max_epochs, 'epoch')} at most.")
    if any(row.is_stand_in for section in sections for row in section.rows):
        notes.append(
            "Rows marked stand-in have picture features of a network drawn from a fixed seed, in place of the "
            "trained one of that name, and fine-tuned ones begin from it: they show that the row can be computed and "
            "say nothing about the trained network."
        )
    return notes


def versions(runner: "CellRunner") -> list[Fact]:
    """What the figures were made of."""
    source = runner.source(None)
    made_of = {
        "release": runner.data.release.version,
        "picture features": source.name,
        "weights of these, sha256": source.weights_sha256,
        "version of the cells": code_of_cells()[:12],
    }
    return [Fact(name=name, value=value) for name, value in made_of.items()]
