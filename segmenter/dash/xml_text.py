"""XML as lines of text: enough for a manifest, and nothing that could be malformed."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

Attributes = dict[str, str | int | None]
"""In the order of writing; None leaves an attribute out."""


def empty_element(name: str, attributes: Attributes) -> str:
    """``<name …/>``."""
    return f"<{name}{attributes_text(attributes)}/>"


def element(name: str, attributes: Attributes, content: Iterable[str]) -> list[str]:
    """Lines of an element with others inside, which are indented."""
    lines = [f"<{name}{attributes_text(attributes)}>"]
    lines += [f"  {line}" for line in content]
    lines.append(f"</{name}>")
    return lines


def format_duration(seconds: Fraction | float) -> str:
    """xs:duration to the microsecond, rounded down, in seconds alone: years and months would be
    of no fixed length."""
    micros = int(Fraction(seconds) * 1_000_000)
    text = f"{micros // 1_000_000}.{micros % 1_000_000:06}".rstrip("0").rstrip(".")
    return f"PT{text}S"


def attributes_text(attributes: Attributes) -> str:
    """`` name="value"`` for each, a space before it."""
    return "".join(
        [
            f" {name}={_quoted(str(value))}"
            for name, value in attributes.items()
            if value is not None
        ]
    )


_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def _quoted(value: str) -> str:
    """Numbers are most of a manifest, and need no look at each character.

    `xml.sax.saxutils` would bring an HTTP client along, 30 ms of every start.
    """
    return f'"{value}"' if value.isalnum() else f'"{value.translate(_ESCAPES)}"'
