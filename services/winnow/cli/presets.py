"""Policies that come with Winnow, by name."""

from __future__ import annotations

from importlib.resources import files

from winnow.domain.errors import BadInput
from winnow.policy.model import Policy, parse_policy
from winnow.policy.section import did_you_mean

SUFFIX = ".yaml"
NAMES = ("balanced", "cheapest", "cold_start", "rare_classes", "safety")


def preset_text(name: str) -> str:
    """Give the YAML of a preset, comments too.

    Raises
    ------
    BadInput
        There is none of this name.
    """
    if name not in NAMES:
        hint = did_you_mean(name, NAMES)
        msg = f"preset: expected one of {', '.join(NAMES)}, found {name!r}{hint}"
        raise BadInput(msg)
    return files("winnow.policy").joinpath("presets", name + SUFFIX).read_text(encoding="utf-8")


def preset(name: str) -> Policy:
    """Give a preset as a policy."""
    return parse_policy(preset_text(name), where=f"preset {name}")
