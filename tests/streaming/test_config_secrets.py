"""The effective configuration is complete and shows no secret, whichever struct it is in."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec

from streaming.config import Config
from streaming.config_secrets import HIDDEN, effective

SECRET = re.compile(r"(^|_)(secrets?|credential|password|hash|publish_keys?)$")
"""Names of settings that nobody may be shown."""


def structs_in(kind: Any) -> list[type[msgspec.Struct]]:
    """The structs that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for part in get_args(kind) for found in structs_in(part)]


def filled(struct: type[msgspec.Struct], planted: list[str]) -> dict[str, Any]:
    """Values of a struct with a secret wherever there is room for one."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        inner = [one for one in structs_in(field.type) if one is not struct]
        if SECRET.search(field.name):
            planted.append(f"planted-{struct.__name__}-{field.name}")
            many = "tuple" in str(field.type)
            values[field.name] = [planted[-1]] if many else planted[-1]
        elif inner:
            one = filled(inner[0], planted)
            is_map, is_list = "dict" in str(field.type), "tuple" in str(field.type)
            values[field.name] = {"a": one} if is_map else [one] if is_list else one
        elif field.required:
            values[field.name] = "x"
    return values


def test_no_setting_whose_name_says_secret_is_shown() -> None:
    planted: list[str] = []
    values = filled(Config, planted)
    config = convert(Config, values)
    shown = str(effective(config))
    assert len(planted) >= 8
    assert [one for one in planted if one in shown] == []
    assert HIDDEN in shown


def convert(kind: Any, values: Any) -> Any:
    """Structs of plain values without their constraints: what is planted fits no pattern."""
    if isinstance(values, dict) and structs_in(kind) and "dict" not in str(kind):
        struct = structs_in(kind)[0]
        types = {field.name: field.type for field in msgspec.structs.fields(struct)}
        return struct(**{name: convert(types[name], value) for name, value in values.items()})
    if isinstance(values, dict):
        return {name: convert(structs_in(kind)[0], value) for name, value in values.items()}
    return (
        tuple(convert(kind_of(kind), one) for one in values) if isinstance(values, list) else values
    )


def kind_of(kind: Any) -> Any:
    found = structs_in(kind)
    return found[0] if found else str


def test_credentials_in_urls_are_cut_out() -> None:
    config = convert(Config, {"paths": {"a": {"source": "rtsp://me:planted@host/x?key=planted"}}})
    assert "planted" not in str(effective(config))
