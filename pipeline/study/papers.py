"""What MRLF's paper reports (Dai et al., IEEE ICC 2023, arXiv 2306.07935), to stand beside our figures.

They are of other data, which nobody has published: nothing here is compared with them, and no row of ours is a
reproduction. Figures 2 to 4 have no numbers in the text; what it says of them is given in words.
Accuracy is a share, Mean is an error; its unit is missing in the paper, km fits all rows.
"""

from dataclasses import dataclass

OTHER_DATA = "other data"


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """One row of a table of the paper, of one city."""

    city: str
    accuracy: float
    mean_km: float


def _row(*figures: float) -> tuple[PaperFigure, ...]:
    """Accuracy and Mean of New York, Melbourne and Hong Kong in turn."""
    pairs = zip(("New York", "Melbourne", "Hong Kong"), figures[::2], figures[1::2], strict=True)
    return tuple(PaperFigure(city=city, accuracy=accuracy, mean_km=mean_km) for city, accuracy, mean_km in pairs)


TABLE_2 = {
    "tagvisor": _row(0.681, 2.385, 0.652, 0.724, 0.523, 1.745),
    "deepgeo": _row(0.738, 1.804, 0.742, 1.243, 0.654, 1.522),
    "loctwi": _row(0.724, 1.921, 0.734, 1.220, 0.644, 1.582),
    "resnet50": _row(0.669, 2.785, 0.694, 1.257, 0.811, 0.767),
    "resnet101": _row(0.644, 3.608, 0.718, 1.368, 0.809, 0.730),
    "densenet121": _row(0.553, 3.927, 0.604, 1.608, 0.538, 1.892),
    "mrlf": _row(0.828, 1.510, 0.860, 0.512, 0.847, 0.715),
}
"""By candidate, or by the backbone of an image network: the paper does not say whether those were frozen."""

TABLE_3 = {
    "all_pictures": _row(0.579, 3.755, 0.676, 1.399, 0.600, 1.708),
    "without_portraits": _row(0.579, 3.695, 0.697, 1.261, 0.600, 1.669),
}
"""By variant of the data: VGG19 alone, all posts."""

STATED_OF_FIGURE_2 = (
    "The paper shows its Fig. 2 without numbers; in words only: each modality helps, images contribute most, and "
    "text and hashtags matter less in Melbourne and Hong Kong."
)
STATED_OF_FIGURE_3 = (
    "The paper shows its Fig. 3 without numbers; in words only: fusing early is better than after the branches, "
    "the other attention fusions are about as good as plain concatenation, text with image is slightly above MRLF in "
    "accuracy in Melbourne, and MRLF has the lowest Mean everywhere."
)
STATED_OF_FIGURE_4 = (
    "The paper shows its Fig. 4 without numbers; in words only: removing hashtags of low frequency improves both "
    "measures."
)


def of_candidate(name: str) -> tuple[PaperFigure, ...]:
    """The paper's row of a candidate in Table II; none where it has no such row."""
    return TABLE_2.get(name.removeprefix("image_").removeprefix("finetuned_"), ())
