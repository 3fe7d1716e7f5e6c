"""Frozen features, computed once: a frame's vector is kept under its content and its encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from winnow.ports.encoder import Encoder
from winnow.tasks.decode import decode_rgb
from winnow.tasks.shard_embedding import encoded
from winnow.tasks.whole_files import write_whole

Pixels = npt.NDArray[np.uint8]
Singles = npt.NDArray[np.float32]
Frame: TypeAlias = bytes | Pixels
"""As stored (PNG, JPEG, …), or decoded: RGB uint8 [height, width, 3]."""

PACK_FRAMES: Final = 512
"""Frames of one file: what a killed run computes again at most."""
FRAMES_PER_CALL: Final = 16
_MAGIC: Final = b"winnow-features-1\n"
_DIGEST_BYTES: Final = 32


class FeatureCache:
    """Vectors of frames in a folder, for one encoder version.

    Parameters
    ----------
    folder
        May hold vectors of other encoders; each has a folder of its own inside.
    encoder
        Asked for frames that it has not yet seen here.

    Notes
    -----
    Files are packs of up to 512 vectors, written aside and renamed, each with the digest of what
    it holds: a damaged one is as good as absent, its frames are computed again. Several processes
    may share the folder. Opening reads all packs, 4 D + 32 bytes a frame.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        name = hashlib.sha256(encoder.version.encode()).hexdigest()[:16]
        self._folder, self._encoder = folder / name, encoder
        self._vectors: dict[bytes, Singles] = {}
        for file in sorted(self._folder.glob("*.pack")):
            self._vectors.update(_read_pack(file, dimension=encoder.dimension))

    def __len__(self) -> int:
        return len(self._vectors)

    def features(
        self, frames: Sequence[Frame], *, on_progress: Callable[[int, int], None] | None = None
    ) -> Singles:
        """Give `features_ND` float32 of frames, in their order.

        Parameters
        ----------
        frames
            Only those that are new are decoded; a content that comes twice is computed once.
        on_progress
            Called with how many of the new frames are done, and of how many.

        Raises
        ------
        BadInput
            A frame is no complete image.
        SchemaMismatch
            The encoder gave vectors that are not what it says.
        """
        keys = [_content(frame) for frame in frames]
        new = {key: frame for key, frame in zip(keys, frames, strict=True)
               if key not in self._vectors}  # fmt: skip
        for done, pack in self._computed(new):
            _write_pack(self._folder, pack)
            self._vectors.update(pack)
            if on_progress is not None:
                on_progress(done, len(new))
        features_ND = np.empty((len(keys), self._encoder.dimension), dtype=np.float32)
        for pos, key in enumerate(keys):
            features_ND[pos] = self._vectors[key]
        return features_ND

    def _computed(self, new: dict[bytes, Frame]) -> Iterator[tuple[int, dict[bytes, Singles]]]:
        keys, pack = list(new), dict[bytes, Singles]()
        for start in range(0, len(keys), FRAMES_PER_CALL):
            portion = keys[start : start + FRAMES_PER_CALL]
            vectors = encoded(self._encoder, [_pixels(new[key]) for key in portion])
            pack.update(zip(portion, vectors.astype(np.float32, copy=False), strict=True))
            done = start + len(portion)
            if len(pack) >= PACK_FRAMES or done == len(keys):
                yield done, pack
                pack = {}


def _content(frame: Frame) -> bytes:
    if isinstance(frame, bytes):
        return hashlib.sha256(frame).digest()
    pixels = np.ascontiguousarray(frame)
    return hashlib.sha256(f"pixels {pixels.shape}".encode() + pixels.tobytes()).digest()


def _pixels(frame: Frame) -> Pixels:
    return decode_rgb(frame) if isinstance(frame, bytes) else frame


def _write_pack(folder: Path, pack: dict[bytes, Singles]) -> None:
    body = b"".join(pack) + np.stack(list(pack.values())).astype("<f4").tobytes()
    digest = hashlib.sha256(body).digest()
    write_whole(folder / f"{digest.hex()[:32]}.pack", _MAGIC + digest + body)


def _read_pack(file: Path, *, dimension: int) -> dict[bytes, Singles]:
    """Give the vectors of a pack, none if it is damaged."""
    data = file.read_bytes()
    head = len(_MAGIC) + _DIGEST_BYTES
    body = data[head:]
    n, rest = divmod(len(body), _DIGEST_BYTES + 4 * dimension)
    if rest or data[:head] != _MAGIC + hashlib.sha256(body).digest():
        return {}
    vectors = np.frombuffer(body, dtype="<f4", offset=n * _DIGEST_BYTES).reshape(n, dimension)
    keys = (body[pos * _DIGEST_BYTES : (pos + 1) * _DIGEST_BYTES] for pos in range(n))
    return dict(zip(keys, vectors, strict=True))
