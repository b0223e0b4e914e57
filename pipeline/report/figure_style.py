"""How every figure here looks: one grey scale with one dark accent, so that it reads in black and white.

Law: text from outside (names of places) is drawn as it stands, never read as mathematics, and a name the font has no
letters for is left to the number beside it. Equal data gives equal bytes.
"""

import io
from functools import lru_cache
from typing import Any

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


def png_bytes(figure: Any, dpi: int) -> bytes:
    """The figure as PNG, in few colours and without a word of who made it."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, metadata={"Software": None})
    small = io.BytesIO()
    Image.open(drawn, formats=("PNG",)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG")
    return small.getvalue()


def drawable(text: str, max_length: int = 28) -> str:
    """`text` cut to a label's length; "" where the font lacks a letter of it, so that no row of boxes is drawn."""
    label = plain(text, max_length)
    return label if all(ord(letter) in _letters() for letter in label) else ""


def numbered(number: int, name: str) -> str:
    """The label of a place: its number, and its name where it can be drawn."""
    return f"{number}  {drawable(name)}".rstrip()


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
