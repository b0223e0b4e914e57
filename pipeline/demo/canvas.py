"""A small canvas: flat shapes, gradients, light and texture on an RGB picture, in units of the picture's sides.

Coordinates run from (0, 0) at the top left to (1, 1) at the bottom right; radii and widths are in units of the width
where they are horizontal and of the height where they are vertical; colours are RGB triples in 0..1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Color = tuple[float, float, float]
Point = tuple[float, float]
Pixels = npt.NDArray[np.uint8]

_SHIFT = 4  # cv2's sub-pixel bits


def mix(first: Color, second: Color, share: float) -> Color:
    """`first` with this share (0..1) of `second` in it."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(color: Color, factor: float) -> Color:
    """`color` made darker (factor < 1) or brighter (> 1), kept in 0..1."""
    red, green, blue = (min(1.0, max(0.0, part * factor)) for part in color)
    return red, green, blue


def jitter(rng: np.random.Generator, color: Color, amount: float) -> Color:
    """`color` with each part moved by a normal error of this deviation, kept in 0..1."""
    red, green, blue = np.clip(np.asarray(color) + rng.normal(0, amount, 3), 0, 1).tolist()
    return red, green, blue


class Canvas:
    """`pixels` (height, width, 3) uint8 RGB, and the strokes that change them."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Pixels = np.zeros((height, width, 3), np.uint8)

    def gradient(self, y0: float, y1: float, top: Color, bottom: Color) -> None:
        """Fill the band between two heights with a vertical gradient."""
        height = len(self.pixels)
        first, last = max(0, round(y0 * height)), min(height, round(y1 * height))
        if last > first:
            share = np.linspace(0, 1, last - first)[:, None, None]
            band = np.asarray(top) * (1 - share) + np.asarray(bottom) * share
            self.pixels[first:last] = (band * 255).astype(np.uint8)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Fill an upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)

    def polygon(self, points: list[Point], color: Color, alpha: float = 1.0) -> None:
        """Fill a polygon, opaque or with this alpha."""
        import cv2

        corners = [self._fixed(np.asarray(points, np.float64))]
        target = self.pixels if alpha >= 1 else self.pixels.copy()
        cv2.fillPoly(target, corners, _scalar(color), cv2.LINE_AA, _SHIFT)
        self._blend(target, alpha)

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color, alpha: float = 1.0) -> None:
        """Fill an upright ellipse with its centre at (x, y)."""
        import cv2

        centre, axes = self._fixed(np.asarray([(x, y), (abs(rx), abs(ry))]))
        target = self.pixels if alpha >= 1 else self.pixels.copy()
        cv2.ellipse(target, _pair(centre), _pair(axes), 0, 0, 360, _scalar(color), -1, cv2.LINE_AA, _SHIFT)
        self._blend(target, alpha)

    def disc(self, x: float, y: float, radius: float, color: Color, alpha: float = 1.0) -> None:
        """Fill a circle; its radius is in units of the width, whatever the picture's shape."""
        height, width = self.pixels.shape[:2]
        self.ellipse(x, y, radius, radius * width / height, color, alpha)

    def line(self, points: list[Point], color: Color, thickness: float) -> None:
        """Draw a line through these points; thickness in units of the width."""
        import cv2

        width = max(1, round(thickness * self.pixels.shape[1]))
        path = [self._fixed(np.asarray(points, np.float64))]
        cv2.polylines(self.pixels, path, False, _scalar(color), width, cv2.LINE_AA, _SHIFT)

    def glow(self, x: float, y: float, radius: float, color: Color, strength: float) -> None:
        """Add light that fades out with distance; radius in units of the width."""
        height, width = self.pixels.shape[:2]
        reach = 3 * radius * width
        top, left = max(0, int(y * height - reach)), max(0, int(x * width - reach))
        bottom, right = min(height, int(y * height + reach) + 1), min(width, int(x * width + reach) + 1)
        if bottom <= top or right <= left:
            return
        rows, columns = np.ogrid[top:bottom, left:right]
        square = ((columns - x * width) ** 2 + (rows - y * height) ** 2).astype(np.float32)
        light = np.exp(-square / np.float32(2 * (radius * width) ** 2))[..., None]
        window = self.pixels[top:bottom, left:right]
        added = window + light * (np.asarray(color, np.float32) * np.float32(255 * strength))
        self.pixels[top:bottom, left:right] = np.minimum(added, 255).astype(np.uint8)

    def texture(
        self, rng: np.random.Generator, y0: float, y1: float, *, cells: tuple[int, int], amount: float
    ) -> None:
        """Make the band between two heights lighter and darker by smooth noise of `cells` (across, down) bumps."""
        import cv2

        height, width = self.pixels.shape[:2]
        first, last = max(0, round(y0 * height)), min(height, round(y1 * height))
        if last - first < 2:
            return
        noise = rng.normal(0, amount, (cells[1], cells[0])).astype(np.float32)
        smooth = cv2.resize(noise, (width, last - first), interpolation=cv2.INTER_CUBIC)[..., None]
        band = self.pixels[first:last]
        self.pixels[first:last] = np.clip(band * (1 + smooth), 0, 255).astype(np.uint8)

    def _fixed(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        height, width = self.pixels.shape[:2]
        return np.round(points * (width, height) * (1 << _SHIFT)).astype(np.int32)

    def _blend(self, target: Pixels, alpha: float) -> None:
        import cv2

        if target is not self.pixels:
            self.pixels = np.asarray(cv2.addWeighted(target, alpha, self.pixels, 1 - alpha, 0), np.uint8)


def _scalar(color: Color) -> tuple[float, float, float]:
    return color[0] * 255, color[1] * 255, color[2] * 255


def _pair(values: npt.NDArray[Any]) -> tuple[int, int]:
    return int(values[0]), int(values[1])
