"""What a path may be called: its name is a part of URLs."""

from __future__ import annotations

import re
from typing import Final

NAME_PATTERN: Final = "[A-Za-z0-9_~-][A-Za-z0-9_.~-]*(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*){0,7}"
MAX_NAME_CHARS: Final = 200
"""A URL of a segment then stays far below the 2,048 characters that every cache takes."""

RESERVED_NAMES: Final = frozenset({"api", "healthz", "metrics", "readyz", "static", "t", "time"})
"""First words of URLs that are not paths."""


def name_error(name: str) -> str:
    """Why `name` cannot be a path's name; "" when it can."""
    if len(name) > MAX_NAME_CHARS:
        return f"a path's name has at most {MAX_NAME_CHARS} characters"
    if not re.fullmatch(NAME_PATTERN, name):
        return (
            f"{name!r} cannot be a path: letters, digits, - _ ~ . and up to eight parts between /"
        )
    if name.split("/", 1)[0] in RESERVED_NAMES:
        return f"{name!r} cannot be a path: {name.split('/', 1)[0]!r} is reserved"
    return ""
