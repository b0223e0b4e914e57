"""Draws docs/architecture.svg from the imports: rooms as boxes on their floors, arrows with the number of imports.

Run as `python docs/draw_architecture.py`. The same code gives the same bytes. An arrow that a longer path of arrows
implies is left out; so are the arrows to the foundations, which every room imports. A red arrow points upward.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from io import StringIO
from itertools import pairwise
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
FLOORS = ("assets", "pipeline", "models")
COLOURS = {"assets": "#fbe3c5", "pipeline": "#d9e8f5", "models": "#dcefd9"}
FOUNDATIONS = "foundations"
"""the store, and what stands beside the rooms of a floor and imports none of them but the store"""
LABELS = {f"pipeline.{FOUNDATIONS}": "store, top files", f"assets.{FOUNDATIONS}": "top files"}
BOX_WIDTH, BOX_HEIGHT, ROW, COLUMN = 1.45, 0.52, 1.0, 1.72
LEGEND = (
    "A box is a room, or a file beside the rooms.\n"
    "A number says how many imports an arrow stands for.\n"
    "Left out: arrows that a longer path implies, and those\n"
    "to top files and the store, which every room imports.\n"
    "A dashed red arrow points upward."
)

Arrows = Counter[tuple[str, str]]


@cache
def imports() -> dict[str, set[str]]:
    """Which of our modules each of our modules imports, also within functions."""
    paths = {_module(path): path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))}
    return {name: (set(_imported(path, paths)) & paths.keys()) - {name} for name, path in paths.items()}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms(graph: Mapping[str, set[str]]) -> dict[str, str]:
    """The box of each module, as `floor.room`; what stands beside the rooms is a box of its own, or a foundation."""

    def is_beside(module: str) -> bool:
        return module.count(".") == 1 and not (ROOT / module.replace(".", "/")).is_dir()

    def is_foundation(module: str) -> bool:
        """Whether it stands beside the rooms and imports none of its floor, but for the store."""
        others = {other for other in graph[module] if other.count(".") and other.split(".")[0] == module.split(".")[0]}
        return is_beside(module) and all(is_beside(other) or other.startswith("pipeline.store") for other in others)

    def room(module: str) -> str:
        floor, name = module.split(".")[:2]
        is_below = is_foundation(module) or module.startswith("pipeline.store")
        if floor == "models" or not (is_below or (floor == "assets" and is_beside(module))):
            return f"{floor}.{name}"
        return f"{floor}.{FOUNDATIONS if is_below else 'definitions'}"

    return {module: room(module) for module in graph if "." in module}


def arrows(graph: Mapping[str, set[str]], room_of: Mapping[str, str]) -> Arrows:
    """How many imports lead from one room to another."""
    counts: Arrows = Counter()
    for module, others in graph.items():
        for other in others & room_of.keys():
            if module in room_of and room_of[module] != room_of[other]:
                counts[room_of[module], room_of[other]] += 1
    return counts


def upward(counts: Arrows) -> set[tuple[str, str]]:
    """The arrows that have to go so that none closes a circle: of each circle the one of the fewest imports."""
    removed: set[tuple[str, str]] = set()
    while True:
        left = [pair for pair in sorted(counts) if pair not in removed]
        try:
            TopologicalSorter(_others(left)).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]  # graphlib names it against the direction of the arrows
            removed.add(min(pairwise(circle), key=lambda pair: (counts[pair], pair)))
        else:
            return removed


def _others(pairs: list[tuple[str, str]]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for one, other in pairs:
        graph.setdefault(one, set()).add(other)
    return graph


def levels(names: set[str], below: Mapping[str, set[str]]) -> dict[str, int]:
    """The row of each room, 0 at the bottom: one above the highest of what it imports."""
    found: dict[str, int] = {}
    for name in TopologicalSorter({name: below.get(name, set()) & names for name in sorted(names)}).static_order():
        found[name] = 1 + max((found[other] for other in below.get(name, set()) & names), default=-1)
    return found


def is_implied(pair: tuple[str, str], below: Mapping[str, set[str]]) -> bool:
    """Whether a longer path leads from one room to the other."""
    waiting, seen = list(below[pair[0]] - {pair[1]}), set()
    while waiting:
        room = waiting.pop()
        if room == pair[1]:
            return True
        if room not in seen:
            seen.add(room)
            waiting.extend(below.get(room, set()))
    return False


def places(counts: Arrows, names: set[str]) -> dict[str, tuple[float, float]]:
    """The middle of each box: `pipeline` in rows, `models` in rows right of it, `assets` as a chain above both."""
    below = _others([pair for pair in counts if pair not in upward(counts)])
    rows = {floor: levels({name for name in names if name.startswith(f"{floor}.")}, below) for floor in FLOORS}
    top = max(rows["pipeline"].values()) * ROW + 1.7
    chain = sorted(rows["assets"], key=lambda name: (-rows["assets"][name], name))
    spots = {name: (number * COLUMN, top) for number, name in enumerate(chain)}
    for floor, middle in (("pipeline", 1.6 * COLUMN), ("models", 5.4 * COLUMN)):
        for row in range(max(rows[floor].values()) + 1):
            line = sorted(name for name, level in rows[floor].items() if level == row)
            shift = 0.3 * (-1) ** row  # boxes of neighbouring rows do not stand in one line
            for number, name in enumerate(line):
                spots[name] = (middle + (number - (len(line) - 1) / 2) * COLUMN + shift, row * ROW)
    return spots


def draw(path: Path = PICTURE) -> None:
    """Write the picture."""
    graph = imports()
    room_of = rooms(graph)
    counts = arrows(graph, room_of)
    num_files = Counter(room_of.values())
    spots = places(counts, set(num_files))
    with matplotlib.rc_context({"svg.hashsalt": "architecture", "svg.fonttype": "none"}):
        figure = Figure(figsize=(11.0, 8.8))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        _draw_floors(axes, spots, counts)
        _draw_arrows(axes, spots, counts)
        for name, (x, y) in spots.items():
            _draw_box(axes, name, x, y, num_files[name])
        axes.margins(0.01)
        axes.autoscale_view()
        drawn = StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    lines = drawn.getvalue().splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines))  # matplotlib leaves blanks at the ends of lines


def _draw_floors(axes: Axes, spots: Mapping[str, tuple[float, float]], counts: Arrows) -> None:
    """A band for each floor, with what it imports of the floors below."""
    for floor in FLOORS:
        of_floor = [spot for name, spot in spots.items() if name.startswith(f"{floor}.")]
        left, right = min(x for x, _ in of_floor) - 0.85, max(x for x, _ in of_floor) + 0.85
        bottom, top = min(y for _, y in of_floor) - 0.4, max(y for _, y in of_floor) + 0.65
        band = FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.1")
        band.set(facecolor=COLOURS[floor], edgecolor="none", alpha=0.45, zorder=0)
        axes.add_patch(band)
        below = Counter[str]()
        for (one, other), count in counts.items():
            if one.startswith(f"{floor}.") and not other.startswith(f"{floor}."):
                below[other.split(".")[0]] += count
        imported = "".join(f", {count} imports of {name}" for name, count in sorted(below.items()))
        axes.text(left + 0.12, top - 0.1, floor, va="top", fontsize=13, weight="bold")
        axes.text(right - 0.12, top - 0.12, imported[2:], va="top", ha="right", fontsize=9, color="#444444")
        if floor == "models":
            axes.text(left, top + 0.3, LEGEND, va="bottom", fontsize=9, color="#444444", linespacing=1.5)


def _draw_arrows(axes: Axes, spots: Mapping[str, tuple[float, float]], counts: Arrows) -> None:
    """The arrows within a floor that no longer path implies."""
    rising = upward(counts)
    below = _others([pair for pair in counts if pair not in rising])
    for pair, count in sorted(counts.items()):
        is_within = pair[0].split(".")[0] == pair[1].split(".")[0]
        is_left_out = FOUNDATIONS in pair[1] or (pair not in rising and is_implied(pair, below))
        if is_within and not is_left_out:
            _draw_arrow(axes, spots[pair[0]], spots[pair[1]], count, is_rising=pair in rising)


def _draw_arrow(
    axes: Axes, one: tuple[float, float], other: tuple[float, float], count: int, *, is_rising: bool
) -> None:
    """From box to box; the number stands near the start, where no other box is in its way."""
    colour = "#c0392b" if is_rising else "#5d6d7e"
    sign = (other[1] > one[1]) - (other[1] < one[1])
    if sign:
        start = (one[0] + (0.25 if is_rising else 0.0), one[1] + sign * BOX_HEIGHT / 2)
        end = (other[0] + (0.25 if is_rising else 0.0), other[1] - sign * BOX_HEIGHT / 2)
    else:
        start, end = (one[0] + BOX_WIDTH / 2, one[1]), (other[0] - BOX_WIDTH / 2, other[1])
    style = {"arrowstyle": "-|>", "color": colour, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    style |= {"linestyle": "--"} if is_rising else {}
    axes.annotate("", end, start, arrowprops=style, zorder=1)
    part = 0.22 / abs(end[1] - start[1]) if sign else 0.4
    spot = (start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]) + (0.0 if sign else 0.12))
    label = axes.text(*spot, str(count), fontsize=8, color=colour, ha="center", va="center", zorder=3)
    label.set_bbox({"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8})


def _draw_box(axes: Axes, name: str, x: float, y: float, num_files: int) -> None:
    floor, _, room = name.partition(".")
    corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
    box = FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, boxstyle="round,pad=0,rounding_size=0.08", zorder=2)
    box.set(facecolor=COLOURS[floor], edgecolor="#34495e", linewidth=0.8)
    axes.add_patch(box)
    files = f"{num_files} files" if num_files > 1 else "1 file"
    axes.text(x, y + 0.08, LABELS.get(name, room), ha="center", va="center", fontsize=10.5, zorder=4)
    axes.text(x, y - 0.14, files, ha="center", va="center", fontsize=8, color="#555555", zorder=4)


if __name__ == "__main__":
    draw()
