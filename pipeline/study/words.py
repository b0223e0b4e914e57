"""The words of a study: what follows from its rows, and its tables as plain text.

Law: a row counts as better or worse only where the interval of the difference leaves out zero.
"""

from collections.abc import Iterable, Sequence

from pipeline.report.content import Estimate
from pipeline.report.wording import kilometres, percent, percent_range, plural, points, points_range
from pipeline.study.content import RowFigures, Study, StudyRow, StudySection
from pipeline.study.papers import OTHER_DATA

MISSING = "–"
TIED = "no difference can be told"


def findings(sections: Sequence[StudySection], *, num_classes: int) -> list[str]:
    """What the study found, a sentence for each section that has figures."""
    by_key = {section.key: section for section in sections}
    told = [*_of_table_2(by_key["table2"], num_classes)]
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
        sentences = [sentence for row in by_key[key].rows if (sentence := difference(row))]
        told += [f"{lead}: {'; '.join(sentences)}."] if sentences else []
    return told


def _of_table_2(section: StudySection, num_classes: int) -> list[str]:
    ours = next(row for row in section.rows if row.title == "MRLF")
    if ours.figures is None:
        return []
    accuracy = ours.figures.accuracy
    told = [
        f"MRLF names the right place of {num_classes} for {percent(accuracy.value)} of test posts (95 % interval "
        f"{percent_range(accuracy)}), {kilometres(ours.figures.mean_km.value)} off on average."
    ]
    for how, lead in (
        ("worse", "is better than these"),
        (TIED, "cannot be told apart from these"),
        ("better", "is worse than these"),
    ):
        titles = [
            _title(row) for row in section.rows if row.figures and row.figures.gain and _how(row.figures.gain) == how
        ]
        told += [f"MRLF {lead}: {'; '.join(titles)}."] if titles else []
    return told


def difference(row: StudyRow) -> str:
    """A row against the one it is compared with, in a clause; "" where it is compared with none."""
    if row.figures is None or row.figures.gain is None:
        return ""
    gain = row.figures.gain
    return f"{row.title} {points(gain.value)} points ({points_range(gain)}; {_how(gain)})"


def _how(gain: Estimate) -> str:
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else TIED


def paper_told(row: StudyRow) -> str:
    """The paper's figures of other data beside a row: accuracy and Mean by city."""
    return "; ".join(f"{each.city} {each.accuracy:.3f} / {each.mean_km:.3f}" for each in row.paper)


def seeds_told(figures: RowFigures) -> str:
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
    yield from (f"  {text}" for text in (*section.notes, section.told) if text)


def _row_lines(row: StudyRow, width: int) -> Iterable[str]:
    title = f"{_title(row):<{width}}"
    if row.figures is None:
        yield f"  {title} {row.reason}"
    else:
        figures = row.figures
        interval = f"{100 * figures.accuracy.low:.1f}–{100 * figures.accuracy.high:.1f}"
        gain = f"{points(figures.gain.value)} ({points_range(figures.gain)})" if figures.gain else MISSING
        yield (
            f"  {title} {100 * figures.accuracy.value:>6.1f} {interval:>13} {100 * figures.top5:>6.1f} "
            f"{100 * figures.macro_f1:>6.1f} {figures.mean_km.value:>8.3f} {figures.median_km:>7.3f} "
            f"{100 * figures.within_1_km:>6.1f}  {gain}"
        )
    if row.paper:
        yield f"  {'':<4}{OTHER_DATA}, the paper's accuracy / Mean: {paper_told(row)}"


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
