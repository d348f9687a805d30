"""Trickle ICE fragments, ``application/trickle-ice-sdpfrag`` (RFC 8840, RFC 9725 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webrtc.answer import render_ice
from webrtc.errors import MalformedSdp
from webrtc.ice import Candidate, IceCredentials
from webrtc.offer import attribute, check_lines, read_candidates


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a PATCH says."""

    ice: IceCredentials | None
    """Which ICE session it is about, if it says so; another than before is a restart."""
    candidates: tuple[Candidate, ...]


def parse_fragment(text: str) -> Fragment:
    """Read a fragment. Raises MalformedSdp."""
    lines = check_lines(text)
    if not lines:
        raise MalformedSdp("an empty fragment")
    if any(line[0] not in "am" for line in lines):
        raise MalformedSdp("a fragment has a= and m= lines alone")
    found: dict[str, str] = {}
    for name, value in map(attribute, lines):
        found.setdefault(name, value)
    ufrag, password = found.get("ice-ufrag"), found.get("ice-pwd")
    if (ufrag is None) != (password is None):
        raise MalformedSdp("ice-ufrag and ice-pwd come together")
    ice = None if ufrag is None or password is None else IceCredentials(ufrag, password)
    return Fragment(ice, tuple(read_candidates(lines)))


def render_fragment(
    ice: IceCredentials,
    candidates: Sequence[Candidate],
    media_line: str,
    mid: str,
    *,
    is_lite: bool,
) -> str:
    """Our side of an ICE restart; ``media_line`` and ``mid`` of the first of the bundle."""
    lines = ["a=ice-lite"] if is_lite else []
    lines += [*render_ice(ice), media_line, f"a=mid:{mid}"]
    lines += [f"a=candidate:{each.render()}" for each in candidates]
    return "\r\n".join([*lines, "a=end-of-candidates"]) + "\r\n"
