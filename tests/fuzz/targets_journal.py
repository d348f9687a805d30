"""Fuzz targets of what is read when an origin starts: the journals of the one before."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Callable

from segmenter.errors import SegmenterError
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.window_records import replay
from streaming.live_state.journal_format import MARK, read_journal
from tests.segmenter.made_anew import render_media_playlist, render_mpd
from tests.segmenter.stage import START
from tests.streaming.live_state.journals import played, written

_FRAME = struct.Struct(">IIQ")


def fuzz_journal(data: bytes) -> None:
    """As it is on the disk."""
    _restore(data)


def fuzz_journal_records(data: bytes) -> None:
    """With right sums, so that what records say is what is read."""
    summed = bytearray(data)
    at = len(MARK)
    while at + _FRAME.size <= len(summed):
        length, _, media = _FRAME.unpack_from(summed, at)
        body = summed[at + _FRAME.size : at + _FRAME.size + length]
        crc = zlib.crc32(body, zlib.crc32(struct.pack(">IQ", length, media)))
        _FRAME.pack_into(summed, at, length, crc, media)
        at += _FRAME.size + length + media
    _restore(bytes(summed))


def _restore(data: bytes) -> None:
    content = read_journal(lambda at, size: data[at : at + size], len(data))
    saved = replay(content.records) if content is not None else None
    if saved is None:
        return
    presentation = Presentation(PresentationSettings())
    # What cannot be restored costs this path its history; see PathRegistry.
    with contextlib.suppress(SegmenterError, ArithmeticError, ValueError, AssertionError):
        presentation.restore(saved, START + 20.0)
        for rendition in presentation.renditions.values():
            render_media_playlist(rendition)
        render_mpd(presentation, START + 20.0, "/time")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "journal": fuzz_journal,
    "journal_records": fuzz_journal_records,
}
_SEED = written(played(5, size=20))
SEEDS: dict[str, list[bytes]] = {"journal": [_SEED], "journal_records": [_SEED]}
