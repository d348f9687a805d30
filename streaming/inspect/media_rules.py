"""Rules about one media playlist by itself."""

from __future__ import annotations

import itertools
import math

from streaming.inspect.playlist import ListedSegment, Playlist
from streaming.inspect.report import Report

WINDOW_TARGETS = 3
"""Target durations that a live playlist must keep (HLS 6.2.2)."""
DATE_SLACK_S = 0.1
"""Between a date and the one before plus its EXTINF; encoders with a clock of their own drift."""


def check_media_playlist(report: Report, where: str, playlist: Playlist) -> None:
    """H21 to H25 and H30 as far as one look can tell."""
    _check_target_duration(report, where, playlist)
    _check_order(report, where, playlist)
    _check_type(report, where, playlist)
    _check_maps(report, where, playlist)
    _check_dates(report, where, playlist)
    _check_keys(report, where, playlist)


def _check_target_duration(report: Report, where: str, playlist: Playlist) -> None:
    target = playlist.target_duration
    if not target:
        report.error("H21", where, "no EXT-X-TARGETDURATION")
        return
    for segment in playlist.segments:
        if math.floor(segment.duration_s + 0.5) > target:
            report.error(
                "H21",
                at(where, segment),
                f"EXTINF {segment.duration_s:g} rounds to more than TARGETDURATION {target}",
            )


def _check_order(report: Report, where: str, playlist: Playlist) -> None:
    first = playlist.segments[0].line if playlist.segments else math.inf
    for name in ("MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE"):
        tag = playlist.first(name)
        if tag and tag.line > first:
            report.error("H22", where, f"EXT-X-{name} stands behind the first segment")
    sequence, broken = playlist.first("DISCONTINUITY-SEQUENCE"), playlist.first("DISCONTINUITY")
    if sequence and broken and sequence.line > broken.line:
        report.error("H22", where, "EXT-X-DISCONTINUITY-SEQUENCE behind an EXT-X-DISCONTINUITY")


def _check_type(report: Report, where: str, playlist: Playlist) -> None:
    tag = playlist.first("PLAYLIST-TYPE")
    kind = tag.value if tag else ""
    if kind and kind not in ("EVENT", "VOD"):
        report.error("H23", where, f"EXT-X-PLAYLIST-TYPE:{kind}")
    elif kind == "VOD" and not playlist.is_ended:
        report.error("H23", where, "PLAYLIST-TYPE VOD without EXT-X-ENDLIST")
    elif kind == "EVENT" and playlist.segments and playlist.segments[0].msn:
        report.error("H23", where, "PLAYLIST-TYPE EVENT, but segments have been removed")
    shortest = WINDOW_TARGETS * playlist.target_duration
    if not playlist.is_ended and playlist.duration_s < shortest:
        report.note("H23", where, f"lists less than {shortest} s, as at the start of a stream")


def _check_maps(report: Report, where: str, playlist: Playlist) -> None:
    media = [segment for segment in playlist.segments if not segment.is_gap]
    for before, segment in itertools.pairwise(media):
        changed = (segment.map_uri, segment.map_range) != (before.map_uri, before.map_range)
        if changed and segment.discontinuity == before.discontinuity:
            report.warn("H24", at(where, segment), "EXT-X-MAP changes without a discontinuity")
    for tag in playlist.all("MAP"):
        if not tag.attributes.get("URI"):
            report.error("H24", f"{where} line {tag.line}", "EXT-X-MAP without URI")


def _check_dates(report: Report, where: str, playlist: Playlist) -> None:
    due: float | None = None
    dated = any(segment.date_time_utc is not None for segment in playlist.segments)
    for segment in playlist.segments:
        date = segment.date_time_utc
        if date is None and dated and segment.starts_discontinuity:
            report.warn("H25", at(where, segment), "no date after a discontinuity")
        if segment.starts_discontinuity:
            due = None
        if date is not None and due is not None and abs(date - due) > DATE_SLACK_S:
            report.error(
                "H25",
                at(where, segment),
                f"the date is {date - due:+.3f} s from the one before plus EXTINF",
            )
        due = date if date is not None else due
        due = None if due is None else due + segment.duration_s
    if playlist.first("DATERANGE") and not dated:
        report.error("H25", where, "EXT-X-DATERANGE without EXT-X-PROGRAM-DATE-TIME")


def _check_keys(report: Report, where: str, playlist: Playlist) -> None:
    for tag in playlist.all("KEY"):
        attributes = tag.attributes
        method = attributes.get("METHOD")
        line = f"{where} line {tag.line}"
        if method is None:
            report.error("H30", line, "EXT-X-KEY without METHOD")
        elif method == "NONE" and len(attributes) > 1:
            report.error("H30", line, "METHOD=NONE with other attributes")
        elif method != "NONE" and "URI" not in attributes:
            report.error("H30", line, f"METHOD={method} without URI")


def at(where: str, segment: ListedSegment) -> str:
    """Where a segment is, for a finding."""
    return f"{where} segment {segment.msn}"
