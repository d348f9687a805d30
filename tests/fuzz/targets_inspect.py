"""Fuzz targets of streaming.inspect: files and answers of servers that nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable

from streaming.inspect.mpd_reload_rules import check_mpd_reload
from streaming.inspect.mpd_rules import check_mpd
from streaming.inspect.mpd_xml import parse_mpd
from streaming.inspect.playlist import parse_playlist
from streaming.inspect.reload_rules import check_reload, check_renditions
from streaming.inspect.report import Report
from streaming.inspect.target import inspect_bytes
from tests.streaming.inspect.test_files import MEDIA, MPD, VARIANTS

_GOOD_MEDIA = parse_playlist(MEDIA.encode())
_GOOD_MPD = parse_mpd(MPD.encode())


def fuzz_file(data: bytes) -> None:
    """Any file, as the command inspects it."""
    report = Report("fuzz")
    inspect_bytes(report, data, "fuzz")
    assert report.to_builtins()["tree"]


def fuzz_playlist(data: bytes) -> None:
    """A playlist that follows on a good one, and stands beside one."""
    report = Report("fuzz")
    playlist = parse_playlist(data)
    check_reload(report, "fuzz", _GOOD_MEDIA, playlist)
    check_reload(report, "fuzz", playlist, _GOOD_MEDIA)
    check_renditions(report, {"good": _GOOD_MEDIA, "fuzz": playlist})
    inspect_bytes(report, data, "fuzz")


def fuzz_mpd(data: bytes) -> None:
    """An MPD that follows on a good one."""
    report = Report("fuzz")
    mpd = parse_mpd(data, "http://origin.example/live/manifest.mpd")
    check_mpd(report, mpd)
    check_mpd_reload(report, _GOOD_MPD, mpd)
    check_mpd_reload(report, mpd, _GOOD_MPD)
    for _, _, representation in mpd.representations():
        assert isinstance(representation.init_url, str)
        for entry in representation.entries[:3]:
            assert isinstance(representation.segment_url(entry), str)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "inspect_file": fuzz_file,
    "inspect_playlist": fuzz_playlist,
    "inspect_mpd": fuzz_mpd,
}
SEEDS: dict[str, list[bytes]] = {
    "inspect_file": [MEDIA.encode(), VARIANTS.encode(), MPD.encode()],
    "inspect_playlist": [MEDIA.encode(), VARIANTS.encode()],
    "inspect_mpd": [MPD.encode()],
}
