"""The sections that MRLF's paper has (arXiv 2306.07935): Table II, Table III, Fig. 2, Fig. 3 and Fig. 4."""

from pipeline.study import papers
from pipeline.study.planned import PlannedRow, PlannedSection, Planner

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


def table_2(plan: Planner) -> PlannedSection:
    rows = [
        PlannedRow(title=plan.titles[name], cells=plan.cells(name), against="MRLF", paper=papers.of_candidate(name))
        for name in CELLS_OF_TABLE_2
    ]
    ours = [
        PlannedRow(title="MRLF", cells=plan.cells("mrlf"), paper=papers.of_candidate("mrlf")),
        PlannedRow(title="MRLF, preset best (ours)", cells=plan.cells("mrlf", preset="best"), against="MRLF"),
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
        told=papers.TOLD_OF_FIGURE_2,
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
        told=papers.TOLD_OF_FIGURE_3,
        question="Where and how should caption and hashtags meet?",
    )


def figure_4(plan: Planner) -> PlannedSection:
    common = plan.min_hashtag_count
    told = plan.settings.hashtag_thresholds or [1, common // 2, common, 2 * common]
    thresholds = sorted({max(1, least) for least in told})

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
        told=papers.TOLD_OF_FIGURE_4,
        question="Does it help to remove hashtags that few posts have? The same posts each time.",
    )
