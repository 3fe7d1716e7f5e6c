"""Dataclass fields to protobuf fields of the same name, and back.

One rule for all twelve facts instead of 24 hand-written functions: the property tests then hold
for a thirteenth, and a field that only one side has cannot be forgotten.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import ClassVar, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Proto
from google.protobuf.timestamp_pb2 import Timestamp

from winnow.domain.errors import SchemaMismatch

T = TypeVar("T")


def encode(value: object, proto: Proto) -> bytes:
    """Give the bytes of a dataclass in the shape of an empty protobuf message.

    Raises
    ------
    SchemaMismatch
        A value does not fit its field.
    """
    _fill(proto, value)
    return proto.SerializeToString(deterministic=True)


def decode(kind: type[T], proto: Proto) -> T:
    """Give the dataclass that a message holds.

    Raises
    ------
    SchemaMismatch
        A field is missing, or its enum value is unspecified or unknown.
    """
    values = {name: _read(proto, name, hint) for name, hint in hints_of(kind).items()}
    return kind(**values)


def hints_of(kind: type) -> Mapping[str, object]:
    """Give the type of each field, new types and aliases resolved."""
    return _hints_of(kind)


@cache
def _hints_of(kind: type) -> Mapping[str, object]:
    hints = get_type_hints(kind)
    return {
        name: getattr(hint, "__supertype__", hint)
        for name, hint in hints.items()
        if get_origin(hint) is not ClassVar
    }


def utc(where: str, moment: datetime) -> datetime:
    """Give the moment in UTC, or refuse one without a time zone."""
    if moment.tzinfo is None:
        msg = f"{where}: expected a time with its zone, found {moment.isoformat()}"
        raise SchemaMismatch(msg)
    return moment.astimezone(UTC)


def _fill(proto: Proto, value: object) -> None:
    for name, hint in hints_of(type(value)).items():
        found = getattr(value, name)
        if found is None and isinstance(hint, UnionType):
            continue
        try:
            _put(proto, name, found)
        except (AttributeError, TypeError, ValueError) as error:
            expected = _type_name(proto, name)
            msg = f"{_where(proto, name)}: expected {expected}, found {found!r} ({error})"
            raise SchemaMismatch(msg) from error


def _put(proto: Proto, name: str, value: object) -> None:
    match value:
        case StrEnum():
            setattr(proto, name, _numbers(proto, name)[value.name])
        case datetime():
            getattr(proto, name).FromDatetime(utc(_where(proto, name), value))
        case tuple():
            _put_all(proto, name, value)
        case _ if dataclasses.is_dataclass(value):
            _fill(getattr(proto, name), value)
        case _:
            setattr(proto, name, value)


def _put_all(proto: Proto, name: str, values: Iterable[object]) -> None:
    field = proto.DESCRIPTOR.fields_by_name[name]
    repeated = getattr(proto, name)
    for value in values:
        if field.message_type is None:
            repeated.append(value)
        else:
            assert isinstance(value, tuple)
            names = (part.name for part in field.message_type.fields)
            repeated.add(**dict(zip(names, value, strict=True)))


def _read(proto: Proto, name: str, hint: object) -> object:
    if isinstance(hint, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return _read(proto, name, inner) if proto.HasField(name) else None
    if get_origin(hint) is tuple:
        return tuple(_element(part, get_args(hint)[0]) for part in getattr(proto, name))
    if not proto.HasField(name):
        raise _missing(proto, name)
    return _value(proto, name, hint)


def _value(proto: Proto, name: str, hint: object) -> object:
    value = getattr(proto, name)
    if isinstance(value, Timestamp):
        return _moment(proto, name, value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _member(proto, name, hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return decode(hint, value)
    return value


def _element(part: object, hint: object) -> object:
    if not isinstance(part, Proto):
        return part
    names = (field.name for field in part.DESCRIPTOR.fields)
    kinds = get_args(hint)
    return tuple(_read(part, name, kind) for name, kind in zip(names, kinds, strict=True))


def _moment(proto: Proto, name: str, value: Timestamp) -> datetime:
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{_where(proto, name)}: expected a time of the years 1 to 9999, found {value}"
        raise SchemaMismatch(msg) from error


def _member(proto: Proto, name: str, kind: type[StrEnum]) -> StrEnum:
    number = getattr(proto, name)
    numbers = _numbers(proto, name)
    for member in kind:
        if numbers[member.name] == number:
            return member
    found = {number: text for text, number in numbers.items()}.get(number, number)
    msg = f"{_where(proto, name)}: expected one of {', '.join(kind)}, found {found}"
    raise SchemaMismatch(msg)


def _numbers(proto: Proto, name: str) -> Mapping[str, int]:
    # Protobuf wants the enum's name before each value's, as they share one scope.
    enum = proto.DESCRIPTOR.fields_by_name[name].enum_type
    assert enum is not None
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {text.removeprefix(prefix): value.number for text, value in enum.values_by_name.items()}


def _where(proto: Proto, name: str) -> str:
    return f"{proto.DESCRIPTOR.name}.{name}"


def _type_name(proto: Proto, name: str) -> str:
    field = proto.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None:
        return field.message_type.full_name
    names = {number: text for text, number in vars(FieldDescriptor).items() if text[:5] == "TYPE_"}
    return str(names[field.type]).removeprefix("TYPE_").lower()


def _missing(proto: Proto, name: str) -> SchemaMismatch:
    expected = _type_name(proto, name)
    return SchemaMismatch(f"{_where(proto, name)}: expected a value ({expected}), found none")
