"""The OpenAPI 3.1 document, made of the operations and the very types their handlers use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from streaming.auth.api_tokens import Scope
from streaming.events.event import Event
from streaming.path_name import MAX_NAME_CHARS, NAME_PATTERN, name_error
from streaming.server.api_types import Problem
from streaming.server.event_description import describe_events
from streaming.server.events import URL as EVENTS_URL

PREFIX: Final = "/api/v1"
_MOST_SESSION_CHARS: Final = 64
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "path": {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME_CHARS},
    "session": {
        "type": "string",
        "pattern": f"^[A-Za-z0-9_-]{{1,{_MOST_SESSION_CHARS}}}$",
    },
    "webhook": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
_PAGING: Final = (
    ("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
    ("after", {"type": "string", "maxLength": MAX_NAME_CHARS + 1 + _MOST_SESSION_CHARS}),
)
"""A page of sessions ends at a path and a session, joined by a slash."""
_PROBLEMS: Final = {
    400: "What was sent cannot be understood.",
    401: "A token is needed, or this one is not good.",
    403: "The token's scope does not suffice.",
    404: "There is no such thing.",
    409: "That is not possible now.",
    412: "The state has changed meanwhile.",
    413: "The body is too large.",
    415: "The body has to be application/json.",
    422: "That cannot be: the detail says why.",
    429: "Too many messages; slow down.",
    500: "It could not be kept: the detail says why.",
    503: "Too busy; try again.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does."""

    name: str
    method: str
    template: str
    """Below /api/v1; {path} may contain slashes."""
    summary: str
    scope: Scope | None
    """None: everyone, where api.public allows it."""
    gives: Any
    takes: type[Struct] | None = None
    paged: bool = False
    matched: bool = False
    """Whether If-Match is looked at."""
    tagged: bool = False
    """Whether the ETag of the answer is the path's state_version."""
    query: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Parameters beside those of paging, and their schemas."""
    problems: tuple[int, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the URL below the prefix, its parameters as groups."""
        text = re.escape(self.template).replace(r"\{path\}", "(?P<path>.+)")
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", text), re.DOTALL)

    @property
    def parameters(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """All that may stand behind the question mark, and their schemas."""
        return (*(_PAGING if self.paged else ()), *self.query)


def parameter_error(name: str, value: str) -> str:
    """Why `value` cannot be that parameter of a URL; "" where it can."""
    if name == "path":
        return name_error(value)
    schema = _PARAMETERS[name]
    if re.fullmatch(schema["pattern"].strip("^$"), value) is None:
        return f"{value[:64]!r} cannot be a {name}"
    return ""


def read_query(operation: Operation, query: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a query as the operation describes them. Raises ValueError."""
    found: dict[str, Any] = {}
    for name, schema in operation.parameters:
        text = query.get(name)
        if text is None:
            if "default" in schema:
                found[name] = schema["default"]
        elif schema["type"] == "integer":
            found[name] = _read_integer(name, schema, text)
        else:
            _check_text(name, schema, text)
            found[name] = text
    return found


def _read_integer(name: str, schema: Mapping[str, Any], text: str) -> int:
    least, most = schema["minimum"], schema["maximum"]
    if not (text.isascii() and text.isdigit() and least <= int(text[:18]) <= most):
        raise ValueError(f"{name} is a number from {least} to {most}")
    return int(text)


def _check_text(name: str, schema: Mapping[str, Any], text: str) -> None:
    if len(text) > schema.get("maxLength", MAX_NAME_CHARS):
        raise ValueError(f"{name} has at most {schema.get('maxLength', MAX_NAME_CHARS)} characters")
    if "enum" in schema and text not in schema["enum"]:
        raise ValueError(f"{name} is one of {', '.join(schema['enum'])}")
    if "pattern" in schema and re.fullmatch(schema["pattern"].strip("^$"), text) is None:
        raise ValueError(f"{text[:64]!r} cannot be {name}")


def render_openapi(operations: Sequence[Operation], version: str) -> bytes:
    """The document of these operations, and of events, as JSON."""
    types = {one.gives for one in operations} | {one.takes for one in operations if one.takes}
    ordered = sorted((*types, Event, Problem), key=str)
    schemas, components = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(PREFIX + one.template, {})[one.method.lower()] = _operation(one, schema_of)
    paths[EVENTS_URL] = {"get": describe_events(schema_of[Event], schema_of[Problem])}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Headwater", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(document)


def _operation(one: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": _parameters(one),
        "responses": {
            "200": _success(one, schema_of[one.gives]),
            **{
                str(status): {
                    "description": _PROBLEMS[status],
                    "content": {"application/problem+json": {"schema": schema_of[Problem]}},
                }
                for status in sorted({401, 403, *one.problems, *_usual(one)})
            },
        },
    }
    if one.takes is not None:
        described["requestBody"] = {"required": True, "content": _json(schema_of[one.takes])}
    # Of what everyone may ask, a token lets see more, or is needed where the API is not public.
    described["security"] = [{"token": []}] if one.scope else [{}, {"token": []}]
    if one.scope is not None:
        described["x-scope"] = one.scope
    return described


def _success(one: Operation, schema: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done.", "content": _json(schema)}
    if one.tagged:
        described["headers"] = {
            "ETag": {
                "description": "The path's state_version, for If-Match.",
                "schema": {"type": "string"},
            }
        }
    return described


def _usual(one: Operation) -> tuple[int, ...]:
    """What bodies, queries, conditions and names in URLs can be refused with."""
    body = (400, 413, 415) if one.takes is not None else ()
    query = (400,) if one.parameters else ()
    condition = (400, 412) if one.matched else ()
    name = (400, 404) if "{" in one.template else ()
    return (*body, *query, *condition, *name)


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]}
        for name in re.findall(r"\{(\w+)\}", one.template)
    ]
    found += [{"name": name, "in": "query", "schema": schema} for name, schema in one.parameters]
    if one.matched:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The path's state_version, to be the only one who commands it.",
                "schema": {"type": "string", "pattern": '^("[0-9]{1,18}"|[0-9]{1,18})$'},
            }
        )
    return found


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
