"""Which backend does the float32 work: one switch, the same picks from each."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from winnow.domain.errors import BadInput
from winnow.kernels.numpy_kernel import NumpyKernel
from winnow.kernels.protocol import DistanceKernel

DEVICES: Final = ("cpu", "cuda", "auto")


def kernel_of(device: str) -> DistanceKernel:
    """Give the backend for a device.

    Parameters
    ----------
    device
        `cpu`; `cuda` (or `cuda:1` …), which needs torch and a GPU; `auto`: a GPU if there is one.

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
    if device.split(":")[0] not in DEVICES:
        msg = f"device: expected one of {', '.join(DEVICES)}, found {device!r}"
        raise BadInput(msg)
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            from winnow.kernels.torch_kernel import TorchKernel

            return TorchKernel("cuda" if device == "auto" else device)
    if device == "auto":
        return NumpyKernel()
    msg = f"device: expected a GPU that torch can use for {device!r}, found none; use cpu or auto"
    raise BadInput(msg)
