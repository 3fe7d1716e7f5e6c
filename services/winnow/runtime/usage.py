"""What `--help` says of a service or a pipeline: what it does, and which settings it reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from winnow.contracts.topics import TOPICS, consumed_by
from winnow.runtime.settings import variable_of

HELP = (["--help"], ["-h"])
"""Words that ask for the usage."""


def tell_usage(words: Sequence[str], settings: type[BaseSettings]) -> int:
    """Answer the words behind `python -m SERVICE`, which knows only `--help`; give the exit code.

    Parameters
    ----------
    settings
        Class of the service's settings, in the service's package.
    """
    asked = list(words) in HELP
    (sys.stdout if asked else sys.stderr).write(service_usage(settings))
    return 0 if asked else 2


def service_usage(settings: type[BaseSettings]) -> str:
    """Say what a service does, what it waits for and states, and which settings it reads."""
    name = settings.__module__.partition(".")[0]
    heard = ", ".join(topic.name for topic in consumed_by(name))
    stated = ", ".join(topic.name for topic in TOPICS if name in topic.producers)
    lines = [f"python -m {name}", "", (import_module(name).__doc__ or "").strip()]
    if heard:
        lines.append(f"Waits for {heard}; states {stated or 'nothing'}.")
    return "\n".join([*lines, "", settings_usage(settings)])


def settings_usage(settings: type[BaseSettings]) -> str:
    """Give a line for each setting: variable, what it is, and its default if it has one."""
    fields = {variable_of(settings, name): one for name, one in settings.model_fields.items()}
    width = max(map(len, fields))
    lines = [f"  {name:<{width}}  {one.description}{_default(one)}" for name, one in fields.items()]
    return "\n".join(["Settings, read from the environment:", *lines, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " (must be given)"
    default = field.default
    if isinstance(default, SecretStr) or default in (None, "", ()):
        return ""
    return f" ({default})"
