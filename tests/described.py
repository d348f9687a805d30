"""Answers of an API held against its own OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs


class Described:
    """What a document says of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._operations = [
            (re.compile(re.sub(r"\\{(\w+)\\}", _pattern, re.escape(template))), template, methods)
            for template, methods in document["paths"].items()
        ]

    def check(self, method: str, url: str, status: int, told: Any) -> None:
        """Raises AssertionError or jsonschema_rs.ValidationError where an answer is another."""
        operation = self._find(method, url.partition("?")[0])
        responses = operation["responses"]
        assert str(status) in responses, f"{method} {url}: {status} is not described"
        content = responses[str(status)].get("content", {})
        schemas = [one["schema"] for kind, one in content.items() if kind.endswith("json")]
        assert schemas or told is None, f"{method} {url}: {status} has no body"
        for schema in schemas:
            whole = {**schema, "components": self._components}
            jsonschema_rs.validator_for(whole).validate(told)

    def _find(self, method: str, url: str) -> dict[str, Any]:
        fitting = [
            (len(template), methods[method.lower()])
            for pattern, template, methods in self._operations
            if pattern.fullmatch(url) and method.lower() in methods
        ]
        assert fitting, f"{method} {url} is not described"
        found: dict[str, Any] = max(fitting, key=lambda one: one[0])[1]
        return found


def _pattern(name: re.Match[str]) -> str:
    return r".+" if name[1] == "path" else r"[^/]+"
