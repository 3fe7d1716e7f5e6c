"""Object detection, whatever the network: labels, temperatures, maps, boxes.

Layout of outputs: float32 [N, C + 4, h, w]. The first C channels are logits of the maps (is an
object of this class centred in this cell), calibrated: probabilities. Of each cell the last four
are the way to the object's centre (x, y) and the logarithms of its width and height, in cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.acquisition.map_information import map_mutual_information
from winnow.calibration.map_temperature import fit_map_temperature, map_log_likelihood
from winnow.domain.boxes import boxes_of
from winnow.tasks.examples import Examples, Values
from winnow.tasks.from_pixels import FromPixels
from winnow.tasks.map_decoding import BOX_CHANNELS, boxes_text, decode
from winnow.tasks.map_targets import render
from winnow.tasks.task import Outputs, Said

PRIOR_STRENGTH = 5.0
"""Objects' worth of belief in a temperature of 1."""


class MapOutputs(FromPixels):
    """What every family of detection networks shares; see `winnow.tasks.task.Task`."""

    kind = "detection"

    def target(self, label: str, *, class_names: Sequence[str], size: tuple[int, int]) -> Values:
        """Give of each object class index, x, y, width and height as shares of the frame.

        Raises
        ------
        BadInput
            No detection label, an unknown class, or a box without area or outside the frame.
        """
        index = {name: c for c, name in enumerate(class_names)}
        width, height = size
        rows = [
            (
                index[box.class_name],
                box.x / width,
                box.y / height,
                box.width / width,
                box.height / height,
            )
            for box in boxes_of(label, class_names=class_names, size=size)
        ]
        return np.array(rows, dtype=np.float32).reshape(len(rows), 5)

    def calibrate(self, outputs: Outputs, examples: Examples) -> tuple[float, ...]:
        """Fit one temperature for each class's map."""
        n_classes = outputs.shape[1] - BOX_CHANNELS
        hits, clear = centres(examples, n_classes=n_classes, shape=outputs.shape[2:])
        return tuple(
            fit_map_temperature(
                outputs[:, c][clear[:, c]],
                hits[:, c][clear[:, c]],
                prior_strength=PRIOR_STRENGTH,
            )
            for c in range(n_classes)
        )

    def calibration_loss(
        self, outputs: Outputs, examples: Examples, temperatures: Sequence[float]
    ) -> float:
        """Give the sum over all maps' clear cells, per object."""
        n_classes, n_objects = len(temperatures), len(examples.values)
        if not n_objects:
            return float("nan")
        hits, clear = centres(examples, n_classes=n_classes, shape=outputs.shape[2:])
        sums = [
            map_log_likelihood(outputs[:, c][clear[:, c]], hits[:, c][clear[:, c]], temperature=t)
            for c, t in enumerate(temperatures)
        ]
        return -sum(sums) / n_objects

    def calibrated(self, outputs: Outputs, temperatures: Sequence[float]) -> Outputs:
        """Give probabilities in place of the maps' logits."""
        scale = np.array(temperatures, dtype=np.float32)[:, None, None]
        calibrated = outputs.copy()
        maps = calibrated[:, :-BOX_CHANNELS]
        maps /= 2 * scale
        np.tanh(maps, out=maps)
        maps += 1
        maps *= np.float32(0.5)
        return calibrated

    def valid(self, calibrated: Outputs) -> bool:
        """Tell whether everything is finite."""
        return bool(np.isfinite(calibrated).all())

    def said(
        self,
        members: Sequence[Outputs],
        *,
        sizes_N2: npt.NDArray[np.int64],
        class_names: Sequence[str],
    ) -> Said:
        """Give `information_NC` and the boxes of the mean map."""
        maps_NMCHW = np.stack([self.maps(one) for one in members], axis=1)
        information_NC = map_mutual_information(maps_NMCHW.astype(np.float16))
        sizes = [(width, height) for width, height in sizes_N2.tolist()]
        boxes = [
            boxes_text(one, size=size, class_names=class_names)
            for one, size in zip(decode(*mean_maps(members)), sizes, strict=True)
        ]
        return Said(information_NC=information_NC.astype(np.float32), boxes=tuple(boxes))

    def maps(self, calibrated: Outputs) -> npt.NDArray[np.float32]:
        """Give the probability maps."""
        return calibrated[:, :-BOX_CHANNELS]


def mean_maps(members: Sequence[Outputs]) -> tuple[Values, Values]:
    """Give mean maps [N, C, h, w] and box fields [N, 4, h, w] of calibrated outputs.

    Where members differ on a box, those that see an object there count more.
    """
    maps, fields = np.zeros_like(members[0][:, :-4]), np.zeros_like(members[0][:, -4:])
    sums = np.zeros_like(members[0][:, :1])
    for one in members:
        seen = one[:, :-BOX_CHANNELS].max(axis=1, keepdims=True) + np.float32(1e-6)
        maps += one[:, :-BOX_CHANNELS]
        fields += one[:, -BOX_CHANNELS:] * seen
        sums += seen
    return maps / np.float32(len(members)), fields / sums


def centres(
    examples: Examples, *, n_classes: int, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Give which cells hold a centre, and of which it is clear what they should say.

    Both bool [N, C, h, w]. Beside a centre it is not clear: a person's box is a pixel off.
    """
    rows, columns = shape
    hits = np.zeros((len(examples), n_classes, rows, columns), dtype=np.bool_)
    clear = np.ones_like(hits)
    for pos in range(len(examples)):
        heat, _, _ = render(examples.of(pos), n_classes=n_classes, shape=(rows, columns))
        hits[pos] = heat == 1.0
        clear[pos] = hits[pos] | (heat == 0.0)
    return hits, clear
