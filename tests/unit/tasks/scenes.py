"""Tiny scenes with bright and dark rectangles, and what a network needs to learn them."""

from __future__ import annotations

import numpy as np

from winnow.domain.boxes import Box, label_of
from winnow.tasks.examples import Examples, examples_of
from winnow.tasks.task import NetworkConfig, task_named

CLASSES = ("bright", "dark")
HEIGHT, WIDTH = 32, 48
CONFIG = NetworkConfig(
    "grid_detection", CLASSES, HEIGHT, WIDTH, 4, (128.0, 128.0, 128.0), (60.0, 60.0, 60.0)
)


def scene(number: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str]:
    """Give pixels uint8 [3, 32, 48] and the label of one to two objects that do not touch."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(110, 146, size=(3, HEIGHT, WIDTH)).astype(np.uint8)
    boxes = []
    for half in rng.permutation(2)[: rng.integers(1, 3)].tolist():
        width, height = rng.integers(8, 15, size=2).tolist()
        x = 24 * half + int(rng.integers(0, 24 - width))
        y = int(rng.integers(0, HEIGHT - height))
        name = CLASSES[int(rng.integers(2))]
        pixels[:, y : y + height, x : x + width] = 240 if name == "bright" else 15
        boxes.append(Box(name, x, y, width, height))
    return pixels, label_of(boxes)


def scenes(start: int, stop: int) -> Examples:
    task = task_named("grid_detection")
    drawn = [scene(number) for number in range(start, stop)]
    targets = [task.target(label, class_names=CLASSES, size=(WIDTH, HEIGHT)) for _, label in drawn]
    return examples_of(np.stack([pixels for pixels, _ in drawn]), targets)
