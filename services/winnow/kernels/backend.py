"""Which backend does the float32 work: one switch, the same picks from each."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from winnow.domain.errors import BadInput
from winnow.kernels.numpy_kernel import NumpyKernel
from winnow.kernels.protocol import DistanceKernel

DEVICES: Final = ("cpu", "cuda", "faiss", "auto")


def kernel_of(device: str) -> DistanceKernel:
    """Give the backend for a device.

    Parameters
    ----------
    device
        `cpu`; `cuda` (or `cuda:1` …), which needs torch and a GPU; `faiss`, which needs FAISS and
        uses its GPU if it has one; `auto`: a GPU that torch can use, else `cpu`, which is as fast
        as FAISS without a GPU.

    Raises
    ------
    BadInput
        There is no such device here.

    Examples
    --------
    >>> kernel_of("cpu").name
    'numpy'
    """
    if device == "cpu":
        return NumpyKernel()
    if device == "faiss" and find_spec("faiss") is not None:
        from winnow.kernels.faiss_kernel import FaissKernel

        return FaissKernel()
    if device.split(":")[0] not in DEVICES:
        msg = f"device: expected one of {', '.join(DEVICES)}, found {device!r}"
        raise BadInput(msg)
    if device != "faiss" and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            from winnow.kernels.torch_kernel import TorchKernel

            return TorchKernel("cuda" if device == "auto" else device)
    if device == "auto":
        return NumpyKernel()
    needed = "FAISS" if device == "faiss" else "a GPU that torch can use"
    msg = f"device: expected {needed} for {device!r}, found none; use cpu or auto"
    raise BadInput(msg)
