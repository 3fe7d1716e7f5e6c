"""The committee in this process: ring 1, and tests of the model that KServe serves."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.ids import CommitteeVersion
from winnow.ports.blobs import Blobs
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.committee import CommitteeModel


class LocalCommittee:
    """Keeps the last few committee versions in memory; older ones are loaded again when asked.

    Parameters
    ----------
    versions_max
        Versions kept: two rounds may overlap, each with its own.
    """

    def __init__(self, blobs: Blobs, *, versions_max: int = 2) -> None:
        self._blobs = blobs
        self._versions_max = versions_max
        self._models: OrderedDict[tuple[CommitteeVersion, str], CommitteeModel] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        """Load the members from the object store unless they are in memory.

        Raises
        ------
        IntegrityError
            A checkpoint is not what its reference says.
        """
        key = (version, members.sha256)
        with self._lock:
            if key not in self._models:
                self._models[key] = CommitteeModel.load(self._blobs, members)
            self._models.move_to_end(key)
            while len(self._models) > self._versions_max:
                self._models.popitem(last=False)
            return self._models[key].member_names

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score with a loaded version.

        Raises
        ------
        NotFound
            The version was not loaded, or has made room for others since.
        """
        return self._loaded(version).score(frames)

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give probability maps of a loaded version; raises as `score` does."""
        return self._loaded(version).maps(frames)

    def _loaded(self, version: CommitteeVersion) -> CommitteeModel:
        with self._lock:
            found = [model for (name, _), model in self._models.items() if name == version]
        if not found:
            msg = f"committee {version!r}: expected it to be loaded first, found it is not"
            raise NotFound(msg)
        return found[-1]
