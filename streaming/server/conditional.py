"""Request headers that change an answer: validators, ranges, accepted codings (RFC 9110). Sans-IO.

Anything malformed is treated as absent, as RFC 9110 asks for ranges and validators.
"""

from __future__ import annotations

import re
from typing import Final

MAX_HEADER_CHARS: Final = 2_000
"""Longer If-None-Match and Accept-Encoding values are ignored; real ones have under 200."""

_RANGE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class RangeNotSatisfiable(Exception):
    """No byte of the requested range exists: 416."""


def parse_range(value: str, size_bytes: int) -> tuple[int, int] | None:
    """The single byte range asked for as (first, end), end exclusive.

    None when the whole body is the right answer: another unit, several ranges (which we may
    ignore, RFC 9110 14.2) or nonsense. Raises RangeNotSatisfiable.
    """
    match = _RANGE.fullmatch(value)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first_text, last_text = match.groups()
    if not first_text:
        suffix = min(int(last_text), size_bytes)
        if suffix == 0:
            raise RangeNotSatisfiable
        return size_bytes - suffix, size_bytes
    first = int(first_text)
    if last_text and int(last_text) < first:
        return None
    if first >= size_bytes:
        raise RangeNotSatisfiable
    return first, min(int(last_text) + 1, size_bytes) if last_text else size_bytes


def matches_etag(if_none_match: str, *etags: str) -> bool:
    """Whether If-None-Match names one of `etags` (quoted) by weak comparison, or is `*`."""
    value = if_none_match.strip()
    if value == "*":
        return True
    if len(value) > MAX_HEADER_CHARS:
        return False
    return any(tag in etags for tag in _TAG.findall(value))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip: named, or covered by `*`, with a weight above zero."""
    if len(accept_encoding) > MAX_HEADER_CHARS:
        return False
    star = False
    for item in accept_encoding.lower().split(","):
        coding, _, parameters = item.partition(";")
        coding = coding.strip()
        if coding in ("gzip", "x-gzip"):
            return _weight(parameters) > 0
        star |= coding == "*" and _weight(parameters) > 0
    return star


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
