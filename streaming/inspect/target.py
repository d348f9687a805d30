"""What was asked for, a file or an address, to the inspector that knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from streaming.inspect.boxes import inspect_boxes
from streaming.inspect.dash import DashInspector
from streaming.inspect.dash_latency import DashFollower
from streaming.inspect.fetch import Answer, Fetcher, HttpFetcher, StreamFetcher
from streaming.inspect.hls import HlsInspector
from streaming.inspect.hls_latency import HlsFollower
from streaming.inspect.latency import LatencyMeter, LatencyReport
from streaming.inspect.low_latency_rules import check_low_latency
from streaming.inspect.media_rules import check_media_playlist
from streaming.inspect.mpd_rules import check_mpd
from streaming.inspect.mpd_xml import parse_mpd
from streaming.inspect.multivariant_rules import check_multivariant
from streaming.inspect.playlist import Playlist, parse_playlist
from streaming.inspect.report import Report, UnreadableError
from streaming.inspect.syntax_rules import check_syntax

MAX_FILE_BYTES = 1 << 30
"""What is inspected is held in memory."""


def inspect_target(target: str, watch_s: float = 0.0) -> Report:
    """A file or an http(s) URL. Raises UnreadableError when there is nothing to inspect."""
    if target.startswith(("http://", "https://")):
        return inspect_url(target, watch_s)
    return inspect_file(Path(target))


def inspect_url(
    url: str,
    watch_s: float = 0.0,
    *,
    fetcher: Fetcher | None = None,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> Report:
    """A live HLS playlist, an MPD or an MP4, watched for so many seconds.

    ``clock`` gives seconds since 1970, ``wait`` passes them. Blocks. Raises UnreadableError when
    the URL itself cannot be had or read.
    """
    report = Report(url)
    fetcher = fetcher or HttpFetcher()
    answer = _get(fetcher, url)
    match kind_of(answer.body):
        case "playlist":
            HlsInspector(report, fetcher, clock, wait).inspect(answer, watch_s)
        case "mpd":
            DashInspector(report, fetcher, clock, wait).inspect(answer, watch_s)
        case _:
            inspect_boxes(report, answer.body, url)
    return report


def follow_url(
    url: str,
    seconds: float,
    *,
    fetcher: StreamFetcher | None = None,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> LatencyReport:
    """How late a live HLS or DASH stream is here; see `inspect_url` for the rest."""
    fetcher = fetcher or HttpFetcher()
    meter = LatencyMeter()
    answer = _get(fetcher, url)
    kind = kind_of(answer.body)
    if kind == "boxes":
        raise UnreadableError(f"{url}: neither a playlist nor an MPD")
    follower = (HlsFollower if kind == "playlist" else DashFollower)(meter, fetcher, clock, wait)
    follower.follow(answer, seconds)
    return LatencyReport(
        url, follower.kind, follower.rendition, seconds, meter.stages(), meter.troubles
    )


def _get(fetcher: Fetcher, url: str) -> Answer:
    """What is at ``url``; at that of a stream's page its playlist. Raises UnreadableError."""
    answer = fetcher.get(url)
    if answer.content_type == "text/html" and urlsplit(answer.url).path.endswith("/"):
        url = urljoin(answer.url, "index.m3u8")
        answer = fetcher.get(url)
    if not 200 <= answer.status < 300:
        raise UnreadableError(f"{url}: HTTP status {answer.status}")
    if answer.content_type == "text/html" and kind_of(answer.body) == "boxes":
        raise UnreadableError(f"{url}: a web page, neither a playlist, an MPD nor an MP4 file")
    return answer


def inspect_file(path: Path) -> Report:
    """A playlist, an MPD or an MP4 on disk. Raises UnreadableError."""
    report = Report(str(path))
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UnreadableError(f"{path}: more than {MAX_FILE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from error
    inspect_bytes(report, data, path.name)
    return report


def inspect_bytes(report: Report, data: bytes, name: str) -> None:
    """What a file's own bytes tell. Raises UnreadableError."""
    match kind_of(data):
        case "playlist":
            _inspect_playlist(report, data, name)
        case "mpd":
            mpd = parse_mpd(data)
            mpd.describe(report.tree)
            check_mpd(report, mpd)
        case _:
            inspect_boxes(report, data, name)


def kind_of(data: bytes) -> str:
    """``playlist``, ``mpd`` or ``boxes``, by how the data begin."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"#EXT"):
        return "playlist"
    if head.startswith(b"<") and (b"<MPD" in head or b":MPD" in head or b"<?xml" in head):
        return "mpd"
    return "boxes"


def _inspect_playlist(report: Report, data: bytes, name: str) -> None:
    playlist = parse_playlist(data)
    check_syntax(report, name, data, playlist)
    if playlist.is_multivariant:
        check_multivariant(report, name, playlist)
    else:
        check_media_playlist(report, name, playlist)
        check_low_latency(report, name, playlist)
    _describe(report, playlist)


def _describe(report: Report, playlist: Playlist) -> None:
    for tag in playlist.all("STREAM-INF") + playlist.all("MEDIA"):
        report.tree.add(f"{tag.name} {tag.value}")
    for segment in playlist.segments:
        gap = " gap" if segment.is_gap else ""
        node = report.tree.add(f"{segment.msn} {segment.uri} {segment.duration_s:g} s{gap}")
        for part in segment.parts:
            node.add(f"{part.uri} {part.duration_s:g} s{' gap' if part.is_gap else ''}")
