"""Scenes under a roof or close by: table, bar, shop front, gallery, stage, hall, platform, and two from anywhere."""

from itertools import pairwise

import numpy as np

from pipeline.demo.canvas import Canvas, Color, Point, jitter, mix, shade
from pipeline.demo.scenes_outdoors import WHITE, Rng, Style

FOODS: tuple[Color, ...] = (
    (0.80, 0.52, 0.20),
    (0.62, 0.22, 0.12),
    (0.45, 0.58, 0.22),
    (0.92, 0.78, 0.42),
    (0.55, 0.33, 0.18),
    (0.90, 0.35, 0.20),
)
CREAM: Color = (0.93, 0.89, 0.81)


def table(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Plates and cups on a table, seen from above."""
    wood = jitter(rng, mix((0.5, 0.35, 0.22), style.second, 0.45), 0.04)
    canvas.gradient(0, 1, shade(wood, 1.1), shade(wood, 0.85))
    canvas.texture(rng, 0, 1, cells=(4, 70), amount=0.1)
    for x in (0.33, 0.66):
        canvas.line([(x, 0), (x, 1)], shade(wood, 0.6), 0.006)
    x, y = rng.uniform(0.05, 0.7), rng.uniform(0.05, 0.7)
    napkin = [(x, y), (x + 0.3, y + 0.04), (x + 0.26, y + 0.3), (x - 0.04, y + 0.26)]
    canvas.polygon(napkin, jitter(rng, style.accent, 0.05))
    for _ in range(rng.integers(2, 5)):
        _plate(canvas, rng, style, rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85), rng.uniform(0.13, 0.22))
    x, y = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)
    canvas.disc(x, y, 0.085, jitter(rng, style.accent, 0.06))
    canvas.disc(x, y, 0.065, (0.3, 0.18, 0.1))
    x, y = rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.6)
    for shift in (0.0, 0.03):
        canvas.line([(x + shift, y), (x + 0.3 + shift, y + 0.32)], (0.85, 0.8, 0.7), 0.012)


def _plate(canvas: Canvas, rng: Rng, style: Style, x: float, y: float, radius: float) -> None:
    canvas.disc(x + 0.015, y + 0.02, radius, (0.05, 0.04, 0.03), 0.35)
    canvas.disc(x, y, radius, mix(CREAM, style.accent, rng.uniform(0.0, 0.5)))
    canvas.disc(x, y, radius * 0.78, mix(CREAM, WHITE, 0.5))
    for _ in range(rng.integers(8, 22)):
        angle, reach = rng.uniform(0, 6.28), radius * 0.6 * rng.random() ** 0.5
        food = jitter(rng, FOODS[rng.integers(len(FOODS))], 0.05)
        canvas.disc(x + reach * np.cos(angle), y + reach * np.sin(angle), radius * rng.uniform(0.12, 0.24), food)


def bar(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A counter with shelves of bottles behind it, under hanging lamps."""
    light = rng.uniform(0.55, 1.0)
    wall = shade(jitter(rng, mix((0.55, 0.45, 0.36), style.second, 0.4), 0.04), light)
    canvas.gradient(0, 0.66, shade(wall, 0.8), wall)
    canvas.texture(rng, 0, 0.66, cells=(60, 40), amount=0.04)
    for shelf in (0.3, 0.48):
        canvas.rectangle(0.05, shelf, 0.95, shelf + 0.02, shade((0.4, 0.27, 0.17), light))
        x = rng.uniform(0.06, 0.1)
        while x < 0.9:
            width, height = rng.uniform(0.02, 0.04), rng.uniform(0.06, 0.13)
            other = (rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.6))
            glass = style.accent if rng.random() < 0.35 else other
            canvas.rectangle(x, shelf - height, x + width, shelf, shade(jitter(rng, glass, 0.05), light))
            x += width + rng.uniform(0.008, 0.03)
    canvas.rectangle(0, 0.64, 1, 0.69, shade((0.62, 0.45, 0.3), light))
    canvas.gradient(0.69, 1, shade(style.accent, 0.75 * light), shade(style.accent, 0.45 * light))
    for x in np.arange(rng.uniform(0, 0.1), 1, 0.12).tolist():
        canvas.line([(x, 0.69), (x, 1)], shade(style.accent, 0.4 * light), 0.006)
    for x in np.arange(rng.uniform(0.08, 0.2), 1, rng.uniform(0.22, 0.32)).tolist():
        canvas.line([(x, 0), (x, 0.14)], (0.1, 0.1, 0.1), 0.005)
        lamp = [(x - 0.05, 0.2), (x - 0.02, 0.14), (x + 0.02, 0.14), (x + 0.05, 0.2)]
        canvas.polygon(lamp, shade(style.accent, 0.8))
        canvas.glow(x, 0.22, 0.06, (1.0, 0.82, 0.5), 0.7)


def shop(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A shop front: awning, window with goods, door, pavement."""
    light = rng.uniform(0.6, 1.05)
    wall = shade(jitter(rng, mix((0.7, 0.63, 0.55), style.second, 0.4), 0.05), light)
    canvas.gradient(0, 1, wall, shade(wall, 0.9))
    canvas.texture(rng, 0, 1, cells=(24, 60), amount=0.04)
    canvas.rectangle(0.08, 0.08, 0.92, 0.2, shade(style.accent, 0.8 * light))
    canvas.rectangle(0.3, 0.12, 0.7, 0.16, shade(CREAM, light))
    split = rng.uniform(0.55, 0.68)
    canvas.rectangle(0.08, 0.36, split, 0.78, shade((0.17, 0.19, 0.22), light))
    for row in (0.6, 0.74):
        for x in np.arange(0.13, split - 0.05, 0.09).tolist():
            canvas.ellipse(x, row, 0.038, 0.028, shade(jitter(rng, FOODS[rng.integers(len(FOODS))], 0.05), light))
        canvas.rectangle(0.08, row + 0.03, split, row + 0.045, shade((0.55, 0.4, 0.28), light))
    canvas.glow(0.3, 0.45, 0.12, (1.0, 0.8, 0.5), 0.35)
    canvas.rectangle(split + 0.05, 0.36, 0.92, 0.86, shade(style.accent, 0.65 * light))
    canvas.rectangle(split + 0.09, 0.42, 0.88, 0.64, shade((0.35, 0.42, 0.46), light))
    stripes = np.linspace(0.04, 0.96, 11).tolist()
    for number, (x0, x1) in enumerate(pairwise(stripes)):
        cloth = shade(style.accent if number % 2 else CREAM, light)
        canvas.polygon([(x0 * 0.92 + 0.04, 0.22), (x1 * 0.92 + 0.04, 0.22), (x1, 0.37), (x0, 0.37)], cloth)
    canvas.gradient(0.86, 1, shade((0.6, 0.58, 0.56), light), shade((0.45, 0.44, 0.43), light))


def gallery(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Framed pictures on a wall, visitors before them."""
    wall = jitter(rng, mix((0.88, 0.87, 0.84), style.second, 0.25), 0.02)
    canvas.gradient(0, 0.72, shade(wall, 0.88), wall)
    floor = jitter(rng, (0.55, 0.44, 0.34), 0.05)
    canvas.gradient(0.72, 1, floor, shade(floor, 0.75))
    x = rng.uniform(0.04, 0.1)
    while x < 0.85:
        width, height, top = rng.uniform(0.16, 0.34), rng.uniform(0.22, 0.4), rng.uniform(0.12, 0.24)
        canvas.glow(x + width / 2, top, 0.12, WHITE, 0.2)
        _painting(canvas, rng, style, (x, top), (x + width, top + height))
        x += width + rng.uniform(0.05, 0.1)
    for _ in range(rng.integers(0, 4)):
        _visitor(canvas, rng, rng.uniform(0.1, 0.9), rng.uniform(0.86, 0.98), rng.uniform(0.3, 0.42))


def _painting(canvas: Canvas, rng: Rng, style: Style, corner: Point, end: Point) -> None:
    (x0, y0), (x1, y1) = corner, end
    canvas.rectangle(x0 - 0.012, y0 - 0.012, x1 + 0.012, y1 + 0.012, shade((0.25, 0.18, 0.12), rng.uniform(0.5, 2.2)))
    canvas.rectangle(x0, y0, x1, y1, jitter(rng, mix(style.accent, CREAM, rng.uniform(0, 0.6)), 0.06))
    for _ in range(rng.integers(3, 8)):
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        reach = min(x - x0, x1 - x, y - y0, y1 - y)
        color = style.second if rng.random() < 0.4 else (rng.random(), rng.random(), rng.random())
        canvas.ellipse(x, y, reach, reach * rng.uniform(0.4, 1), color)


def _visitor(canvas: Canvas, rng: Rng, x: float, y: float, height: float) -> None:
    coat = jitter(rng, (0.25, 0.25, 0.3), 0.12)
    canvas.polygon([(x - 0.05, y), (x - 0.04, y - height * 0.8), (x + 0.04, y - height * 0.8), (x + 0.05, y)], coat)
    canvas.disc(x, y - height * 0.88, 0.03, jitter(rng, (0.3, 0.2, 0.15), 0.08))


def stage(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A lit stage between curtains, heads of the audience in front."""
    canvas.gradient(0, 1, jitter(rng, (0.08, 0.07, 0.11), 0.02), jitter(rng, (0.2, 0.15, 0.14), 0.03))
    canvas.rectangle(0, 0.68, 1, 0.78, jitter(rng, (0.45, 0.3, 0.2), 0.04))
    for _ in range(rng.integers(2, 5)):
        x, foot = rng.uniform(0.1, 0.9), rng.uniform(0.25, 0.75)
        beam = mix(style.second, (rng.random(), rng.random(), rng.random()), 0.4)
        canvas.polygon([(x, 0), (x + 0.02, 0), (foot + 0.14, 0.74), (foot - 0.14, 0.74)], beam, 0.3)
        canvas.ellipse(foot, 0.73, 0.14, 0.03, mix(beam, WHITE, 0.5), 0.5)
        _visitor(canvas, rng, foot, 0.74, rng.uniform(0.22, 0.3))
    reach = rng.uniform(0.14, 0.26)
    for number, share in enumerate(np.linspace(0, 1, 9)[:-1].tolist()):
        cloth = shade(style.accent, 0.85 if number % 2 else 0.55)
        for x0 in (share * reach, 1 - reach + share * reach):
            canvas.rectangle(x0, 0, x0 + reach / 8, 0.8, cloth)
    canvas.gradient(0, rng.uniform(0.06, 0.12), shade(style.accent, 0.9), shade(style.accent, 0.5))
    for row in (0.86, 0.95):
        for x in np.arange(rng.uniform(-0.05, 0.05), 1.05, 0.12).tolist():
            canvas.ellipse(x, row + 0.02, 0.045, 0.055, jitter(rng, (0.07, 0.06, 0.07), 0.02))


def hall(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A museum hall: arches, columns, banners, a case with an exhibit."""
    stone = jitter(rng, mix((0.78, 0.73, 0.66), style.second, 0.25), 0.03)
    canvas.gradient(0, 0.7, shade(stone, 0.75), stone)
    canvas.texture(rng, 0, 0.7, cells=(40, 60), amount=0.035)
    for x in np.linspace(0.14, 0.86, rng.integers(3, 5)).tolist():
        canvas.rectangle(x - 0.08, 0.26, x + 0.08, 0.7, shade(stone, 0.55))
        canvas.ellipse(x, 0.26, 0.08, 0.1, shade(stone, 0.55))
        canvas.rectangle(x - 0.11, 0.1, x - 0.085, 0.7, shade(stone, 1.12))
        if rng.random() < 0.6:
            canvas.rectangle(x - 0.035, 0.3, x + 0.035, 0.55, jitter(rng, style.accent, 0.04))
    canvas.gradient(0.7, 1, shade(stone, 0.9), shade(stone, 0.6))
    for share in np.linspace(-1.5, 1.5, 11).tolist():
        canvas.line([(0.5 + share * 0.4, 0.7), (0.5 + share * 1.4, 1)], shade(stone, 0.55), 0.004)
    x, size = rng.uniform(0.3, 0.7), rng.uniform(0.16, 0.24)
    canvas.rectangle(x - size, 0.8, x + size, 0.92, shade((0.3, 0.22, 0.18), 1))
    canvas.rectangle(x - size, 0.5, x + size, 0.8, (0.8, 0.88, 0.9))
    canvas.ellipse(x, 0.68, size * 0.7, 0.08, shade(style.accent, 0.7))
    canvas.ellipse(x + size * 0.3, 0.62, size * 0.25, 0.09, shade(style.second, 0.8))
    canvas.glow(x, 0.5, 0.1, WHITE, 0.25)


def platform(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A train beside a platform that runs to a far point."""
    light, far, level = rng.uniform(0.55, 1.05), rng.uniform(0.42, 0.6), rng.uniform(0.4, 0.5)
    canvas.gradient(0, 1, shade((0.6, 0.66, 0.72), light), shade((0.8, 0.8, 0.78), light))
    roof = [(0, 0), (1, 0), (far + 0.03, level - 0.05), (far - 0.03, level - 0.05)]
    canvas.polygon(roof, shade((0.34, 0.36, 0.4), light))
    for share in np.geomspace(0.08, 1, 7).tolist():
        y = level - 0.05 - share * (level - 0.05)
        canvas.line([(far - share * far, y), (far + share * (1 - far), y)], shade((0.5, 0.52, 0.55), light), 0.01)
    canvas.polygon([(far, level), (1, 0.78), (1, 1), (0.4, 1)], shade((0.62, 0.6, 0.57), light))
    canvas.polygon([(far, level), (0.4, 1), (0.0, 1), (far - 0.02, level)], shade((0.25, 0.24, 0.24), light))
    canvas.line([(far, level), (0.42, 1)], shade(style.second, light), 0.02)
    top, foot = rng.uniform(0.12, 0.24), rng.uniform(0.86, 1.0)
    canvas.polygon([(far, level - 0.03), (0, top), (0, foot), (far, level + 0.02)], shade(style.accent, light))
    canvas.polygon([(far, level - 0.028), (0, top + 0.02), (0, top + 0.1), (far, level - 0.02)], shade(CREAM, light))
    edges = (1 - np.geomspace(0.12, 1, 8)).tolist()
    for near, end in zip(edges[1:], edges, strict=False):
        _window(canvas, (far * near, far * (near + (end - near) * 0.7)), far, (top, foot), level, light)
    x = rng.uniform(0.7, 0.85)
    canvas.line([(x, 0), (x, 0.2)], (0.15, 0.15, 0.15), 0.008)
    canvas.disc(x, 0.24, 0.06, (0.12, 0.12, 0.13))
    canvas.disc(x, 0.24, 0.05, CREAM)


def _window(canvas: Canvas, sides: Point, far: float, heights: Point, level: float, light: float) -> None:
    """A window on the train's side, in its perspective."""
    points: list[Point] = []
    for x, order in zip(sides, ((0.25, 0.5), (0.5, 0.25)), strict=True):
        near = 1 - x / far
        top = level - 0.03 + (heights[0] - level + 0.03) * near
        foot = level + 0.02 + (heights[1] - level - 0.02) * near
        points += [(x, top + (foot - top) * share) for share in order]
    canvas.polygon(points, shade((0.18, 0.23, 0.28), light))


def bokeh(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Lights out of focus at night, anywhere."""
    canvas.gradient(0, 1, jitter(rng, (0.06, 0.06, 0.12), 0.02), jitter(rng, (0.12, 0.09, 0.1), 0.03))
    for _ in range(rng.integers(18, 45)):
        color: Color = (rng.uniform(0.6, 1), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.8))
        canvas.disc(rng.random(), rng.uniform(0.15, 0.95), rng.uniform(0.02, 0.07), color, rng.uniform(0.2, 0.6))


def coffee(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A cup of coffee from above, anywhere."""
    base = (rng.uniform(0.3, 0.95), rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.85))
    canvas.gradient(0, 1, base, shade(base, 0.8))
    canvas.texture(rng, 0, 1, cells=(10, 30), amount=0.05)
    x, y, size = rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65), rng.uniform(0.2, 0.3)
    canvas.disc(x + 0.02, y + 0.03, size * 1.25, (0.05, 0.05, 0.05), 0.3)
    for share, color in ((1.25, (0.95, 0.94, 0.92)), (0.95, (0.85, 0.84, 0.82)), (0.85, (0.5, 0.32, 0.2))):
        canvas.disc(x, y, size * share, color)
    for share in (0.5, 0.34, 0.18):
        foam = mix((0.5, 0.32, 0.2), CREAM, 1 - share)
        canvas.ellipse(x, y + size * (0.4 - share), size * share, size * share * 0.8, foam)
