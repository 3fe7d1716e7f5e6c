"""Drawings of what stands at a street and is no answer: some of it looks like a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from winnow.testing.roads.riders import clothes, motorcyclist, person
from winnow.testing.roads.sketch import Colour, Look, Point, Sketch

STEEL: Colour = (122, 126, 130)
SIGNS: tuple[Colour, ...] = ((196, 40, 40), (40, 84, 170), (230, 190, 60), (224, 224, 220))


def sign(rng: np.random.Generator) -> Look:
    """Draw a traffic sign on its pole: a head over a thin body."""
    tall = float(rng.uniform(1.7, 2.6))
    sketch = Sketch(1.4, 3.0)
    sketch.box(0.66, 0.0, 0.74, tall, STEEL)
    colour = SIGNS[rng.integers(len(SIGNS))]
    if rng.random() < 0.5:
        sketch.oval(0.7, tall, 0.3, 0.3, colour)
        sketch.oval(0.7, tall, 0.2, 0.2, (228, 228, 224))
    else:
        sketch.shape([(0.4, tall - 0.25), (1.0, tall - 0.25), (0.7, tall + 0.3)], colour)
    return sketch.done(rng)


def hydrant(rng: np.random.Generator) -> Look:
    """Draw a hydrant: a short body with a head."""
    colour = SIGNS[rng.integers(3)]
    sketch = Sketch(0.8, 1.2)
    sketch.box(0.28, 0.0, 0.52, 0.75, colour)
    sketch.oval(0.4, 0.78, 0.14, 0.12, colour)
    sketch.box(0.15, 0.45, 0.65, 0.58, colour)
    return sketch.done(rng)


def postbox(rng: np.random.Generator) -> Look:
    """Draw a box on a post, as tall as a child."""
    sketch = Sketch(1.0, 1.7)
    sketch.box(0.44, 0.0, 0.56, 0.8, STEEL)
    sketch.box(0.25, 0.7, 0.75, float(rng.uniform(1.2, 1.5)), clothes(rng))
    return sketch.done(rng)


def bin_(rng: np.random.Generator) -> Look:
    """Draw a bin with a lid."""
    colour = clothes(rng)
    sketch = Sketch(1.0, 1.4)
    sketch.shape([(0.2, 1.0), (0.8, 1.0), (0.72, 0.0), (0.28, 0.0)], colour)
    sketch.box(0.16, 1.0, 0.84, 1.12, (52, 54, 56))
    return sketch.done(rng)


def container(rng: np.random.Generator) -> Look:
    """Draw a container: the colours and the size of a car."""
    colour = clothes(rng)
    sketch = Sketch(2.4, 1.8)
    sketch.shape([(0.2, 1.3), (2.2, 1.3), (2.0, 0.15), (0.4, 0.15)], colour)
    sketch.box(0.15, 1.25, 2.25, 1.45, (48, 52, 54))
    for x in (0.6, 1.8):
        sketch.oval(x, 0.1, 0.1, 0.1, (26, 26, 28))
    return sketch.done(rng)


def kiosk(rng: np.random.Generator) -> Look:
    """Draw a kiosk or a shelter: the size of a truck's rear."""
    sketch = Sketch(3.2, 3.2)
    sketch.box(0.2, 0.0, 3.0, 2.6, clothes(rng))
    sketch.box(0.5, 1.0, 2.7, 2.2, (74, 86, 96))
    sketch.box(0.1, 2.6, 3.1, 2.85, clothes(rng))
    return sketch.done(rng)


def poster(rng: np.random.Generator) -> Look:
    """Draw a board that shows a person: a picture of one is none."""
    sketch = Sketch(1.6, 2.9)
    sketch.box(0.7, 0.0, 0.9, 0.8, STEEL)
    sketch.box(0.15, 0.7, 1.45, 2.6, (214, 208, 190))
    sketch.oval(0.8, 2.2, 0.2, 0.24, (206, 160, 126))
    sketch.shape([(0.4, 0.8), (1.2, 0.8), (1.05, 1.95), (0.55, 1.95)], clothes(rng))
    return sketch.done(rng)


def tree(rng: np.random.Generator) -> Look:
    """Draw a tree."""
    tall = float(rng.uniform(4.0, 7.0))
    green = rng.integers((40, 70, 30), (80, 116, 52))
    sketch = Sketch(5.0, 8.5)
    sketch.box(2.38, 0.0, 2.62, tall * 0.7, (78, 60, 44))
    for _ in range(9):
        spot: Point = (2.5 + float(rng.uniform(-1.1, 1.1)), tall * float(rng.uniform(0.6, 1.0)))
        shade = float(rng.uniform(0.75, 1.2))
        leaf = (int(green[0] * shade), int(green[1] * shade), int(green[2] * shade))
        sketch.oval(*spot, float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.5, 0.9)), leaf)
    return sketch.done(rng)


def shrub(rng: np.random.Generator) -> Look:
    """Draw a shrub, as tall as a person."""
    sketch = Sketch(2.0, 2.0)
    for _ in range(7):
        shade = float(rng.uniform(0.7, 1.2))
        leaf = (int(56 * shade), int(86 * shade), int(44 * shade))
        sketch.oval(1.0 + float(rng.uniform(-0.4, 0.4)), float(rng.uniform(0.3, 1.2)),
                    0.4, float(rng.uniform(0.3, 0.5)), leaf)  # fmt: skip
    return sketch.done(rng)


def street_lamp(rng: np.random.Generator) -> Look:
    """Draw a street lamp."""
    sketch = Sketch(2.0, 6.4)
    sketch.box(0.45, 0.0, 0.58, 5.8, (84, 88, 92))
    sketch.box(0.45, 5.7, 1.5, 5.82, (84, 88, 92))
    sketch.lamp(1.4, 5.65, 0.17, (255, 226, 168), glow=1.1)
    return sketch.done(rng)


def rack(rng: np.random.Generator) -> Look:
    """Draw a rack for bicycles, without any: rings at their height."""
    sketch = Sketch(2.4, 1.0)
    for x in np.arange(0.4, 2.1, float(rng.uniform(0.4, 0.6))):
        sketch.ring(float(x), 0.4, 0.4, 0.05, STEEL)
    return sketch.done(rng)


def scarecrow(rng: np.random.Generator) -> Look:
    """Draw a sack barrow with a coat over it: almost a person, without a head."""
    whole = person(rng, phase=1)
    below = round(0.22 * whole.image.height)
    image = whole.image.crop((0, below, whole.image.width, whole.image.height))
    shining = whole.shining.crop((0, below, whole.image.width, whole.image.height))
    return Look(image, shining, whole.width, whole.height * image.height / whole.image.height)


def moped(rng: np.random.Generator) -> Look:
    """Draw a motorcycle that stands, seen from ahead or behind."""
    return motorcyclist(rng, view="rear" if rng.random() < 0.5 else "front")


FURNITURE: Final[dict[str, tuple[Callable[[np.random.Generator], Look], float]]] = {
    "sign": (sign, 3.0),
    "hydrant": (hydrant, 1.5),
    "postbox": (postbox, 1.5),
    "bin": (bin_, 2.0),
    "container": (container, 0.8),
    "kiosk": (kiosk, 0.5),
    "poster": (poster, 0.8),
    "tree": (tree, 2.5),
    "shrub": (shrub, 2.0),
    "rack": (rack, 0.8),
    "barrow": (scarecrow, 0.5),
    "moped": (moped, 0.6),
}
"""Kind, then how it is drawn and how common it is beside the others."""
