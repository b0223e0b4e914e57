"""Scenes under the sky: lookout, garden, bridge, ferry, tram street, and two that could be anywhere.

A scene draws one picture of its kind on a canvas, never twice the same; its style gives it the colours of one place.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.demo.canvas import Canvas, Color, jitter, mix, shade

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Style:
    """The two colours by which a place is known."""

    accent: Color
    second: Color


@dataclass(frozen=True, kw_only=True)
class Sky:
    """Colours of the sky at some hour, and how bright it leaves what stands below it."""

    top: Color
    bottom: Color
    light: float


SKIES = (
    Sky(top=(0.25, 0.52, 0.86), bottom=(0.75, 0.88, 0.97), light=1.0),
    Sky(top=(0.44, 0.66, 0.90), bottom=(0.92, 0.93, 0.90), light=0.95),
    Sky(top=(0.62, 0.66, 0.70), bottom=(0.84, 0.85, 0.85), light=0.8),
    Sky(top=(0.33, 0.29, 0.54), bottom=(0.98, 0.62, 0.42), light=0.7),
    Sky(top=(0.55, 0.45, 0.66), bottom=(0.99, 0.80, 0.62), light=0.85),
    Sky(top=(0.05, 0.08, 0.20), bottom=(0.19, 0.23, 0.41), light=0.42),
)
HOURS = (0.27, 0.2, 0.17, 0.14, 0.12, 0.1)
WHITE: Color = (1.0, 1.0, 1.0)


def draw_sky(canvas: Canvas, rng: Rng, horizon: float) -> Sky:
    """Sky down to the horizon, with a sun or moon and some clouds."""
    sky = SKIES[rng.choice(len(SKIES), p=HOURS)]
    sky = Sky(top=jitter(rng, sky.top, 0.04), bottom=jitter(rng, sky.bottom, 0.03), light=sky.light)
    canvas.gradient(0, horizon, sky.top, sky.bottom)
    if rng.random() < 0.45:
        x, y = rng.uniform(0.1, 0.9), rng.uniform(0.12, horizon * 0.8)
        canvas.glow(x, y, 0.09, (1.0, 0.9, 0.7), 0.5)
        canvas.disc(x, y, 0.035, mix(sky.bottom, (1.0, 0.96, 0.84), 0.85))
    for _ in range(rng.integers(0, 5)):
        x, y, size = rng.uniform(0, 1), rng.uniform(0.05, horizon * 0.75), rng.uniform(0.08, 0.2)
        for dx in (-0.5, 0.1, 0.6):
            canvas.ellipse(x + dx * size, y, size * 0.7, size * 0.2, mix(sky.bottom, WHITE, 0.5), 0.4)
    return sky


def draw_water(canvas: Canvas, rng: Rng, sky: Sky, y0: float, y1: float = 1.0) -> None:
    """Water that mirrors the sky, with ripples."""
    tint = jitter(rng, (0.16, 0.36, 0.45), 0.04)
    near, far = shade(mix(sky.top, tint, 0.6), 0.75 * sky.light + 0.2), mix(sky.bottom, tint, 0.35)
    canvas.gradient(y0, y1, far, near)
    canvas.texture(rng, y0, y1, cells=(12, 40), amount=0.09)


def draw_skyline(canvas: Canvas, rng: Rng, sky: Sky, base: float, height: float) -> None:
    """Far houses along the horizon."""
    x = rng.uniform(-0.05, 0.0)
    while x < 1:
        width, top = rng.uniform(0.04, 0.11), base - height * rng.uniform(0.3, 1.0)
        canvas.rectangle(x, top, x + width, base, mix(shade((0.45, 0.47, 0.55), sky.light), sky.bottom, 0.35))
        x += width


def draw_trees(canvas: Canvas, rng: Rng, light: float, base: float, size: float) -> None:
    """A row of round trees whose feet stand at `base`."""
    for x in np.arange(rng.uniform(-0.1, 0.05), 1.1, size * 0.9).tolist():
        green = shade(jitter(rng, (0.22, 0.45, 0.2), 0.05), light)
        top = base - size * rng.uniform(0.6, 1.1)
        canvas.rectangle(x - 0.01, top, x + 0.01, base, shade((0.35, 0.25, 0.17), light))
        canvas.ellipse(x, top, size * 0.6, size * 0.65, green)
        canvas.ellipse(x - size * 0.15, top - size * 0.15, size * 0.35, size * 0.35, shade(green, 1.2), 0.6)


def lookout(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Ridges below a sky, a tower on one of them, a railing in front."""
    horizon = rng.uniform(0.45, 0.62)
    sky = draw_sky(canvas, rng, horizon + 0.1)
    for step in range(3):
        base, rise = horizon + 0.12 * step, rng.uniform(0.05, 0.14)
        color = mix(shade(jitter(rng, (0.3, 0.42, 0.26), 0.05), sky.light), sky.bottom, 0.6 - 0.28 * step)
        ridge = [(x, base - rise * rng.random()) for x in np.linspace(0, 1, 7).tolist()]
        canvas.polygon([*ridge, (1.0, 1.0), (0.0, 1.0)], color)
        if step == 1:
            x, height = rng.uniform(0.2, 0.8), rng.uniform(0.16, 0.3)
            top, wall, roof = base - height, shade(style.second, sky.light), shade(style.accent, sky.light)
            canvas.polygon([(x - 0.03, base), (x - 0.02, top), (x + 0.02, top), (x + 0.03, base)], wall)
            canvas.polygon([(x - 0.04, top), (x, top - 0.08), (x + 0.04, top)], roof)
    canvas.texture(rng, horizon, 1, cells=(24, 16), amount=0.08)
    if rng.random() < 0.7:
        rail = shade(style.accent, 0.8 * sky.light)
        canvas.rectangle(0, 0.84, 1, 0.87, rail)
        for x in np.arange(rng.uniform(0, 0.1), 1, 0.11).tolist():
            canvas.rectangle(x, 0.84, x + 0.015, 1, shade(rail, 0.85))


def garden(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Trees behind a pond with lily pads, flowers in front."""
    horizon = rng.uniform(0.26, 0.42)
    sky = draw_sky(canvas, rng, horizon)
    lawn = shade(jitter(rng, (0.42, 0.6, 0.28), 0.04), sky.light)
    canvas.gradient(horizon, 1, lawn, shade(lawn, 0.7))
    canvas.texture(rng, horizon, 1, cells=(60, 40), amount=0.09)
    draw_trees(canvas, rng, sky.light, horizon + 0.06, rng.uniform(0.14, 0.24))
    x, y = rng.uniform(0.35, 0.65), rng.uniform(0.6, 0.7)
    canvas.ellipse(x, y, 0.42, 0.14, shade(mix(sky.top, (0.3, 0.5, 0.5), 0.4), 0.9 * sky.light + 0.1))
    for _ in range(rng.integers(6, 14)):
        angle, reach = rng.uniform(0, 6.28), rng.uniform(0.1, 0.9)
        dx, dy = 0.38 * reach * np.cos(angle), 0.12 * reach * np.sin(angle)
        canvas.ellipse(x + dx, y + dy, 0.035, 0.014, shade(lawn, 0.85))
    for _ in range(rng.integers(20, 60)):
        flower = shade(jitter(rng, style.accent if rng.random() < 0.65 else style.second, 0.05), sky.light)
        canvas.disc(rng.random(), rng.uniform(0.82, 1.0), rng.uniform(0.008, 0.02), flower)


def bridge(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A cable bridge over a river, the town behind."""
    horizon = rng.uniform(0.5, 0.62)
    sky = draw_sky(canvas, rng, horizon)
    draw_skyline(canvas, rng, sky, horizon, 0.16)
    draw_water(canvas, rng, sky, horizon)
    steel, deck = shade(style.accent, sky.light), horizon - rng.uniform(0.0, 0.08)
    for x in (rng.uniform(0.15, 0.3), rng.uniform(0.68, 0.85)):
        top = deck - rng.uniform(0.3, 0.4)
        for reach in np.linspace(0.06, 0.34, 6).tolist():
            for side in (-1, 1):
                canvas.line([(x, top), (x + side * reach, deck)], mix(steel, WHITE, 0.35), 0.004)
        canvas.polygon([(x - 0.025, deck + 0.14), (x - 0.012, top), (x + 0.012, top), (x + 0.025, deck + 0.14)], steel)
    canvas.rectangle(0, deck, 1, deck + 0.035, shade(steel, 0.7))
    canvas.rectangle(0, deck - 0.012, 1, deck, shade(style.second, sky.light))


def ferry(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A ferry on the water before a pier."""
    horizon = rng.uniform(0.38, 0.5)
    sky = draw_sky(canvas, rng, horizon)
    draw_skyline(canvas, rng, sky, horizon, 0.07)
    draw_water(canvas, rng, sky, horizon)
    x, y, size = rng.uniform(0.1, 0.4), horizon + rng.uniform(0.1, 0.18), rng.uniform(0.4, 0.6)
    white, hull = shade((0.95, 0.95, 0.93), sky.light), shade(style.accent, sky.light)
    canvas.rectangle(x + 0.12 * size, y - 0.3 * size, x + 0.8 * size, y, white)
    canvas.rectangle(x + 0.55 * size, y - 0.48 * size, x + 0.68 * size, y - 0.3 * size, shade(style.second, sky.light))
    for share in np.arange(0.17, 0.75, 0.09).tolist():
        left, right = x + share * size, x + (share + 0.05) * size
        canvas.rectangle(left, y - 0.21 * size, right, y - 0.1 * size, (0.16, 0.22, 0.3))
    keel = y + 0.15 * size
    canvas.polygon([(x, y), (x + size, y), (x + 0.9 * size, keel), (x + 0.08 * size, keel)], hull)
    canvas.rectangle(0, 0.9, 1, 1, shade((0.45, 0.33, 0.22), sky.light))
    for post in np.arange(rng.uniform(0, 0.15), 1, 0.2).tolist():
        canvas.rectangle(post, 0.74, post + 0.035, 1, shade((0.36, 0.26, 0.18), sky.light))
    for _ in range(rng.integers(0, 5)):
        gull, height = rng.random(), rng.uniform(0.05, 0.3)
        canvas.line([(gull, height), (gull + 0.02, height + 0.012), (gull + 0.04, height)], (0.9, 0.9, 0.9), 0.006)


def tram(canvas: Canvas, rng: Rng, style: Style) -> None:
    """A tram in a street of tall houses, wires overhead."""
    sky = draw_sky(canvas, rng, 0.6)
    x = -0.05
    while x < 1:
        width, top = rng.uniform(0.16, 0.28), rng.uniform(0.08, 0.3)
        wall = shade(jitter(rng, (0.72, 0.62, 0.52), 0.09), sky.light)
        canvas.rectangle(x, top, x + width, 0.72, wall)
        glass = shade((0.3, 0.36, 0.42), 0.6 + 0.5 * sky.light)
        for row in np.arange(top + 0.05, 0.66, 0.1).tolist():
            for column in np.arange(x + 0.025, x + width - 0.04, 0.06).tolist():
                canvas.rectangle(column, row, column + 0.03, row + 0.055, glass)
        x += width
    canvas.gradient(0.72, 1, shade((0.5, 0.5, 0.52), sky.light), shade((0.36, 0.36, 0.38), sky.light))
    canvas.texture(rng, 0.72, 1, cells=(50, 20), amount=0.06)
    x, size = rng.uniform(0.05, 0.35), rng.uniform(0.45, 0.62)
    y, body = 0.82, shade(style.accent, sky.light)
    canvas.rectangle(x, y - 0.34, x + size, y, body)
    canvas.rectangle(x, y - 0.13, x + size, y - 0.1, shade(style.second, sky.light))
    for share in np.arange(0.06, 0.9, 0.19).tolist():
        canvas.rectangle(x + share * size, y - 0.29, x + (share + 0.14) * size, y - 0.16, (0.2, 0.27, 0.33))
    for share in (0.2, 0.8):
        canvas.disc(x + share * size, y + 0.01, 0.03, (0.12, 0.12, 0.13))
    canvas.line([(x + size / 2, y - 0.34), (x + size / 2 + 0.05, 0.3)], (0.15, 0.15, 0.15), 0.006)
    for height in (0.3, 0.34):
        canvas.line([(0, height - 0.03), (1, height)], (0.15, 0.15, 0.15), 0.004)
    canvas.line([(0, 0.9), (1, 0.9)], (0.75, 0.75, 0.76), 0.008)


def sunset(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Sea and sky, anywhere."""
    horizon = rng.uniform(0.4, 0.7)
    sky = draw_sky(canvas, rng, horizon)
    draw_water(canvas, rng, sky, horizon)
    canvas.glow(rng.uniform(0.2, 0.8), horizon, 0.15, (1.0, 0.7, 0.4), 0.6)


def flowers(canvas: Canvas, rng: Rng, style: Style) -> None:
    """Flowers from near, anywhere."""
    canvas.gradient(0, 1, jitter(rng, (0.3, 0.45, 0.25), 0.06), jitter(rng, (0.16, 0.28, 0.15), 0.04))
    canvas.texture(rng, 0, 1, cells=(16, 16), amount=0.2)
    for _ in range(rng.integers(4, 12)):
        x, y, size = rng.random(), rng.random(), rng.uniform(0.05, 0.13)
        petal: Color = (rng.uniform(0.6, 1), rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.9))
        for angle in np.arange(0, 6.28, 1.05).tolist():
            canvas.disc(x + size * np.cos(angle), y + size * np.sin(angle), size * 0.6, jitter(rng, petal, 0.03))
        canvas.disc(x, y, size * 0.5, (0.95, 0.8, 0.3))
