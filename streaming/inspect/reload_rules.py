"""Rules about a playlist and the same one later, and about renditions beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin

from streaming.inspect.media_rules import WINDOW_TARGETS, at
from streaming.inspect.playlist import ListedSegment, Playlist
from streaming.inspect.report import Report


def check_reload(report: Report, where: str, before: Playlist, after: Playlist) -> None:
    """H21 to H23: only the edits that a live playlist may undergo."""
    if before.target_duration != after.target_duration:
        report.error(
            "H21",
            where,
            f"TARGETDURATION went from {before.target_duration} to {after.target_duration}",
        )
    if before.is_ended and not after.is_ended:
        report.error("H23", where, "EXT-X-ENDLIST has gone again")
    if not before.segments or not after.segments:
        return
    old_first, new_first = before.segments[0].msn, after.segments[0].msn
    if new_first < old_first:
        report.error("H22", where, f"MEDIA-SEQUENCE fell from {old_first} to {new_first}")
    if after.segments[-1].msn < before.segments[-1].msn:
        report.error(
            "H23",
            where,
            f"the last segment was {before.segments[-1].msn}, now {after.segments[-1].msn}",
        )
    if after.discontinuity_sequence < before.discontinuity_sequence:
        report.error("H22", where, "DISCONTINUITY-SEQUENCE fell")
    shortest = WINDOW_TARGETS * after.target_duration
    if new_first > old_first and after.duration_s < shortest - 0.001 and not after.is_ended:
        report.error("H23", where, f"shrunk to {after.duration_s:.1f} s, {shortest} s is the least")
    known = {segment.msn: segment for segment in before.segments}
    for segment in after.segments:
        if segment.msn in known:
            _check_same(report, where, known[segment.msn], segment)


def _check_same(report: Report, where: str, old: ListedSegment, new: ListedSegment) -> None:
    """A segment that stays keeps all that was said of it."""
    place = at(where, new)
    if old.uri != new.uri:
        report.error("H23", place, f"was {old.uri}, now {new.uri}")
    if old.duration_s != new.duration_s:
        report.error("H23", place, f"EXTINF went from {old.duration_s:g} to {new.duration_s:g}")
    if old.map_uri != new.map_uri and not new.is_gap:  # a gap at the head needs none
        report.error("H23", place, f"its EXT-X-MAP went from {old.map_uri} to {new.map_uri}")
    if old.discontinuity != new.discontinuity:
        report.error(
            "H22",
            place,
            f"discontinuity sequence number went from {old.discontinuity} to {new.discontinuity}",
        )
    dates = old.date_time_utc, new.date_time_utc
    if None not in dates and dates[0] != dates[1]:
        report.error("H25", place, "its date changed")


def check_renditions(report: Report, playlists: Mapping[str, Playlist]) -> None:
    """H20, H21 and H24 to H26 between the renditions of one multivariant playlist."""
    for name, playlist in playlists.items():
        _check_reports(report, name, playlist, playlists)
    items = [(name, playlist) for name, playlist in playlists.items() if playlist.segments]
    if not items:
        return
    first_name, first = items[0]
    for name, playlist in items[1:]:
        if playlist.target_duration != first.target_duration:
            report.error(
                "H21",
                name,
                f"TARGETDURATION {playlist.target_duration}, "
                f"{first_name} has {first.target_duration}",
            )
        if playlist.server_control != first.server_control:
            report.error("H26", name, f"EXT-X-SERVER-CONTROL differs from that of {first_name}")
        if _is_dated(playlist) != _is_dated(first):
            report.error("H25", name, f"dates here or in {first_name} only")
        _check_same_content(report, name, playlist, first_name, first)


def _check_reports(
    report: Report, name: str, playlist: Playlist, playlists: Mapping[str, Playlist]
) -> None:
    """A rendition that has parts is reported with its last one."""
    for tag in playlist.all("RENDITION-REPORT"):
        other = playlists.get(urljoin(name, tag.attributes.get("URI", "")))
        if other is None or "LAST-PART" in tag.attributes:
            continue
        if other.open_parts or any(segment.parts for segment in other.segments):
            place = f"{name} line {tag.line}"
            report.error("H20", place, "rendition report without LAST-PART of one that has parts")


def _is_dated(playlist: Playlist) -> bool:
    return any(segment.date_time_utc is not None for segment in playlist.segments)


def _check_same_content(
    report: Report, name: str, playlist: Playlist, first_name: str, first: Playlist
) -> None:
    """Segments of the same moment have the same discontinuity sequence number."""
    marks = [(s.date_time_utc, s) for s in first.segments if s.date_time_utc is not None]
    for segment in playlist.segments:
        date = segment.date_time_utc
        if date is None:
            continue
        # The segment of the other one that is under way in the middle of this one.
        middle = date + segment.duration_s / 2
        for start, other in marks:
            if not start <= middle < start + other.duration_s:
                continue
            if other.discontinuity != segment.discontinuity:
                report.error(
                    "H24",
                    at(name, segment),
                    f"discontinuity sequence number {segment.discontinuity}, "
                    f"at the same time {other.discontinuity} in {first_name}",
                )
