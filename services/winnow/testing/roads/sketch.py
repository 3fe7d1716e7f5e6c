"""A sheet to draw one object on, in metres, as it is seen by daylight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

PIXELS_PER_METRE = 64
Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lamp:
    """Something that shines at night; place as shares of the picture from its top left."""

    across: float
    down: float
    colour: Colour
    radius: float
    """Metres, of its glow."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How one object appears. Two looks are never equal unless they are the same."""

    image: Image.Image
    """RGBX, cut to what is drawn. The fourth channel tells where; elsewhere is the mean colour, so
    that shrinking mixes nothing foreign into the edges."""
    shining: Image.Image
    """L: 255 where the object shines by itself at night."""
    width: float
    """Metres, as is `height`."""
    height: float
    lamps: tuple[Lamp, ...] = ()


class Sketch:
    """Draws with x from the left and y up from the ground, both in metres."""

    def __init__(self, width: float, height: float) -> None:
        size = (round(width * PIXELS_PER_METRE), round(height * PIXELS_PER_METRE))
        self._height = size[1]
        self._image = Image.new("RGBA", size)
        self._draw = ImageDraw.Draw(self._image)
        self._shining = Image.new("L", size)
        self._lamps: list[tuple[Point, Colour, float]] = []

    def box(self, left: float, low: float, right: float, high: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self._draw.rectangle([*self._at(left, high), *self._at(right, low)], fill=colour)

    def oval(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        """Fill an ellipse around a center, with half its axes given."""
        corners = [*self._at(x - wide, y + high), *self._at(x + wide, y - high)]
        self._draw.ellipse(corners, fill=colour)

    def ring(self, x: float, y: float, radius: float, thick: float, colour: Colour) -> None:
        """Draw a circle's line."""
        corners = [*self._at(x - radius, y + radius), *self._at(x + radius, y - radius)]
        self._draw.ellipse(corners, outline=colour, width=max(1, round(thick * PIXELS_PER_METRE)))

    def line(self, points: Sequence[Point], thick: float, colour: Colour) -> None:
        """Draw joined strokes."""
        pixels = [self._at(*point) for point in points]
        wide = max(1, round(thick * PIXELS_PER_METRE))
        self._draw.line(pixels, fill=colour, width=wide, joint="curve")

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(*point) for point in points], fill=colour)

    def lamp(self, x: float, y: float, size: float, colour: Colour, *, glow: float) -> None:
        """Draw a disc that shines at night, its glow so many metres wide."""
        self.oval(x, y, size, size, colour)
        corners = [*self._at(x - size, y + size), *self._at(x + size, y - size)]
        ImageDraw.Draw(self._shining).ellipse(corners, fill=255)
        self._lamps.append((self._at(x, y), colour, glow))

    def done(self, rng: np.random.Generator) -> Look:
        """Cut the sheet to what was drawn, and give it grain, and light from one side."""
        cut = self._image.getbbox() or (0, 0, 1, 1)
        image, shining = self._image.crop(cut), self._shining.crop(cut)
        wide, high = image.size
        pixels = np.asarray(image, dtype=np.float32).copy()
        coarse = rng.standard_normal((max(2, high // 7), max(2, wide // 7))).astype(np.float32)
        grain = np.asarray(Image.fromarray(coarse).resize((wide, high), Image.Resampling.BILINEAR))
        side = np.linspace(-0.16, 0.16, wide, dtype=np.float32) * (1 if rng.random() < 0.5 else -1)
        pixels[..., :3] *= (1 + 0.09 * grain + side)[..., None]
        there = pixels[..., 3] > 0
        pixels[~there, :3] = pixels[there, :3].mean(axis=0)
        lamps = tuple(
            Lamp((x - cut[0]) / wide, (y - cut[1]) / high, colour, glow)
            for (x, y), colour, glow in self._lamps
        )
        shaded = np.clip(pixels, 0, 255).astype(np.uint8).tobytes()
        image = Image.frombytes("RGBX", (wide, high), shaded)
        return Look(image, shining, wide / PIXELS_PER_METRE, high / PIXELS_PER_METRE, lamps)

    def _at(self, x: float, y: float) -> Point:
        return x * PIXELS_PER_METRE, self._height - 1 - y * PIXELS_PER_METRE
