"""Frozen dataclasses to plain data (JSON, TOML) and back, strictly: nothing missing, nothing unknown, nothing
mistyped.

A record's fields are str, int, float, bool, None, Literal, StrEnum, tuples of one kind, mappings from str,
records, and unions of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Plain = dict[str, Any]
Hint = Any  # what stands in an annotation: a class, or one of typing's many forms
T = TypeVar("T")


class RecordError(ValueError):
    """The data are not such a record; says where and why."""


def to_plain(value: object) -> Any:
    """Dicts, lists, strings and numbers, in the order of the fields."""
    if is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def from_plain(record: type[T], data: object, *, defaults: bool = False) -> T:
    """The inverse of to_plain. defaults: a missing key takes the field's default. Raises RecordError."""
    value = _read(record, data, "", defaults)
    assert isinstance(value, record)
    return value


def _read(hint: Hint, data: object, where: str, defaults: bool) -> Any:
    origin: Hint = get_origin(hint)
    if origin in {Union, UnionType}:
        return _read_union(get_args(hint), data, where, defaults)
    if origin is Literal:
        if data not in get_args(hint):
            raise RecordError(f"{where}: {data!r} is not one of {', '.join(map(str, get_args(hint)))}")
        return data
    if origin is tuple:
        if not isinstance(data, list):
            raise RecordError(f"{where}: a list is needed, not {data!r}")
        return tuple(_read(get_args(hint)[0], item, f"{where}[{i}]", defaults) for i, item in enumerate(data))
    if origin is Mapping:
        table = _table(data, where)
        return {key: _read(get_args(hint)[1], item, _join(where, key), defaults) for key, item in table.items()}
    if is_dataclass(hint):
        return _read_record(hint, data, where, defaults)
    if issubclass(hint, StrEnum):
        if data not in tuple(hint):
            raise RecordError(f"{where}: {data!r} is not one of {', '.join(hint)}")
        return hint(data)
    # An int serves as a float; a bool is no number.
    accepted = (int, float) if hint is float else hint
    if not isinstance(data, accepted) or (isinstance(data, bool) and hint is not bool):
        raise RecordError(f"{where}: {hint.__name__} is needed, not {data!r}")
    return data


def _read_union(choices: tuple[Hint, ...], data: object, where: str, defaults: bool) -> Any:
    if data is None and NoneType in choices:
        return None
    kinds = [choice for choice in choices if choice is not NoneType]
    for choice in kinds[:-1]:
        try:
            return _read(choice, data, where, defaults)
        except RecordError:
            continue
    return _read(kinds[-1], data, where, defaults)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _table(data: object, where: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise RecordError(f"{where or 'the file'}: a table is needed, not {data!r}")
    return data


def _read_record(record: Hint, data: object, where: str, defaults: bool) -> Any:
    table = _table(data, where)
    hints = get_type_hints(record)
    known = {f.name: f for f in fields(record)}
    for key in table:
        if key not in known:
            raise RecordError(f"{_join(where, key)}: unknown key")
    values: Plain = {}
    for name, declared in known.items():
        if name not in table and defaults and not (declared.default is declared.default_factory is MISSING):
            continue
        # TOML has no null: a key that may be None may be missing.
        if name not in table and not _optional(hints[name]):
            raise RecordError(f"{_join(where, name)}: missing key")
        values[name] = _read(hints[name], table.get(name), _join(where, name), defaults)
    return record(**values)


def _optional(hint: Hint) -> bool:
    return get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint)


def to_toml(table: Plain) -> str:
    """TOML for plain data: keys with values first, then a section for each table; None is left out."""
    lines = _toml_lines(table, ())
    return "\n".join(lines).strip("\n") + "\n"


def _toml_lines(table: Plain, path: tuple[str, ...]) -> list[str]:
    values = {k: v for k, v in table.items() if v is not None and not isinstance(v, dict)}
    tables = {k: v for k, v in table.items() if isinstance(v, dict)}
    lines = ["", f"[{'.'.join(map(_toml_key, path))}]"] if path and (values or not tables) else []
    lines += [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in values.items()]
    for key, value in tables.items():
        lines += _toml_lines(value, (*path, key))
    return lines


def _toml_key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if bare else _toml_string(key)


def _toml_string(text: str) -> str:
    escaped = "".join(_escape(c) for c in text)
    return f'"{escaped}"'


def _escape(c: str) -> str:
    if c in '\\"':
        return "\\" + c
    return f"\\u{ord(c):04X}" if ord(c) < 0x20 or ord(c) == 0x7F else c


def _toml_value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _toml_string(value)
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(_toml_value(item) for item in value) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} has no TOML form")
