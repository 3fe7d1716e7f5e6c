"""The backend for a GPU (or any device that torch knows): rows lie in its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from winnow.kernels.protocol import Centers, Parts, Positions, Rows

if TYPE_CHECKING:
    import torch

BLOCK_VALUES: Final = 1 << 26
"""Distances held on the device at once: 256 MiB of float32."""
UPLOAD_ROWS: Final = 1 << 16


class TorchHeld:
    """Rows on a device; what comes back is as long as the rows asked about."""

    def __init__(
        self, parts: tuple[torch.Tensor, ...], squares: torch.Tensor | None = None
    ) -> None:
        self._parts = parts
        self._squares = _squared_norms(parts) if squares is None else squares

    def __len__(self) -> int:
        """See `Held.__len__`."""
        return len(self._squares)

    @property
    def squares(self) -> Rows:
        """See `Held.squares`."""
        squares: Rows = self._squares.cpu().numpy()
        return squares

    def take(self, pos_K: Positions) -> TorchHeld:
        """See `Held.take`."""
        import torch

        where = torch.from_numpy(np.ascontiguousarray(pos_K)).to(self._squares.device)
        return TorchHeld(tuple(part[where] for part in self._parts), self._squares[where])

    def distances(self, centers: Centers) -> Rows:
        """See `Held.distances`."""
        blocks = [block.cpu().numpy() for block in self._blocks(centers)]
        empty = np.empty((0, len(centers)), dtype=np.float32)
        return np.concatenate(blocks) if blocks else empty

    def nearest(self, centers: Centers) -> Rows:
        """See `Held.nearest`."""
        blocks = [block.amin(dim=1).cpu().numpy() for block in self._blocks(centers)]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)

    def _blocks(self, centers: Centers) -> list[torch.Tensor]:
        import torch

        device = self._squares.device
        others = tuple(
            torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in centers.parts
        )
        other_squares = _squared_norms(others)
        step = max(1, BLOCK_VALUES // max(1, len(other_squares)))
        blocks = []
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            products = torch.ones((), device=device)
            for part, other in zip(self._parts, others, strict=True):
                products = products * (part[rows] @ other.T)
            blocks.append(self._squares[rows, None] + other_squares - 2.0 * products)
        return blocks


class TorchKernel:
    """A device of torch's.

    Parameters
    ----------
    device
        Such as `cuda` or `cuda:1`; `cpu` is there for tests.

    Notes
    -----
    Products are plain float32: reduced precision (TF32) would break the error bound, so it is
    switched off for this process.
    """

    name = "torch"

    def __init__(self, device: str) -> None:
        import torch

        self._device = torch.device(device)
        torch.backends.cuda.matmul.allow_tf32 = False

    def hold(self, parts: Parts) -> TorchHeld:
        """See `DistanceKernel.hold`; uploads by blocks, so a memory map is never read whole."""
        return TorchHeld(tuple(self._uploaded(part) for part in parts))

    def _uploaded(self, part: object) -> torch.Tensor:
        import torch

        n_rows, width = part.shape  # type: ignore[attr-defined]
        held = torch.empty((n_rows, width), dtype=torch.float32, device=self._device)
        for start in range(0, n_rows, UPLOAD_ROWS):
            rows = np.array(part[start : start + UPLOAD_ROWS])  # type: ignore[index]
            held[start : start + UPLOAD_ROWS] = torch.from_numpy(rows)
        return held


def _squared_norms(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    squares = (parts[0] * parts[0]).sum(dim=1)
    for part in parts[1:]:
        squares = squares * (part * part).sum(dim=1)
    return squares
