"""What torch computes on."""

from __future__ import annotations

from winnow.domain.errors import BadInput


def chosen_device(setting: str) -> str:
    """Give `cpu` or `cuda` for a setting, which may also be `auto`: a GPU if there is one.

    Raises
    ------
    BadInput
        Another setting, or a GPU that there is not.
    """
    import torch

    there = torch.cuda.is_available()
    if setting == "auto":
        return "cuda" if there else "cpu"
    if setting not in ("cpu", "cuda") or (setting == "cuda" and not there):
        found = f"{setting!r}, {'a' if there else 'no'} GPU being there"
        msg = f"device: expected auto, cpu or cuda, found {found}"
        raise BadInput(msg)
    return setting


def has_fast_bfloat16(device: str) -> bool:
    """Tell whether products of bfloat16 numbers are faster than those of float32.

    On one core with AVX-512 BF16 a training step of the grid detector took 0.6 times as long; on
    cores without it bfloat16 is emulated, and slower.
    """
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
