"""The sections that the paper leaves out: `best` beside a linear model, label words masked, splits, posts that lack
a modality."""

from pipeline.study.planned import PlannedRow, PlannedSection, Planner, TestOn
from pipeline.study.splits import SplitKind

LEAKING = {
    "mrlf": "MRLF",
    "logistic_all": "Linear, all three",
    "logistic_hashtags": "Linear, hashtags",
    "logistic_text": "Linear, captions",
}
BOTH = {"mrlf": "MRLF", "logistic_all": "Linear, all three"}
SPLITS: dict[SplitKind, str] = {
    "random": "post by post (users on both sides)",
    "user": "by user and picture (ours)",
    "time": "oldest to newest",
}
TRAINED_ON = {"complete_only": "trained on complete posts", "with_incomplete": "trained on incomplete ones too"}
TESTED_ON: dict[TestOn, str] = {"complete": "complete", "incomplete": "incomplete", "all": "all"}


def best(plan: Planner) -> PlannedSection:
    linear = "Linear, all three"
    rows = (
        PlannedRow(title=linear, cells=plan.cells("logistic_all")),
        PlannedRow(title="MRLF", cells=plan.cells("mrlf"), against=linear),
        PlannedRow(title="MRLF, preset best", cells=plan.cells("mrlf", preset="best"), against=linear),
    )
    return PlannedSection(
        key="best",
        title="Preset best beside the linear model on all three modalities",
        rows=rows,
        question="Is a network worth its training? The paper leaves out the linear model that reads all three.",
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
        ours = f"MRLF, {how}"
        rows += [
            PlannedRow(title=ours, cells=plan.cells("mrlf", split=split)),
            PlannedRow(title=f"Linear, all three, {how}", cells=plan.cells("logistic_all", split=split), against=ours),
        ]
    return PlannedSection(
        key="splits",
        title="Splits: random, by user, by time",
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
        question="The release keeps posts that have caption, hashtag and picture. What if the others stay, in "
        "training or in the test?",
    )
