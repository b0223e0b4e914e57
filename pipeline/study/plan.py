"""The plan of a study: its sections in the order of the page, of each section the rows, of each row the cells.

`table2` to `fig4` are those of MRLF's paper (arXiv 2306.07935): Tables II and III, Figures 2 to 4. The paper leaves
out the others: preset `best` beside a linear model, label words masked, splits, posts that lack a modality. A row has
a cell for each seed; equal cells of several rows are one cell, with one digest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.study import papers
from pipeline.study.cells import Cell
from pipeline.study.papers import PaperFigure
from pipeline.study.settings import StudySettings
from pipeline.study.splits import SplitKind

TestOn = Literal["all", "complete", "incomplete"]

CELLS_OF_TABLE_2 = (
    "tagvisor",
    "deepgeo",
    "loctwi",
    "image_vgg16",
    "image_vgg19",
    "image_resnet50",
    "image_resnet101",
    "image_densenet121",
    "finetuned_vgg16",
    "finetuned_vgg19",
    "finetuned_resnet50",
    "finetuned_resnet101",
    "finetuned_densenet121",
    "majority",
    "nearest_centre",
    "logistic_hashtags",
    "logistic_characters",
    "logistic_text",
    "logistic_image",
    "logistic_all",
    "logistic_tuned",
)
MODALITIES = (
    ("text",),
    ("hashtags",),
    ("image",),
    ("text", "hashtags"),
    ("text", "image"),
    ("hashtags", "image"),
)
FUSIONS = {
    "early_cross": "early_cross: text asks hashtags at the convolution (MRLF)",
    "early_self": "early_self: both together at the convolution",
    "late": "late: text asks hashtags after the branches (text-tag-end)",
    "concat": "concat: no attention between modalities",
    "text_image": "text_image: attention between text and picture",
}
PICTURE_ROWS = {
    "all_pictures": "all pictures, unmasked",
    "without_portraits": "pictures filled by people removed",
    "filled": "ours: removed, and people in the others filled",
}
LEAKING = {
    "mrlf": "MRLF",
    "logistic_all": "Linear, all three",
    "logistic_hashtags": "Linear, hashtags",
    "logistic_text": "Linear, captions",
}
BOTH = {"mrlf": "MRLF", "logistic_all": "Linear, all three"}
SPLITS: dict[SplitKind, str] = {
    "user": "by user and picture",
    "time": "oldest to newest",
    "random": "post by post (users on both sides)",
}
"""The headline first; the last flatters."""
SPLIT_MODELS = ("MRLF", "Linear, all three")
TRAINED_ON = {"complete_only": "trained on complete posts", "with_incomplete": "trained on incomplete ones too"}
TESTED_ON: dict[TestOn, str] = {"complete": "complete", "incomplete": "incomplete", "all": "all"}


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """A row of a table: its cells by seed, on which of their test posts it is scored, and what it is compared with.

    against: the title of the row of the same section whose figures are subtracted; "" where there is none.
    """

    title: str
    cells: tuple[Cell, ...]
    against: str = ""
    test_on: TestOn = "all"
    paper: tuple[PaperFigure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedSection:
    """A table or figure; `stated` is what the paper says of it in words."""

    key: str
    title: str
    question: str
    rows: tuple[PlannedRow, ...]
    stated: str = ""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """What all rows share: the settings, the city's threshold of hashtags, how its release is split, and which
    candidates are networks."""

    settings: StudySettings
    min_hashtag_count: int
    own: SplitKind
    titles: dict[str, str]
    networks: frozenset[str]

    def cells(
        self, candidate: str, variant: str = "release", split: SplitKind | None = None, **settings: Any
    ) -> tuple[Cell, ...]:
        """A cell for each seed; without `split` it is split as the release is."""
        if candidate == "mrlf":
            settings = {"preset": self.settings.preset, **settings}
        if self.settings.max_epochs is not None and candidate in self.networks:
            settings = {**settings, "max_epochs": self.settings.max_epochs}
        return tuple(
            Cell(candidate=candidate, variant=variant, split=split or self.own, seed=seed, settings=settings)
            for seed in range(self.settings.num_seeds)
        )


def table_2(plan: Planner) -> PlannedSection:
    rows = [
        PlannedRow(title=plan.titles[name], cells=plan.cells(name), against="MRLF", paper=papers.of_candidate(name))
        for name in CELLS_OF_TABLE_2
    ]
    ours = [
        PlannedRow(title="MRLF", cells=plan.cells("mrlf"), paper=papers.of_candidate("mrlf")),
        PlannedRow(title="Model best (ours)", cells=plan.cells("mrlf", preset="best"), against="MRLF"),
    ]
    return PlannedSection(
        key="table2",
        title="Table II: MRLF beside other models",
        rows=(*rows, *ours),
        question="How good is MRLF beside the paper's baselines, and beside simple models the paper leaves out?",
    )


def table_3(plan: Planner) -> PlannedSection:
    first = PICTURE_ROWS["all_pictures"]
    rows = [
        PlannedRow(
            title=title,
            cells=plan.cells("mrlf", variant, modalities=["image"]),
            paper=papers.TABLE_3.get(variant, ()),
            against=first if title != first else "",
        )
        for variant, title in PICTURE_ROWS.items()
    ]
    return PlannedSection(
        key="table3",
        title="Table III: pictures with and without people",
        rows=tuple(rows),
        question="Does a network that sees pictures alone get better when people are removed? All posts with a "
        "picture, also those without caption or hashtag; differences are taken on the posts that both rows have.",
    )


def figure_2(plan: Planner) -> PlannedSection:
    rows = [
        PlannedRow(
            title=" + ".join(chosen), cells=plan.cells("mrlf", modalities=list(chosen)), against="MRLF, all three"
        )
        for chosen in MODALITIES
    ]
    rows.append(PlannedRow(title="MRLF, all three", cells=plan.cells("mrlf")))
    return PlannedSection(
        key="fig2",
        title="Fig. 2: modalities",
        rows=tuple(rows),
        stated=papers.STATED_OF_FIGURE_2,
        question="What does each modality add? MRLF trained anew without the others.",
    )


def figure_3(plan: Planner) -> PlannedSection:
    first = FUSIONS["early_cross"]
    rows = [
        PlannedRow(title=title, cells=plan.cells("mrlf", fusion=fusion), against=first if title != first else "")
        for fusion, title in FUSIONS.items()
    ]
    return PlannedSection(
        key="fig3",
        title="Fig. 3: fusion",
        rows=tuple(rows),
        stated=papers.STATED_OF_FIGURE_3,
        question="Where and how should caption and hashtags meet?",
    )


def hashtag_thresholds(chosen: list[int] | None, common: int) -> list[int]:
    """The values of min_hashtag_count in Fig. 4, of a city that has `common`."""
    return sorted({max(1, least) for least in chosen or [1, common // 2, common, 2 * common]})


def figure_4(plan: Planner) -> PlannedSection:
    common = plan.min_hashtag_count
    thresholds = hashtag_thresholds(plan.settings.hashtag_thresholds, common)

    def title(least: int) -> str:
        kept = "all hashtags" if least == 1 else f"hashtags of {least} posts and more"
        return f"{kept} (as released)" if least == common else kept

    first = title(common) if common in thresholds else title(thresholds[0])
    rows = [
        PlannedRow(
            title=title(least),
            cells=plan.cells("mrlf", f"hashtags_from_{least}"),
            against=first if title(least) != first else "",
        )
        for least in thresholds
    ]
    return PlannedSection(
        key="fig4",
        title="Fig. 4: hashtags of low frequency",
        rows=tuple(rows),
        stated=papers.STATED_OF_FIGURE_4,
        question="Does it help to remove hashtags that few posts have? The same posts each time.",
    )


def best(plan: Planner) -> PlannedSection:
    linear, tuned = "Linear, all three", "Linear, all three, tuned on validation"
    best_cells = plan.cells("mrlf", preset="best")
    rows = (
        PlannedRow(title=linear, cells=plan.cells("logistic_all")),
        PlannedRow(title=tuned, cells=plan.cells("logistic_tuned")),
        PlannedRow(title="MRLF", cells=plan.cells("mrlf"), against=linear),
        PlannedRow(title="MRLF, against the tuned one", cells=plan.cells("mrlf"), against=tuned),
        PlannedRow(title="Model best", cells=best_cells, against=linear),
        PlannedRow(title="Model best, against the tuned one", cells=best_cells, against=tuned),
    )
    return PlannedSection(
        key="best",
        title="Model best beside the linear model on all three modalities",
        rows=rows,
        question="Is a network worth its training? The paper leaves out the linear model that reads all three; "
        "tuned, it chose its regularisation and how hashtags are weighted on the validation posts, as networks choose "
        "their epoch.",
    )


def leakage(plan: Planner) -> PlannedSection:
    rows = []
    for candidate, title in LEAKING.items():
        shown, masked = f"{title}, as it is", f"{title}, label words masked"
        rows += [
            PlannedRow(title=shown, cells=plan.cells(candidate)),
            PlannedRow(title=masked, cells=plan.cells(candidate, "masked"), against=shown),
        ]
    return PlannedSection(
        key="leakage",
        title="Leakage: posts that name their place",
        rows=tuple(rows),
        question="How much is left when the words of all places are cut out of captions and hashtags, in training and "
        "test?",
    )


def splits(plan: Planner) -> PlannedSection:
    rows = []
    for split, how in SPLITS.items():
        how += " (ours)" if split == plan.own else ""
        ours, linear = (f"{name}, {how}" for name in SPLIT_MODELS)
        rows += [
            PlannedRow(title=ours, cells=plan.cells("mrlf", split=split)),
            PlannedRow(title=linear, cells=plan.cells("logistic_all", split=split), against=ours),
        ]
    return PlannedSection(
        key="splits",
        title="Splits: by user, by time, random",
        rows=tuple(rows),
        question="How much do neighbouring posts on both sides of a split flatter? The paper does not tell its split.",
    )


def noise(plan: Planner) -> PlannedSection:
    def title(name: str, trained: str, tested: TestOn) -> str:
        return f"{BOTH[name]}, {TRAINED_ON[trained]}, tested on {TESTED_ON[tested]}"

    rows = [
        PlannedRow(
            title=title(name, trained, tested),
            cells=plan.cells(name, trained),
            test_on=tested,
            against=title(name, "complete_only", tested) if trained != "complete_only" else "",
        )
        for name in BOTH
        for tested in TESTED_ON
        for trained in TRAINED_ON
    ]
    return PlannedSection(
        key="noise",
        title="Noise: posts that lack a modality",
        rows=tuple(rows),
        question="The release keeps posts with what curation asks for, in the paper caption, hashtag and picture. "
        "What if the others stay, in training or in the test?",
    )


SECTIONS = {
    "table2": table_2,
    "table3": table_3,
    "fig2": figure_2,
    "fig3": figure_3,
    "fig4": figure_4,
    "best": best,
    "leakage": leakage,
    "splits": splits,
    "noise": noise,
}
"""By the name that `mrlf study --only` takes."""


def plan_study(settings: StudySettings, *, min_hashtag_count: int, own: SplitKind = "user") -> list[PlannedSection]:
    """All sections; `min_hashtag_count` is the city's, and `own` how its release is split."""
    from models.candidates import CANDIDATES

    planner = Planner(
        settings=settings,
        min_hashtag_count=min_hashtag_count,
        own=own,
        titles={name: candidate.title for name, candidate in CANDIDATES.items()},
        networks=frozenset(name for name, candidate in CANDIDATES.items() if candidate.is_network),
    )
    return [section(planner) for section in SECTIONS.values()]


def cells_of(sections: Sequence[PlannedSection], keys: Iterable[str]) -> list[Cell]:
    """Every cell of these sections once."""
    chosen = set(keys)
    cells = [cell for section in sections if section.key in chosen for row in section.rows for cell in row.cells]
    return list({cell.identity: cell for cell in cells}.values())
