"""The map of a city's POIs: plain longitude and latitude, no tiles, nothing loaded from anywhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.figures import (
    ACCENT,
    INK,
    MID,
    PREVIEW_DPI,
    REPORT_DPI,
    drawable,
    halo,
    message,
    new_figure,
    numbered,
    png_bytes,
    style,
)

MAX_NAMED = 24
KM_PER_DEGREE = 111.195  # on the sphere of 6371.0088 km
_OFFSETS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


@dataclass(frozen=True, kw_only=True)
class MapPoint:
    """One POI: `num_posts` makes its ring, `num_right` (None where nothing was predicted yet) the dark disc in it."""

    number: int
    name: str
    latitude: float
    longitude: float
    num_posts: int
    num_right: int | None = None


def poi_map(
    points: Sequence[MapPoint], arrows: Sequence[tuple[int, int, int]] = (), *, dpi: int = REPORT_DPI
) -> bytes:
    """POIs as rings, mistakes as arrows from the true to the predicted one, thicker where more posts made them."""
    if not points:
        return message("no POI yet")
    x, y = _degrees(points)
    width, height = _size(x, y)
    with style():
        figure = new_figure(width, height, dpi)
        axes = figure.subplots()
        axes.set_aspect(1 / max(0.05, math.cos(math.radians(sum(y) / len(y)))))
        _set_limits(axes, x, y)
        most = max(1, *(point.num_posts for point in points))
        area = [30 + 620 * point.num_posts / most for point in points]
        axes.scatter(x, y, s=area, facecolors="white", edgecolors=INK, linewidths=1.1, zorder=3)
        discs = [(30 + 620 * (point.num_right or 0) / most) if point.num_right else 0 for point in points]
        axes.scatter(x, y, s=discs, facecolors=ACCENT, linewidths=0, zorder=4)
        _draw_arrows(axes, x, y, area, arrows)
        axes.set(xlabel="longitude, °", ylabel="latitude, °")
        axes.ticklabel_format(useOffset=False)
        axes.locator_params(nbins=5)
        _draw_scale(axes, sum(y) / len(y))
        figure.draw_without_rendering()
        _draw_names(axes, points, x, y, area)
        return png_bytes(figure, dpi)


def preview_map(points: Sequence[MapPoint]) -> bytes:
    """The same map, small."""
    return poi_map(points, dpi=PREVIEW_DPI)


def _degrees(points: Sequence[MapPoint]) -> tuple[list[float], list[float]]:
    """Longitudes that do not jump at the date line, and latitudes."""
    first = points[0].longitude
    x = [first + (point.longitude - first + 180) % 360 - 180 for point in points]
    return x, [point.latitude for point in points]


def _size(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Inches: as wide as the page, as high as the city is in proportion, within limits."""
    wide = max(1e-9, (max(x) - min(x)) * math.cos(math.radians(sum(y) / len(y))))
    return 6.2, min(6.8, max(3.6, 5.6 * (max(y) - min(y)) / wide))


def _set_limits(axes: Any, x: Sequence[float], y: Sequence[float]) -> None:
    margin = 0.12 * max(max(x) - min(x), max(y) - min(y), 0.01)
    axes.set(xlim=(min(x) - margin, max(x) + margin), ylim=(min(y) - margin, max(y) + margin))


def _draw_arrows(
    axes: Any, x: Sequence[float], y: Sequence[float], area: Sequence[float], arrows: Sequence[tuple[int, int, int]]
) -> None:
    """`area` in square points, so that arrows begin and end at the rings."""
    for true, predicted, posts in arrows:
        axes.annotate(
            "",
            xy=(x[predicted], y[predicted]),
            xytext=(x[true], y[true]),
            zorder=2,
            arrowprops={
                "arrowstyle": "-|>",
                "color": MID,
                "lw": min(4.0, 0.6 + 0.4 * posts),
                "mutation_scale": 10,
                "connectionstyle": "arc3,rad=0.18",
                "shrinkA": math.sqrt(area[true]) / 2,
                "shrinkB": math.sqrt(area[predicted]) / 2 + 1,
            },
        )


def _draw_scale(axes: Any, latitude: float) -> None:
    """A bar of a round number of kilometres in the lower left corner."""
    left, right = axes.get_xlim()
    per_degree = KM_PER_DEGREE * max(0.05, math.cos(math.radians(latitude)))
    room = (right - left) * per_degree / 4
    power = 10.0 ** math.floor(math.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    start, share = 0.03, length / per_degree / (right - left)
    axes.plot([start, start + share], [0.03, 0.03], color=INK, lw=2, transform=axes.transAxes, solid_capstyle="butt")
    axes.text(start, 0.045, f"{length:g} km", fontsize=9, transform=axes.transAxes)


def _draw_names(
    axes: Any, points: Sequence[MapPoint], x: Sequence[float], y: Sequence[float], area: Sequence[float]
) -> None:
    """Labels beside their rings, on the first of eight sides where they cover nothing drawn before."""
    centres = axes.transData.transform(list(zip(x, y, strict=True)))
    pixels = axes.figure.dpi / 72
    taken = [
        (cx - radius, cy - radius, cx + radius, cy + radius)
        for (cx, cy), size in zip(centres, area, strict=True)
        for radius in [math.sqrt(size) / 2 * pixels]
    ]
    frame = axes.get_window_extent()
    for row in sorted(range(len(points)), key=lambda index: -y[index]):
        label = _label(points[row], len(points))
        text = axes.annotate(
            label,
            xy=(x[row], y[row]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=9,
            zorder=5,
            path_effects=halo(),
        )
        reach = math.sqrt(area[row]) / 2 + 4
        boxes = [_place(text, side, reach) for side in _OFFSETS]
        costs = [_overlap(box, taken) + _outside(box, frame) for box in boxes]
        best = costs.index(min(costs))
        taken.append(_place(text, _OFFSETS[best], reach))


def _label(point: MapPoint, num_points: int) -> str:
    return numbered(point.number, drawable(point.name)) if num_points <= MAX_NAMED else str(point.number)


def _place(text: Any, side: tuple[int, int], reach: float) -> tuple[float, float, float, float]:
    """Put the label on one side of its ring and return its box in pixels."""
    sideways, up = side
    distance = reach if 0 in side else 0.75 * reach
    text.set_position((sideways * distance, up * distance))
    text.set_ha({1: "left", 0: "center", -1: "right"}[sideways])
    text.set_va({1: "bottom", 0: "center", -1: "top"}[up])
    box = text.get_window_extent()
    return box.x0, box.y0, box.x1, box.y1


def _overlap(box: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> float:
    return sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )


def _outside(box: tuple[float, ...], frame: Any) -> float:
    """Pixels of the label beyond the frame, times its height, so that they compare with overlaps."""
    sideways = max(0.0, frame.x0 - box[0]) + max(0.0, box[2] - frame.x1)
    upwards = max(0.0, frame.y0 - box[1]) + max(0.0, box[3] - frame.y1)
    return float((sideways + upwards) * (box[3] - box[1]))
