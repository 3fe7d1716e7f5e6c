"""A folder of images. Sub-folders are classes if every image lies in one of several."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from winnow.adapters.frame_sources.media import IMAGE_TYPES, media_type_of, read_frame_file
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION
from winnow.ports.frame_source import SourceFrame

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


class FolderSource:
    """Images below a folder, by path.

    `cat/1.png, dog/2.png` are of classes cat and dog; `train/cat/1.png, test/dog/2.png` too.
    Folders below the class are sessions. Without classes, the folders themselves are sessions.

    Parameters
    ----------
    has_classes
        Whether folders may be classes; a vehicle's are sessions.

    Raises
    ------
    BadInput
        No image lies below the folder.
    """

    def __init__(self, root: Path, *, has_classes: bool = True) -> None:
        self._root, self._has_classes = root.resolve(), has_classes
        found = sorted(path for path in self._root.rglob("*") if visible(path, self._root))
        files = [path for path in found if path.is_file()]
        self._images = [path for path in files if path.suffix.lower() in IMAGE_TYPES]
        self._n_others = len(files) - len(self._images)
        self._links = [path for path in found if path.is_symlink() and not path.is_file()]
        if not self._images:
            known = " ".join(sorted(IMAGE_TYPES))
            left = "; ".join(self._left_out) or "nothing"
            msg = f"{root}: expected images ({known}), found {left}"
            raise BadInput(msg)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self._root.name

    @property
    def n_frames(self) -> int:
        """Number of images."""
        return len(self._images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class sub-folders, sorted; empty if there are none."""
        depth = self._class_depth
        return () if depth is None else tuple(sorted({p[depth] for p in self._folders}))

    @property
    def label_kind(self) -> str:
        """Its labels are classes."""
        return CLASSIFICATION

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken as what."""
        labels = (
            f"{len(self.class_names)} class sub-folders are known labels"
            if self.class_names
            else "no class sub-folders: no known labels"
        )
        return (labels, *self._left_out)

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the images by path."""
        depth = self._class_depth
        below = 0 if depth is None else depth + 1
        for pos in range(self.n_frames) if positions is None else sorted(positions):
            path, folders = self._images[pos], self._folders[pos]
            yield SourceFrame(
                data=read_frame_file(path),
                name=path.relative_to(self._root).as_posix(),
                media_type=media_type_of(path.name),
                label=None if depth is None else folders[depth],
                session="/".join(folders[below:]),
                tags={"split": folders[0]} if depth else {},
            )

    @property
    def _left_out(self) -> tuple[str, ...]:
        """What lies there and is no frame. Links to folders may lead round in circles."""
        others = (f"{self._n_others} other file(s) left out",) if self._n_others else ()
        if not self._links:
            return others
        first = self._links[0].relative_to(self._root)
        text = f"{len(self._links)} link(s) to folders or to nothing not followed, first {first}"
        return (*others, text)

    @cached_property
    def _folders(self) -> list[tuple[str, ...]]:
        return [path.relative_to(self._root).parts[:-1] for path in self._images]

    @cached_property
    def _class_depth(self) -> int | None:
        tops = {folders[:1] for folders in self._folders}
        if () in tops or not self._has_classes:
            return None
        if {top[0].lower() for top in tops} <= SPLITS:
            seconds = {folders[1:2] for folders in self._folders}
            return 1 if () not in seconds and len(seconds) > 1 else None
        return 0 if len(tops) > 1 else None


def visible(path: Path, root: Path) -> bool:
    """Tell whether nothing on the way from the root to a file is hidden."""
    hidden = any(part.startswith((".", "__")) for part in path.relative_to(root).parts)
    return not hidden
