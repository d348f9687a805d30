"""Rules about the text of any HLS playlist: form, tags that may stand once, version."""

from __future__ import annotations

import logging

import m3u8

from streaming.inspect.playlist import Playlist, to_number, to_utc
from streaming.inspect.report import Report

_ONCE = (
    "VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE", "ENDLIST",
    "PLAYLIST-TYPE", "I-FRAMES-ONLY", "PART-INF", "SERVER-CONTROL", "SKIP",
    "INDEPENDENT-SEGMENTS", "START", "CONTENT-STEERING",
)  # fmt: skip
_ATTRIBUTE_LISTS = (
    "MAP", "KEY", "PART", "PART-INF", "SERVER-CONTROL", "SKIP", "PRELOAD-HINT",
    "RENDITION-REPORT", "DATERANGE", "MEDIA", "STREAM-INF", "I-FRAME-STREAM-INF", "SESSION-KEY",
    "SESSION-DATA", "START", "DEFINE", "CONTENT-STEERING",
)  # fmt: skip
_WHOLE_NUMBERS = ("VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE")
_IN_MEDIA_ONLY = ("TARGETDURATION", "MEDIA-SEQUENCE", "MAP", "PART", "ENDLIST")

logging.getLogger("m3u8").addHandler(logging.NullHandler())


def check_syntax(report: Report, where: str, data: bytes, playlist: Playlist) -> None:
    """H0 and H27."""
    _check_bytes(report, where, data)
    for name in _ONCE:
        if len(playlist.all(name)) > 1:
            report.error("H0", where, f"EXT-X-{name} stands {len(playlist.all(name))} times")
    for name in _WHOLE_NUMBERS:
        for tag in playlist.all(name):
            if not tag.value.isdigit():
                report.error(
                    "H0", f"{where} line {tag.line}", f"{tag.name}:{tag.value} is no number"
                )
    for name in _ATTRIBUTE_LISTS:
        for tag in playlist.all(name):
            if not tag.is_attribute_list:
                report.error("H0", f"{where} line {tag.line}", f"{tag.name} has a malformed list")
    for tag in playlist.all("PROGRAM-DATE-TIME"):
        if to_utc(tag.value) is None:
            report.error("H0", f"{where} line {tag.line}", f"{tag.value!r} is no date with a zone")
    if playlist.is_multivariant:
        for name in _IN_MEDIA_ONLY:
            if playlist.first(name):
                report.error("H0", where, f"EXT-X-{name} in a multivariant playlist")
    else:
        _check_extinf(report, where, playlist)
    _check_second_opinion(report, where, data, playlist)
    _check_version(report, where, playlist)


def _check_bytes(report: Report, where: str, data: bytes) -> None:
    if data.startswith(b"\xef\xbb\xbf"):
        report.error("H0", where, "begins with a byte order mark")
    elif not data.startswith((b"#EXTM3U\n", b"#EXTM3U\r\n")):
        report.error("H0", where, "the first line is not #EXTM3U")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        report.error("H0", where, f"is not UTF-8 at byte {error.start}")


def _check_extinf(report: Report, where: str, playlist: Playlist) -> None:
    tags = [tag for tag in playlist.tags if tag.name == "EXTINF"]
    for tag in tags:
        if to_number(tag.value.partition(",")[0]) is None:
            report.error("H0", f"{where} line {tag.line}", f"EXTINF:{tag.value} is no duration")
    if len(tags) != len(playlist.segments):
        report.error("H0", where, f"{len(tags)} EXTINF for {len(playlist.segments)} segments")


def _check_second_opinion(report: Report, where: str, data: bytes, playlist: Playlist) -> None:
    """What m3u8, the library that most Python tools read playlists with, makes of it."""
    try:
        parsed = m3u8.loads(data.decode("utf-8", "replace"))
        listed = [s.uri for s in parsed.segments if s.uri], [s.uri for s in parsed.playlists]
    except Exception as error:  # it has no tree of errors: anything may come
        report.error("H0", where, f"m3u8 cannot read it: {type(error).__name__}: {error}")
        return
    count = len(listed[1]) if playlist.is_multivariant else len(listed[0])
    ours = len(playlist.all("STREAM-INF")) if playlist.is_multivariant else len(playlist.segments)
    if count != ours:
        report.warn("H0", where, f"m3u8 finds {count} entries where {ours} are listed")


def _check_version(report: Report, where: str, playlist: Playlist) -> None:
    tag = playlist.first("VERSION")
    said = int(tag.value) if tag and tag.value.isdigit() else 1
    needed, why = needed_version(playlist)
    # 4 with EXT-X-MEDIA is what the RFC suggests without demanding it.
    enough = max(needed, 4) if playlist.is_multivariant else max(needed, 3)
    if said < needed:
        report.error("H27", where, f"EXT-X-VERSION {said}, but {why} needs {needed}")
    elif said > enough:
        report.warn("H27", where, f"EXT-X-VERSION {said} where {needed} is enough")


def needed_version(playlist: Playlist) -> tuple[int, str]:
    """The lowest protocol version for what the playlist uses, and what asks for it (HLS 8)."""
    needs = [(1, "nothing")]
    if any(tag.name == "EXTINF" and "." in tag.value.partition(",")[0] for tag in playlist.tags):
        needs.append((3, "a decimal EXTINF"))
    iframes_only = playlist.first("I-FRAMES-ONLY")
    if iframes_only or playlist.first("BYTERANGE"):
        needs.append((4, "EXT-X-BYTERANGE or EXT-X-I-FRAMES-ONLY"))
    for key in playlist.all("KEY"):
        if "KEYFORMAT" in key.attributes:
            needs.append((5, "KEYFORMAT"))
        elif "IV" in key.attributes:
            needs.append((2, "IV"))
    if playlist.first("MAP"):
        needs.append((5, "EXT-X-MAP") if iframes_only else (6, "EXT-X-MAP"))
    if any(
        t.attributes.get("INSTREAM-ID", "").startswith("SERVICE") for t in playlist.all("MEDIA")
    ):
        needs.append((7, "INSTREAM-ID of a service"))
    needs += [(8, "EXT-X-DEFINE") for _ in playlist.all("DEFINE")]
    if any("QUERYPARAM" in tag.attributes for tag in playlist.all("DEFINE")):
        needs.append((11, "QUERYPARAM"))
    for skip in playlist.all("SKIP"):
        with_ranges = "RECENTLY-REMOVED-DATERANGES" in skip.attributes
        needs.append((10, "skipped date ranges") if with_ranges else (9, "EXT-X-SKIP"))
    if any(name.startswith("REQ-") for tag in playlist.tags for name in tag.attributes):
        needs.append((12, "a REQ- attribute"))
    return max(needs)
