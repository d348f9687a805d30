"""Strategies for bytes that a peer made wrong, by chance or on purpose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from segmenter.errors import MediaError


def only_media_errors(parse: Callable[[bytes], object], data: bytes) -> None:
    """Run a parser; MediaError is the only exception that may leave it."""
    with contextlib.suppress(MediaError):
        parse(data)


@st.composite
def broken(draw: st.DrawFn, valid: Sequence[bytes]) -> bytes:
    """Random bytes, or a valid input cut short, with some bytes changed, or with a tail."""
    kind = draw(st.sampled_from(("random", "cut", "changed", "longer")))
    if kind == "random":
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(valid)))
    if kind == "cut":
        return bytes(data[: draw(st.integers(0, len(data)))])
    if kind == "longer":
        return bytes(data) + draw(st.binary(max_size=40))
    for _ in range(draw(st.integers(1, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)
