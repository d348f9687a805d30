"""Boxes as lines of text: what the inspector shows and what golden files hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .box_tree import Box

MAX_VALUES = 8
"""Entries of a table that are shown; a run of samples repeats itself soon."""
MAX_BYTES_SHOWN = 48
"""Bytes of a field that are shown in hexadecimal: enough for any configuration but HEVC's."""


def render_boxes(boxes: Sequence[Box]) -> str:
    """The tree as text, one box a line, children indented by two spaces."""
    return "".join(f"{line}\n" for line in _lines(boxes, ""))


def describe_box(box: Box) -> str:
    """One line: name, offset, size, and the fields that are present."""
    fields = (f"{name}={_value(value)}" for name, value in box.fields.items() if value is not None)
    return " ".join((box.name, f"@{box.offset}", f"+{box.size}", *fields))


def _lines(boxes: Sequence[Box], indent: str) -> Iterator[str]:
    for box in boxes:
        yield indent + describe_box(box)
        yield from _lines(box.children, indent + "  ")


def _value(value: object) -> str:
    if isinstance(value, bytes):
        more = f"…({len(value)} bytes)" if len(value) > MAX_BYTES_SHOWN else ""
        return f"0x{value[:MAX_BYTES_SHOWN].hex()}{more}"
    if isinstance(value, tuple):
        shown = ",".join(str(entry) for entry in value[:MAX_VALUES])
        return f"[{shown}{f',…({len(value)})' if len(value) > MAX_VALUES else ''}]"
    return repr(value) if isinstance(value, str) else str(value)
