"""Journals of made-up streams, written by hand."""

from __future__ import annotations

from segmenter.window_records import SegmentRecord
from streaming.live_state.journal_format import MARK, write_record
from streaming.live_state.journal_messages import HeadMessage, to_message
from tests.segmenter.stage import AUDIO, SOURCE, START, Stage, audio, video

HEAD = HeadMessage("live/a", "cafe")


def played(seconds: float = 9, size: int = 300) -> Stage:
    """A stage on which two tracks have played; it has the records. `size`: bytes of a frame."""
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(seconds=seconds, size=size), audio(seconds=seconds, size=size))
    return stage


def written(stage: Stage, head: HeadMessage = HEAD) -> bytes:
    """What a journal of all that happened on a stage is."""
    out = bytearray(MARK + write_record(head))
    for record in stage.records:
        media = b""
        if isinstance(record, SegmentRecord) and not record.segment.is_gap:
            media = stage.data[record.rendition, record.segment.name]
        out += write_record(to_message(record, START + 1.5), len(media)) + media
    return bytes(out)
