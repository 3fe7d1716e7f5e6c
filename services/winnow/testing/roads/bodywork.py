"""Drawings of cars and trucks."""

from __future__ import annotations

import numpy as np

from winnow.testing.roads.sketch import Colour, Look, Point, Sketch

PAINTS: tuple[Colour, ...] = (
    (208, 210, 212), (150, 154, 160), (38, 40, 44), (66, 72, 84), (126, 30, 34), (34, 58, 110),
    (186, 178, 150), (40, 84, 66), (196, 150, 46), (92, 96, 60),
)  # fmt: skip
GLASS: Colour = (58, 70, 82)
TYRE: Colour = (26, 26, 28)
WHITE: Colour = (255, 248, 228)
RED: Colour = (255, 36, 26)


def car(rng: np.random.Generator, *, view: str) -> Look:
    """Draw a car from the `side`, the `front` or the `rear`."""
    paint = _paint(rng)
    tall, wide = float(rng.uniform(1.38, 1.72)), float(rng.uniform(1.68, 1.92))
    if view == "side":
        return _car_side(rng, paint, tall)
    x, half, waist = 1.1, wide / 2, 0.62 * tall
    sketch = Sketch(2.2, 2.0)
    for side in (-1, 1):
        outer, inner = x + side * half * 0.96, x + side * half * 0.66
        sketch.box(min(outer, inner), 0.0, max(outer, inner), 0.4, TYRE)
    sketch.box(x - half, 0.22, x + half, waist, paint)
    sketch.oval(x, waist, half, 0.1, paint)
    roof = half * float(rng.uniform(0.66, 0.78))
    cabin = [(x - half * 0.93, waist), (x + half * 0.93, waist), (x + roof, tall), (x - roof, tall)]
    sketch.shape(cabin, _darker(paint, 0.85))
    glass = [(x - half * 0.8, waist + 0.05), (x + half * 0.8, waist + 0.05),
             (x + roof * 0.88, tall - 0.08), (x - roof * 0.88, tall - 0.08)]  # fmt: skip
    sketch.shape(glass, GLASS)
    sketch.line([glass[0], glass[2]], 0.03, (96, 110, 122))
    sketch.box(x - half, 0.2, x + half, 0.36, _darker(paint, 0.55))
    if view == "front":
        sketch.box(x - half * 0.5, 0.42, x + half * 0.5, 0.58, (32, 32, 36))
    sketch.box(x - 0.24, 0.38, x + 0.24, 0.49, (214, 214, 208))
    for side in (-1, 1):
        at = (x + side * half * 0.78, 0.56 if view == "front" else 0.7)
        colour, glow = (WHITE, 0.9) if view == "front" else (RED, 0.35)
        sketch.lamp(*at, 0.1, colour, glow=glow)
    return sketch.done(rng)


def truck(rng: np.random.Generator, *, view: str) -> Look:
    """Draw a van or a truck from the `side`, the `front` or the `rear`."""
    paint, cab = _paint(rng), _paint(rng)
    van = rng.random() < 0.35
    tall, wide = (2.3, 2.0) if van else (float(rng.uniform(3.0, 3.7)), 2.5)
    if view == "side":
        return _truck_side(rng, paint, cab, tall)
    x, half = 1.4, wide / 2
    sketch = Sketch(2.8, 3.9)
    for side in (-1, 1):
        outer, inner = x + side * half * 0.95, x + side * half * 0.6
        sketch.box(min(outer, inner), 0.0, max(outer, inner), 0.6, TYRE)
    sketch.box(x - half, 0.42, x + half, tall, paint)
    if view == "front":
        roof = tall if van else 2.5
        sketch.box(x - half, 0.4, x + half, roof, cab)
        sketch.box(x - half * 0.86, 0.55 * roof, x + half * 0.86, 0.88 * roof, GLASS)
        sketch.box(x - half * 0.6, 0.75, x + half * 0.6, 1.0, (36, 36, 40))
    else:
        sketch.line([(x, 0.5), (x, tall - 0.1)], 0.05, _darker(paint, 0.5))
        sketch.line([(x - half, tall - 0.05), (x + half, tall - 0.05)], 0.1, _darker(paint, 0.7))
        if rng.random() < 0.5:
            sign = _paint(rng)
            sketch.box(x - half * 0.6, 0.6 * tall, x + half * 0.6, 0.8 * tall, sign)
    sketch.box(x - half, 0.36, x + half, 0.55, (54, 54, 58))
    for side in (-1, 1):
        colour, glow = (WHITE, 0.9) if view == "front" else (RED, 0.35)
        sketch.lamp(x + side * half * 0.8, 0.68, 0.11, colour, glow=glow)
    return sketch.done(rng)


def _car_side(rng: np.random.Generator, paint: Colour, tall: float) -> Look:
    sketch = Sketch(5.0, 2.0)
    start, long, waist = 0.3, float(rng.uniform(3.9, 4.5)), 0.6 * tall
    end = start + long
    sketch.shape([(start, 0.3), (start, waist * 0.9), (start + 0.9, waist), (end - 0.6, waist),
                  (end, waist * 0.8), (end, 0.3)], paint)  # fmt: skip
    cabin: list[Point] = [(start + 0.3, waist), (start + 0.8, tall), (end - 1.9, tall),
                          (end - 1.1, waist)]  # fmt: skip
    sketch.shape(cabin, _darker(paint, 0.85))
    sketch.shape([(start + 0.55, waist + 0.03), (start + 0.9, tall - 0.08),
                  (end - 1.95, tall - 0.08), (end - 1.3, waist + 0.03)], GLASS)  # fmt: skip
    sketch.line(
        [(start + long * 0.45, 0.35), (start + long * 0.45, tall)], 0.06, _darker(paint, 0.7)
    )
    for x in (start + 0.75, end - 0.8):
        sketch.oval(x, 0.32, 0.33, 0.33, TYRE)
        sketch.oval(x, 0.32, 0.18, 0.18, (150, 152, 156))
    sketch.lamp(end - 0.08, 0.55 * waist + 0.2, 0.08, WHITE, glow=0.5)
    sketch.lamp(start + 0.06, 0.6 * waist + 0.2, 0.07, RED, glow=0.3)
    return sketch.done(rng)


def _truck_side(rng: np.random.Generator, paint: Colour, cab: Colour, tall: float) -> Look:
    long = float(rng.uniform(5.5, 8.0))
    sketch = Sketch(long + 0.6, 3.9)
    sketch.box(0.2, 0.6, long - 1.7, tall, paint)
    sketch.box(long - 1.6, 0.5, long + 0.3, min(tall, 2.6), cab)
    sketch.box(long - 1.1, 1.5, long + 0.2, min(tall, 2.6) - 0.25, GLASS)
    if rng.random() < 0.5:
        sketch.box(1.0, 0.5 * tall, long - 2.6, 0.75 * tall, _paint(rng))
    for x in (1.2, 2.2, long - 0.7):
        sketch.oval(x, 0.48, 0.48, 0.48, TYRE)
        sketch.oval(x, 0.48, 0.22, 0.22, (130, 132, 136))
    sketch.lamp(long + 0.2, 0.8, 0.1, WHITE, glow=0.6)
    return sketch.done(rng)


def _paint(rng: np.random.Generator) -> Colour:
    red, green, blue = PAINTS[rng.integers(len(PAINTS))]
    shift = rng.integers(-14, 15, 3)
    return _clipped(red + shift[0], green + shift[1], blue + shift[2])


def _darker(colour: Colour, share: float) -> Colour:
    return _clipped(*(part * share for part in colour))


def _clipped(red: float, green: float, blue: float) -> Colour:
    low, high = 0, 255
    return (
        int(min(max(red, low), high)), int(min(max(green, low), high)),
        int(min(max(blue, low), high)),
    )  # fmt: skip
