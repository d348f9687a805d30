"""Rules about parts, preload hints, rendition reports and server control."""

from __future__ import annotations

from collections.abc import Sequence

from streaming.inspect.media_rules import at
from streaming.inspect.playlist import ListedPart, ListedSegment, Playlist, to_number
from streaming.inspect.report import Report

SHORTEST_PART = 0.85
"""Of PART-TARGET (HLS 4.4.4.9); players of iOS stall on shorter ones."""
ROUNDING_S = 0.000_51
"""Durations are written with three or more digits."""
PART_TARGETS_LISTED = 3
"""Target durations from the end for which parts stay listed (HLS 6.2.2)."""


def check_low_latency(report: Report, where: str, playlist: Playlist) -> None:
    """H9, H11 to H15, H19, H20; nothing for a playlist without any of it."""
    _check_server_control(report, where, playlist)
    parts = [part for segment in playlist.segments for part in segment.parts]
    if parts or playlist.open_parts:
        _check_parts(report, where, playlist)
    _check_hints(report, where, playlist)
    _check_reports(report, where, playlist)


def _check_server_control(report: Report, where: str, playlist: Playlist) -> None:
    control, target = playlist.server_control, playlist.target_duration
    skip = to_number(control.get("CAN-SKIP-UNTIL", ""))
    if skip is not None and skip < 6 * target:
        report.error("H9", where, f"CAN-SKIP-UNTIL {skip:g} is less than six times {target}")
    hold = to_number(control.get("HOLD-BACK", ""))
    if hold is not None and hold < 3 * target:
        report.error("H11", where, f"HOLD-BACK {hold:g} is less than three times {target}")
    if not playlist.part_target_s:
        if playlist.first("PART"):
            report.error("H11", where, "EXT-X-PART without EXT-X-PART-INF")
        return
    part_hold = to_number(control.get("PART-HOLD-BACK", ""))
    if part_hold is None:
        report.error("H11", where, "EXT-X-PART-INF without PART-HOLD-BACK")
    elif part_hold < 2 * playlist.part_target_s:
        report.error("H11", where, f"PART-HOLD-BACK {part_hold:g} is under two part targets")
    elif part_hold < 3 * playlist.part_target_s - ROUNDING_S:
        report.warn("H11", where, f"PART-HOLD-BACK {part_hold:g} is under three part targets")


def _check_parts(report: Report, where: str, playlist: Playlist) -> None:
    target = playlist.part_target_s
    end_s = sum(part.duration_s for part in playlist.open_parts)
    from_end: list[float] = []
    for segment in reversed(playlist.segments):
        from_end.append(end_s)
        end_s += segment.duration_s
    for segment, after_s in zip(playlist.segments, reversed(from_end), strict=True):
        place = at(where, segment)
        if segment.late_tags:
            late = ", ".join(segment.late_tags)
            report.error("H14", place, f"{late} behind its first part")
        if not segment.parts:
            continue
        _check_durations(report, place, segment.parts, target, is_complete=True)
        _check_sum(report, place, segment)
        if after_s > PART_TARGETS_LISTED * playlist.target_duration + segment.duration_s:
            report.warn("H15", place, f"still lists parts {after_s:.1f} s from the end")
    _check_durations(report, where, playlist.open_parts, target, is_complete=False)


def _check_durations(
    report: Report, where: str, parts: Sequence[ListedPart], target: float, *, is_complete: bool
) -> None:
    for index, part in enumerate(parts):
        place = f"{where} part {index}"
        if part.duration_s > target + ROUNDING_S and target:
            report.error("H12", place, f"{part.duration_s:g} s is more than PART-TARGET {target:g}")
        is_last = is_complete and index + 1 == len(parts)
        before_gap = index + 1 < len(parts) and parts[index + 1].is_gap
        excused = is_last or before_gap or part.is_gap or part.is_independent
        if part.duration_s < SHORTEST_PART * target - ROUNDING_S and not excused:
            report.error("H12", place, f"{part.duration_s:g} s is under 85 % of {target:g}")
        if not part.uri:
            report.error("H12", place, "EXT-X-PART without URI")


def _check_sum(report: Report, place: str, segment: ListedSegment) -> None:
    total = sum(part.duration_s for part in segment.parts)
    if abs(total - segment.duration_s) > 2 * ROUNDING_S * len(segment.parts) + 0.001:
        report.error("H13", place, f"parts of {total:.3f} s in a segment of {segment.duration_s:g}")


def _check_hints(report: Report, where: str, playlist: Playlist) -> None:
    hints = playlist.all("PRELOAD-HINT")
    kinds = [hint.attributes.get("TYPE", "") for hint in hints]
    for kind in set(kinds):
        if kinds.count(kind) > 1:
            report.warn("H19", where, f"{kinds.count(kind)} preload hints of type {kind}")
    if hints and playlist.is_ended:
        report.error("H19", where, "a preload hint in a playlist that has ended")
    for hint in hints:
        if not hint.attributes.get("URI"):
            report.error("H19", f"{where} line {hint.line}", "a preload hint without URI")


def _check_reports(report: Report, where: str, playlist: Playlist) -> None:
    for tag in playlist.all("RENDITION-REPORT"):
        place, attributes = f"{where} line {tag.line}", tag.attributes
        uri = attributes.get("URI", "")
        if not uri or "://" in uri or uri.startswith("/"):
            report.error("H20", place, f"rendition report with URI {uri!r}, not a relative one")
        if not attributes.get("LAST-MSN", "").isdigit():
            report.error("H20", place, "rendition report without LAST-MSN")
        elif playlist.part_target_s and "LAST-PART" not in attributes:
            # One of a playlist that has nothing but gaps lately has none: `check_renditions` looks.
            report.warn("H20", place, "rendition report without LAST-PART")
