"""XML as lines of text: enough for a manifest, and nothing that could be malformed."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from xml.sax.saxutils import quoteattr

Attributes = dict[str, str | int | None]
"""In the order of writing; None leaves an attribute out."""


def empty_element(name: str, attributes: Attributes) -> str:
    """``<name …/>``."""
    return f"<{name}{_text_of(attributes)}/>"


def element(name: str, attributes: Attributes, content: Iterable[str]) -> list[str]:
    """Lines of an element with others inside, which are indented."""
    lines = [f"<{name}{_text_of(attributes)}>"]
    lines += [f"  {line}" for line in content]
    lines.append(f"</{name}>")
    return lines


def format_duration(seconds: Fraction | float) -> str:
    """xs:duration to the microsecond, rounded down, in seconds alone: years and months would be
    of no fixed length."""
    micros = int(Fraction(seconds) * 1_000_000)
    text = f"{micros // 1_000_000}.{micros % 1_000_000:06}".rstrip("0").rstrip(".")
    return f"PT{text}S"


def _text_of(attributes: Attributes) -> str:
    return "".join(
        [
            f" {name}={_quoted(str(value))}"
            for name, value in attributes.items()
            if value is not None
        ]
    )


def _quoted(value: str) -> str:
    """Numbers are most of a manifest, and quoteattr looks through a text six times."""
    return f'"{value}"' if value.isalnum() else quoteattr(value)
