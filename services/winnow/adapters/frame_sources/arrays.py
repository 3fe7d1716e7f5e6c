"""Images as arrays in an `.npz`, as many data sets ship."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION
from winnow.ports.frame_source import SourceFrame

PAIRS = (("x_train", "y_train"), ("x", "y"), ("images", "labels"), ("X", "y"), ("data", "target"))
"""Names of images and labels that are looked for, in this order."""
UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile say of damaged, encrypted or foreign files."""


class ArraySource:
    """Images [N, H, W], [N, H, W, 1], [N, H, W, 3] or channels-first; labels are optional.

    uint8 is taken as it is. Other numbers are scaled so that the largest of the whole array is
    white (255): that fits 0–1, 0–16 and 0–255. Frames are stored as PNG.

    Raises
    ------
    BadInput
        No `.npz`, no array of images in it, labels of another length, or labels that are no
        positions in `class_names`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._images_name, self._labels_name, self._others = _names(path)

    @property
    def name(self) -> str:
        """Folder and file: many data sets are called `images.npz`."""
        return f"{self._path.resolve().parent.name}-{self._path.stem}"

    @property
    def n_frames(self) -> int:
        """Number of images."""
        return len(self._images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Array `class_names` of the file, else the labels as text, sorted."""
        if self._labels is None:
            return ()
        if "class_names" not in self._others:
            return tuple(str(label) for label in sorted(set(self._labels.tolist())))
        given = _load(self._path, "class_names")
        names = tuple(str(name) for name in given.reshape(-1).tolist())
        if given.ndim != 1 or len(set(names)) < len(names):
            where = f"{self._path}: array 'class_names'"
            msg = f"{where}: expected one row of different names, found {given.tolist()}"
            raise BadInput(msg)
        return names

    @property
    def label_kind(self) -> str:
        """Its labels are classes."""
        return CLASSIFICATION

    @property
    def notes(self) -> tuple[str, ...]:
        """Which arrays were read."""
        labels = f"labels from {self._labels_name!r}" if self._labels_name else "no labels"
        left = [name for name in self._others if name != "class_names"]
        rest = (f"arrays left out: {', '.join(left)}",) if left else ()
        return (f"images from {self._images_name!r}, {labels}", *rest)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the images in the order of the array, as PNG."""
        from PIL import Image

        for pos in range(self.n_frames) if positions is None else sorted(positions):
            sink = io.BytesIO()
            Image.fromarray(self._pixels(pos)).save(sink, format="PNG")
            yield SourceFrame(
                data=sink.getvalue(),
                name=f"{self._images_name}/{pos:08d}",
                media_type="image/png",
                label=self._label(pos),
            )

    def _pixels(self, pos: int) -> npt.NDArray[np.uint8]:
        image = self._images[pos]
        if image.dtype == np.uint8:
            return np.ascontiguousarray(image)
        grey = image.astype(np.float64) * (255.0 / self._white)
        return np.asarray(np.rint(grey), dtype=np.uint8)

    def _label(self, pos: int) -> str | None:
        if self._labels is None:
            return None
        label = self._labels[pos]
        return self.class_names[int(label)] if self._by_number else str(label)

    @cached_property
    def _by_number(self) -> bool:
        """Tell whether labels are positions in `class_names`; all of them are looked at once."""
        if self._labels is None or "class_names" not in self._others:
            return False
        by_number = bool(np.issubdtype(self._labels.dtype, np.number))
        known = np.arange(len(self.class_names)) if by_number else np.asarray(self.class_names)
        strangers = np.flatnonzero(~np.isin(self._labels, known))
        if len(strangers):
            first = int(strangers[0])
            found = f"{len(strangers)} other(s), the first {self._labels[first]} at {first}"
            names = f"positions 0 to {len(known) - 1} in" if by_number else "names of"
            msg = (
                f"{self._path}: array {self._labels_name!r}: expected {names} class_names, "
                f"found {found}"
            )
            raise BadInput(msg)
        return by_number

    @cached_property
    def _white(self) -> float:
        return float(self._images.max()) or 1.0

    @cached_property
    def _images(self) -> npt.NDArray[np.generic]:
        where = f"{self._path}: array {self._images_name!r}"
        images = _load(self._path, self._images_name)
        if images.ndim == 4 and images.shape[-1] not in {1, 3} and images.shape[1] in {1, 3}:
            images = np.moveaxis(images, 1, -1)
        if images.ndim == 4 and images.shape[-1] == 1:
            images = images[..., 0]
        if (
            images.ndim not in {3, 4}
            or not len(images)
            or (images.ndim == 4 and images.shape[-1] != 3)
        ):
            msg = f"{where}: expected images [N, H, W] or [N, H, W, 3], found shape {images.shape}"
            raise BadInput(msg)
        if images.dtype.kind not in "biuf":
            msg = f"{where}: expected real numbers, found {images.dtype}"
            raise BadInput(msg)
        if images.dtype != np.uint8 and not (np.isfinite(images).all() and images.min() >= 0):
            msg = f"{where}: expected finite numbers of at least 0"
            raise BadInput(msg)
        return images

    @cached_property
    def _labels(self) -> npt.NDArray[np.generic] | None:
        if self._labels_name is None:
            return None
        labels = _load(self._path, self._labels_name)
        labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.shape != (self.n_frames,):
            msg = (
                f"{self._path}: array {self._labels_name!r}: expected one label for each of "
                f"{self.n_frames} images, found shape {labels.shape}"
            )
            raise BadInput(msg)
        return labels


def _names(path: Path) -> tuple[str, str | None, tuple[str, ...]]:
    try:
        # By its content and not by its name, np.load would open a single array (.npy) as well.
        with path.open("rb") as file, np.lib.npyio.NpzFile(file) as archive:
            names = tuple(archive.files)
    except UNREADABLE as error:
        msg = f"{path}: expected an .npz archive of arrays, found: {error}"
        raise BadInput(msg) from error
    for images, labels in PAIRS:
        if images in names:
            found = labels if labels in names else None
            return images, found, tuple(name for name in names if name not in {images, labels})
    expected = ", ".join(f"{images}/{labels}" for images, labels in PAIRS)
    msg = (
        f"{path}: expected arrays {expected} (labels optional), found {', '.join(names) or 'none'}"
    )
    raise BadInput(msg)


def _load(path: Path, name: str) -> npt.NDArray[np.generic]:
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file) as archive:
            array: npt.NDArray[np.generic] = archive[name]
            return array
    except (*UNREADABLE, MemoryError) as error:
        msg = f"{path}: array {name!r}: expected plain numbers or text, found: {error}"
        raise BadInput(msg) from error
