"""Drawings of people: on foot, on bicycles, on motorcycles."""

from __future__ import annotations

import numpy as np

from winnow.testing.roads.sketch import Colour, Look, Point, Sketch

SKINS: tuple[Colour, ...] = ((236, 200, 172), (212, 160, 120), (164, 112, 80), (104, 70, 52))
HAIRS: tuple[Colour, ...] = ((40, 30, 24), (88, 60, 36), (170, 130, 70), (150, 150, 150))
CLOTHES: tuple[Colour, ...] = (
    (34, 36, 44), (48, 56, 84), (70, 70, 74), (60, 44, 38), (26, 44, 70), (96, 92, 84),
    (150, 40, 44), (40, 96, 64), (196, 188, 172), (70, 120, 180), (214, 150, 50), (120, 70, 130),
)  # fmt: skip
"""The dark ones come first: most people wear them."""
TYRE: Colour = (28, 28, 30)


def clothes(rng: np.random.Generator) -> Colour:
    """Give the colour of a garment, dark ones more often."""
    weights = np.linspace(2.0, 0.6, len(CLOTHES))
    return CLOTHES[int(rng.choice(len(CLOTHES), p=weights / weights.sum()))]


def person(rng: np.random.Generator, *, phase: int) -> Look:
    """Draw somebody on foot; `phase` 0 to 3 is the step."""
    tall = float(rng.uniform(1.05, 1.35) if rng.random() < 0.12 else rng.uniform(1.5, 1.92))
    broad = float(rng.uniform(0.9, 1.2)) * tall
    skin, hair = SKINS[rng.integers(len(SKINS))], HAIRS[rng.integers(len(HAIRS))]
    top, legs = clothes(rng), clothes(rng)
    extra = rng.random()
    swing = (-1.0, -0.25, 0.35, 1.0)[phase] * 0.13 * tall * (1 if rng.random() < 0.8 else 0.2)
    middle = 0.8
    sketch = Sketch(1.6, 2.6)
    for side in (-1, 1):
        hip = (middle + side * 0.04 * broad, 0.5 * tall)
        foot = (middle + side * swing + side * 0.03 * broad, 0.02)
        knee = ((hip[0] + foot[0]) / 2 + 0.02 * tall, 0.27 * tall)
        sketch.line([hip, knee, foot], 0.085 * tall, legs)
        sketch.oval(foot[0] + 0.03, 0.03, 0.08 * tall, 0.03, TYRE)
    if extra < 0.15:
        sketch.shape([(middle - 0.08 * broad, 0.55 * tall), (middle + 0.08 * broad, 0.55 * tall),
                      (middle + 0.15 * broad, 0.25 * tall), (middle - 0.15 * broad, 0.25 * tall)],
                     legs)  # fmt: skip
    _torso(sketch, rng, (middle, 0.47 * tall, 0.83 * tall), broad, top)
    for side in (-1, 1):
        shoulder = (middle + side * 0.115 * broad, 0.79 * tall)
        hand = (middle + side * 0.13 * broad - side * 0.8 * swing, 0.45 * tall)
        sketch.line([shoulder, hand], 0.06 * tall, top)
        sketch.oval(*hand, 0.03 * tall, 0.03 * tall, skin)
    _head(sketch, (middle, 0.92 * tall), tall, skin, hair)
    if 0.15 < extra < 0.35:
        sketch.box(middle - 0.2 * broad, 0.55 * tall, middle - 0.08 * broad, 0.8 * tall,
                   clothes(rng))  # fmt: skip
    if extra > 0.93:
        sketch.oval(middle, 1.06 * tall, 0.5, 0.14, clothes(rng))
        sketch.line([(middle + 0.1, 1.1 * tall), (middle + 0.1, 0.6 * tall)], 0.03, TYRE)
    return sketch.done(rng)


def cyclist(rng: np.random.Generator, *, view: str) -> Look:
    """Draw a bicycle and its rider from the `side`, the `front` or the `rear`."""
    frame = CLOTHES[rng.integers(len(CLOTHES))]
    skin, hair = SKINS[rng.integers(len(SKINS))], clothes(rng)
    top, legs = clothes(rng), clothes(rng)
    sketch = Sketch(2.2, 2.1)
    if view != "side":
        _from_ahead(sketch, rng, frame, (top, legs, skin, hair), tyre=0.05, bar=0.29)
        if rng.random() < 0.6:
            front = view == "front"
            colour: Colour = (250, 245, 225) if front else (255, 40, 30)
            sketch.lamp(1.1, 0.92 if front else 0.6, 0.04, colour, glow=0.25)
        return sketch.done(rng)
    back, ahead, radius = 0.55, 1.62, float(rng.uniform(0.31, 0.36))
    for x in (back, ahead):
        sketch.ring(x, radius, radius, 0.05, TYRE)
        for turn in np.arange(3) * np.pi / 3 + rng.uniform(0, 1):
            reach = (radius * float(np.cos(turn)), radius * float(np.sin(turn)))
            spoke = [(x - reach[0], radius - reach[1]), (x + reach[0], radius + reach[1])]
            sketch.line(spoke, 0.015, (140, 140, 140))
    saddle, pedals, bars = (0.85, 0.92), (1.02, 0.32), (1.5, 0.98)
    for stroke in ([(back, radius), saddle, pedals, (back, radius)], [pedals, (1.42, 0.75)],
                   [saddle, (1.42, 0.8)], [bars, (ahead, radius)]):  # fmt: skip
        sketch.line(stroke, 0.04, frame)
    _rider(sketch, (top, legs, skin, hair), saddle, bars, rng)
    return sketch.done(rng)


def motorcyclist(rng: np.random.Generator, *, view: str) -> Look:
    """Draw a motorcycle and its rider: no bicycle, and not unlike one."""
    body, top, legs = CLOTHES[rng.integers(len(CLOTHES))], clothes(rng), clothes(rng)
    helmet = CLOTHES[rng.integers(len(CLOTHES))]
    sketch = Sketch(2.3, 2.0)
    if view != "side":
        _from_ahead(sketch, rng, body, (top, legs, helmet, helmet), tyre=0.1, bar=0.36)
        sketch.oval(1.1, 0.72, 0.17, 0.2, body)
        front = view == "front"
        sketch.lamp(1.1, 0.8, 0.09, (255, 250, 235) if front else (255, 40, 30), glow=0.5)
        return sketch.done(rng)
    for x in (0.5, 1.75):
        sketch.ring(x, 0.3, 0.3, 0.12, TYRE)
        sketch.oval(x, 0.3, 0.08, 0.08, (120, 120, 124))
    sketch.shape([(0.35, 0.8), (0.9, 0.7), (1.4, 0.9), (1.75, 0.5), (1.35, 0.25), (0.7, 0.25)],
                 body)  # fmt: skip
    sketch.line([(1.75, 0.3), (1.5, 1.0)], 0.08, (120, 120, 124))
    _rider(sketch, (top, legs, helmet, helmet), (0.8, 0.8), (1.45, 0.98), rng)
    return sketch.done(rng)


def _torso(
    sketch: Sketch, rng: np.random.Generator, place: tuple[float, float, float], broad: float,
    top: Colour,
) -> None:  # fmt: skip
    x, low, high = place
    shoulders, hips = 0.125 * broad, 0.09 * broad
    sketch.shape([(x - shoulders, high), (x + shoulders, high), (x + hips, low), (x - hips, low)],
                 top)  # fmt: skip
    if rng.random() < 0.3:
        stripe = CLOTHES[rng.integers(len(CLOTHES))]
        for share in (0.3, 0.6):
            y = low + share * (high - low)
            sketch.box(x - hips, y, x + hips, y + 0.05, stripe)


def _head(sketch: Sketch, at: Point, tall: float, skin: Colour, hair: Colour) -> None:
    sketch.oval(at[0], at[1] + 0.012 * tall, 0.062 * tall, 0.07 * tall, hair)
    sketch.oval(at[0] + 0.012 * tall, at[1] - 0.012 * tall, 0.048 * tall, 0.055 * tall, skin)


def _from_ahead(
    sketch: Sketch, rng: np.random.Generator, frame: Colour,
    worn: tuple[Colour, Colour, Colour, Colour], *, tyre: float, bar: float,
) -> None:  # fmt: skip
    top, legs, skin, hair = worn
    x = 1.1
    sketch.box(x - tyre / 2, 0.0, x + tyre / 2, 0.68, TYRE)
    lift = float(rng.uniform(-0.15, 0.15))
    for side in (-1, 1):
        knee = (x + side * 0.17, 0.68 + side * lift)
        sketch.line(
            [(x + side * 0.1, 0.95), knee, (x + side * 0.1, 0.28 + side * lift)], 0.12, legs
        )
        sketch.line([(x + side * 0.19, 1.38), (x + side * bar, 1.02)], 0.09, top)
    _torso(sketch, rng, (x, 0.9, 1.45), 1.7, top)
    sketch.line([(x - bar, 1.0), (x + bar, 1.0)], 0.04, frame)
    sketch.line([(x, 1.0), (x, 0.6)], 0.05, frame)
    _head(sketch, (x, 1.6), 1.7, skin, hair)


def _rider(
    sketch: Sketch, worn: tuple[Colour, Colour, Colour, Colour], saddle: Point, bars: Point,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    top, legs, skin, hair = worn
    turn = float(rng.uniform(0, 2 * np.pi))
    foot = (1.02 + 0.16 * float(np.cos(turn)), 0.32 + 0.16 * float(np.sin(turn)))
    other = (2.04 - foot[0], 0.64 - foot[1])
    for end in (foot, other):
        sketch.line([saddle, (1.22, 0.5 + 0.5 * end[1]), end], 0.12, legs)
    shoulder = (saddle[0] + 0.3, saddle[1] + 0.5)
    sketch.line([(saddle[0], saddle[1] + 0.04), shoulder], 0.26, top)
    sketch.line([shoulder, bars], 0.09, top)
    _head(sketch, (shoulder[0] + 0.1, shoulder[1] + 0.2), 1.7, skin, hair)
