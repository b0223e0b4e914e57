"""The figures of the report and of the previews: plain records in, PNG bytes out; and the style of all figures.

The style is one grey scale with one dark accent, so that it reads in black and white.
Law: text from outside (names of places) is drawn as it stands, never read as mathematics. A symbol the font lacks
(emoji) is left out; a name the font has no letters for is left to the number beside it. Equal data gives equal bytes.
"""

import io
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.report.content import Epoch, ModelResult, PlaceResult
from pipeline.report.wording import plain

INK = "#1b1f24"
ACCENT = "#17375e"
MID = "#7a828c"
PALE = "#d4d8dd"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": MID,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.6,
}


def new_figure(width_in: float, height_in: float, dpi: int = 100) -> Any:
    """An empty figure without pyplot, which keeps figures open and is not safe in threads. Call inside `style()`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style() -> Any:
    """A context in which figures are made in the style of this page."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def halo() -> list[Any]:
    """A white border that keeps text and lines apart from what is below them."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground="white")]


def png_bytes(figure: Any, dpi: int, *, is_whole: bool = False) -> bytes:
    """The figure as PNG, in few colours and without a word of who made it.

    is_whole: the picture is as large as what is drawn, where labels may reach beyond the figure.
    """
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(
        drawn, format="png", dpi=dpi, metadata={"Software": None}, bbox_inches="tight" if is_whole else None
    )
    small = io.BytesIO()
    Image.open(drawn, formats=("PNG",)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG")
    return small.getvalue()


def drawable(text: str, max_length: int = 28) -> str:
    """`text` cut to a label's length, without the symbols that the font lacks; "" where it lacks a letter, so that no
    row of boxes is drawn."""
    label = plain("".join(sign for sign in text if not _is_left_out(sign)), max_length)
    return label if all(ord(letter) in _letters() for letter in label) else ""


def _is_left_out(sign: str) -> bool:
    """An emoji that the font lacks, or one of the marks that join emoji and colour them."""
    is_lacking = ord(sign) not in _letters() and unicodedata.category(sign) in ("So", "Sk", "Cf")
    return is_lacking or sign == "\u200d" or "\ufe00" <= sign <= "\ufe0f"


def numbered(number: int, name: str) -> str:
    """The label of a place: its number, and its name where it can be drawn; the number on the left of any script."""
    return f"{LEFT_TO_RIGHT}{number}  {drawable(name)}".rstrip()


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


REPORT_DPI = 170
PREVIEW_DPI = 100
MAX_COUNTS_IN_MATRIX = 24
DARK_FROM = 0.75
"""The share from which a cell is so dark that a white number is read more easily than a black one."""
LEFT_TO_RIGHT = "\u200e"
MAX_BARS = 40
MAX_ARROWS = 20
HATCHES = {
    "logistic_hashtags": "///",
    "tagvisor": "--",
    "logistic_text": "\\\\\\",
    "logistic_image": "...",
    "logistic_all": "xx",
    "logistic_tuned": "++",
}


def message(text: str) -> bytes:
    """A picture with a text only: what a preview shows before there is anything to draw."""
    with style():
        figure = new_figure(5.0, 1.2)
        figure.text(0.5, 0.5, text, ha="center", va="center", color=MID, wrap=True)
        return png_bytes(figure, PREVIEW_DPI)


def accuracy_bars(models: Sequence[ModelResult]) -> bytes:
    """Accuracy of every model with its 95 % interval; the first one is ours and drawn dark."""
    with style():
        figure = new_figure(5.2, 0.7 + 0.36 * len(models))
        axes = figure.subplots()
        for row, model in enumerate(models):
            estimate = model.accuracy
            face, edge = (ACCENT, ACCENT) if model.gain is None else (PALE, MID)
            axes.barh(row, 100 * estimate.value, 0.62, color=face, edgecolor=edge, hatch=HATCHES.get(model.name, ""))
            low, high = 100 * (estimate.value - estimate.low), 100 * (estimate.high - estimate.value)
            axes.errorbar(
                100 * estimate.value,
                row,
                xerr=[[max(0.0, low)], [max(0.0, high)]],
                color=INK,
                capsize=4,
                lw=1.4,
                path_effects=halo(),
            )
            axes.text(100 * estimate.high + 1.5, row, f"{100 * estimate.value:.1f}", va="center")
        axes.set_yticks(range(len(models)), [model.title for model in models])
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.set(xlim=(0, 108), xlabel="accuracy, % (line: 95 % interval)")
        axes.set_xticks(range(0, 101, 20))
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return png_bytes(figure, REPORT_DPI)


def training_curve(epochs: Sequence[Epoch], best_epoch: int, *, dpi: int = REPORT_DPI) -> bytes:
    """Loss of both splits and accuracy on the validation posts over the epochs, the kept epoch marked."""
    if not epochs:
        return message("no epoch was trained")
    with style():
        figure = new_figure(7.0, 2.9)
        loss, accuracy = figure.subplots(1, 2)
        numbers = [epoch.epoch for epoch in epochs]
        train, validation = [epoch.train_loss for epoch in epochs], [epoch.validation_loss for epoch in epochs]
        loss.plot(numbers, train, color=ACCENT, label="training")
        loss.plot(numbers, validation, color=INK, ls="--", marker="o", ms=3, label="validation")
        loss.legend(frameon=False)
        loss.set(title="Loss (cross-entropy)", xlabel="epoch", ylim=(0, None))
        percent = [100 * epoch.validation_accuracy for epoch in epochs]
        accuracy.plot(numbers, percent, color=INK, ls="--", marker="o", ms=3)
        accuracy.set(title="Accuracy on the validation posts, %", xlabel="epoch", ylim=(0, 102))
        for axes in (loss, accuracy):
            axes.axvline(best_epoch, color=MID, lw=1, ls=":")
            axes.xaxis.get_major_locator().set_params(integer=True)
        accuracy.text(best_epoch, 3, f" kept: epoch {best_epoch} ", color=INK, ha=_side(best_epoch, numbers))
        return png_bytes(figure, dpi)


def confusion_matrix(places: Sequence[PlaceResult], confusion: Sequence[Sequence[int]]) -> bytes:
    """Rows are true places, columns predicted ones, darker is a larger share of the row; ordered by category.

    Beyond `MAX_COUNTS_IN_MATRIX` places there is room for their numbers alone.
    """
    count = len(places)
    shares = [[cell / max(1, sum(row)) for cell in row] for row in confusion]
    side = max(2.6, count * (0.34 if count <= MAX_COUNTS_IN_MATRIX else 0.17))
    with style():
        figure = new_figure(side + 4.0, side + 0.7)
        axes = figure.subplots()
        axes.imshow(shares, cmap=shades(), vmin=0, vmax=1)
        if count <= MAX_COUNTS_IN_MATRIX:
            write_counts(axes, confusion, shares)
        numbers = [str(place.number) for place in places]
        is_large = count > MAX_COUNTS_IN_MATRIX
        axes.set_yticks(range(count), numbers if is_large else [numbered(each.number, each.name) for each in places])
        axes.set_xticks(range(count), numbers, rotation=90 if is_large else 0)
        axes.tick_params(length=0, labelsize=7 if is_large else 9)
        axes.set(xlabel=f"predicted place (number as {'below' if is_large else 'on the left'})", ylabel="true place")
        _mark_categories(axes, places)
        for spine in axes.spines.values():
            spine.set_visible(True)
        return png_bytes(figure, REPORT_DPI, is_whole=True)


def class_histogram(posts_by_place: Sequence[tuple[str, int]], *, title: str) -> bytes:
    """Posts per place, the largest on top; beyond `MAX_BARS` places the rest is one sentence."""
    if not posts_by_place:
        return message("no posts yet")
    ordered = sorted(posts_by_place, key=lambda pair: (-pair[1], pair[0]))
    shown, hidden = ordered[:MAX_BARS], ordered[MAX_BARS:]
    with style():
        figure = new_figure(6.2, 0.9 + 0.24 * len(shown))
        axes = figure.subplots()
        counts = [number for _, number in shown]
        axes.barh(range(len(shown)), counts, 0.7, color=PALE, edgecolor=MID)
        for row, number in enumerate(counts):
            axes.text(number, row, f" {number:,}", va="center", fontsize=9)
        names = [drawable(name) or f"place {row + 1}" for row, (name, _) in enumerate(shown)]
        axes.set_yticks(range(len(shown)), names, fontsize=9)
        axes.invert_yaxis()
        rest = f"; {len(hidden)} smaller places not shown" if hidden else ""
        axes.set(title=f"{title}{rest}", xlim=(0, 1.14 * max(1, *counts)))
        axes.tick_params(axis="y", length=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        return png_bytes(figure, PREVIEW_DPI)


def mistakes(confusion: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Every pair mixed up: (row of the true place, row of the predicted one, posts), most posts first."""
    pairs = [
        (true, predicted, posts)
        for true, row in enumerate(confusion)
        for predicted, posts in enumerate(row)
        if posts and true != predicted
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair))


def drawn_mistakes(confusion: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """The mistakes that a map has room for: those made more than once, where there are any."""
    every = mistakes(confusion)
    repeated = [pair for pair in every if pair[2] > 1]
    return (repeated or every)[:MAX_ARROWS]


def write_counts(
    axes: Any, confusion: Sequence[Sequence[int]], shares: Sequence[Sequence[float]], *, size: int = 8
) -> None:
    """The posts of each cell of a matrix that has any."""
    for row, cells in enumerate(confusion):
        for column, posts in enumerate(cells):
            if posts:
                ink = ink_on(shares[row][column])
                axes.text(column, row, str(posts), ha="center", va="center", fontsize=size, color=ink)


def ink_on(share: float) -> str:
    """The colour of a number in a cell of this shade."""
    return "white" if share > DARK_FROM else INK


def shades() -> Any:
    """The shades of a matrix's cells, from none of the row to all of it."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", ["white", PALE, ACCENT])


def _mark_categories(axes: Any, places: Sequence[PlaceResult]) -> None:
    """A line between categories and the category's name at the right of its rows, where any is known."""
    starts = [row for row, place in enumerate(places) if row == 0 or places[row - 1].category != place.category]
    for start, end in zip(starts, [*starts[1:], len(places)], strict=True):
        if start:
            axes.axhline(start - 0.5, color=MID, lw=0.8)
            axes.axvline(start - 0.5, color=MID, lw=0.8)
        label = drawable(places[start].category) or ("not known" if len(starts) > 1 else "")
        axes.text(len(places) - 0.3, (start + end - 1) / 2, label, va="center", fontsize=9, style="italic")


def _side(best_epoch: int, numbers: Sequence[int]) -> str:
    return "right" if best_epoch > (numbers[0] + numbers[-1]) / 2 else "left"
