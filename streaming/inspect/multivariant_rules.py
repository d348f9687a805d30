"""Rules about a multivariant playlist by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streaming.inspect.playlist import Playlist, Tag
from streaming.inspect.report import Report

_GROUP_ATTRIBUTES = ("AUDIO", "VIDEO", "SUBTITLES")
_RESOLUTION = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")
_VIDEO_CODECS = ("avc", "hvc", "hev", "av01", "vp09", "vp8", "dvh")


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF and the URI below it."""

    uri: str
    attributes: dict[str, str]

    @property
    def codecs(self) -> list[str]:
        """CODECS, one by one."""
        return [c.strip() for c in self.attributes.get("CODECS", "").split(",") if c.strip()]

    def rate(self, name: str) -> int:
        """BANDWIDTH or AVERAGE-BANDWIDTH; 0 when it is absent or no number."""
        value = self.attributes.get(name, "")
        return int(value) if value.isdigit() else 0


def variants_of(playlist: Playlist) -> list[Variant]:
    """The variants in order; those without a URI are left out."""
    found = []
    for tag in playlist.all("STREAM-INF"):
        uri = _uri_below(playlist, tag)
        if uri:
            found.append(Variant(uri, tag.attributes))
    return found


def media_of(playlist: Playlist) -> list[dict[str, str]]:
    """The attributes of each EXT-X-MEDIA."""
    return [tag.attributes for tag in playlist.all("MEDIA")]


def check_multivariant(report: Report, where: str, playlist: Playlist) -> None:
    """H28 as far as the text alone can tell."""
    for tag in playlist.all("STREAM-INF"):
        _check_variant(report, f"{where} line {tag.line}", playlist, tag)
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for tag in playlist.all("MEDIA"):
        attributes = tag.attributes
        for name in ("TYPE", "GROUP-ID", "NAME"):
            if not attributes.get(name):
                report.error("H28", f"{where} line {tag.line}", f"EXT-X-MEDIA without {name}")
        key = attributes.get("TYPE", ""), attributes.get("GROUP-ID", "")
        groups.setdefault(key, []).append(attributes)
    for (kind, group), members in groups.items():
        _check_group(report, f"{where} {kind.lower()} group {group!r}", members)


def _uri_below(playlist: Playlist, tag: Tag) -> str:
    """The URI that follows a tag before the next tag of that name."""
    later = [line for line in (t.line for t in playlist.all("STREAM-INF")) if line > tag.line]
    end = min(later, default=1 << 60)
    return next((uri for line, uri in playlist.uris if tag.line < line < end), "")


def _check_variant(report: Report, place: str, playlist: Playlist, tag: Tag) -> None:
    uri = _uri_below(playlist, tag)
    if not uri:
        report.error("H28", place, "EXT-X-STREAM-INF without a URI below it")
        return
    variant = Variant(uri, tag.attributes)
    attributes, place = tag.attributes, f"variant {uri}"
    if not variant.rate("BANDWIDTH"):
        report.error("H28", place, "no BANDWIDTH")
    if variant.rate("AVERAGE-BANDWIDTH") > variant.rate("BANDWIDTH") > 0:
        report.error("H28", place, "AVERAGE-BANDWIDTH is more than BANDWIDTH")
    if not variant.codecs:
        report.warn("H28", place, "no CODECS")
    is_video = any(codec.startswith(_VIDEO_CODECS) for codec in variant.codecs)
    if is_video and not _RESOLUTION.fullmatch(attributes.get("RESOLUTION", "")):
        report.warn("H28", place, "video without RESOLUTION")
    if is_video and "FRAME-RATE" not in attributes:
        report.warn("H28", place, "video without FRAME-RATE")
    for kind in _GROUP_ATTRIBUTES:
        group = attributes.get(kind)
        known = {m.get("GROUP-ID") for m in media_of(playlist) if m.get("TYPE") == kind}
        if group is not None and group not in known:
            report.error("H28", place, f"{kind}={group!r} names no group")


def _check_group(report: Report, place: str, members: list[dict[str, str]]) -> None:
    names = [member.get("NAME") for member in members]
    if len(set(names)) < len(names):
        report.error("H28", place, "members of the same NAME")
    defaults = [member for member in members if member.get("DEFAULT") == "YES"]
    if len(defaults) > 1:
        report.error("H28", place, f"{len(defaults)} members with DEFAULT=YES")
    for member in members:
        if member.get("DEFAULT") == "YES" and member.get("AUTOSELECT", "YES") == "NO":
            report.error("H28", place, "DEFAULT=YES with AUTOSELECT=NO")
