"""Messages that arrive together give what they give one by one; so do tags in a file."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.flv_file import MappedFlv, read_messages
from segmenter.errors import SegmenterError
from streaming.errors import StreamingError
from streaming.ingest.flv import Demuxed, FlvDemuxer
from streaming.ingest.rtmp.messages import Message
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    AUDIO_CONFIG_TAG,
    FRAME_TAG,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    VIDEO_CONFIG_TAG,
)

CLIPS = sorted((Path(__file__).parents[3] / "media-samples").glob("*.flv"))

usual = st.sampled_from(
    [
        (VIDEO, VIDEO_CONFIG_TAG),
        (AUDIO, AUDIO_CONFIG_TAG),
        (VIDEO, KEY_TAG),
        (VIDEO, FRAME_TAG),
        (VIDEO, FRAME_TAG),
        (AUDIO, SOUND_TAG),
        (AUDIO, SOUND_TAG),
    ]
)
starts = st.sampled_from(
    [
        b"\x27\x01", b"\x37\x01", b"\x17\x01", b"\x27\x00", b"\xaf\x01", b"\xaf\x00", b"\xae\x01",
        b"\xa1avc1", b"\xa3avc1", b"\xb1hvc1", b"\xa3hvc1", b"\x91mp4a", b"\x91Opus", b"\xd7avc1",
    ]
)  # fmt: skip
hostile = st.tuples(
    st.sampled_from([VIDEO, AUDIO]),
    st.builds(lambda start, rest: start + rest, starts, st.binary(max_size=14)),
)
scripts = st.lists(
    st.tuples(st.one_of(usual, usual, hostile), st.integers(0, (1 << 32) - 1)), max_size=40
)
opening = [(VIDEO, VIDEO_CONFIG_TAG), (AUDIO, AUDIO_CONFIG_TAG), (VIDEO, KEY_TAG),
           (AUDIO, SOUND_TAG)]  # fmt: skip


def outcome(
    messages: list[Message], sizes: list[int], *, together: bool
) -> tuple[list[Demuxed], str, str]:
    demuxer, out = FlvDemuxer(), list[Demuxed]()
    left = iter(messages)
    groups = (list(itertools.islice(left, size)) for size in itertools.cycle(sizes))
    try:
        for now, group in enumerate(itertools.takewhile(bool, groups)):
            if together:
                demuxer.push_all(group, float(now), out)
            else:
                for message in group:
                    out += demuxer.push(message, float(now))
    except (StreamingError, SegmenterError) as error:
        return out, str(error), repr(demuxer.statistics())
    return out, "", repr(demuxer.statistics())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(scripts, st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_messages_read_together_give_the_same_as_one_by_one(
    script: list[tuple[tuple[int, bytes], int]], sizes: list[int]
) -> None:
    messages = [
        Message(type_id, time, 1, payload)
        for (type_id, payload), time in [*((tag, 0) for tag in opening), *script]
    ]
    assert outcome(messages, sizes, together=True) == outcome(messages, sizes, together=False)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
@pytest.mark.parametrize("block_bytes", [1, 7, 1000, 4096, 1 << 20])
def test_a_file_gives_the_same_whatever_blocks_it_is_read_in(clip: Path, block_bytes: int) -> None:
    demuxer, expected = FlvDemuxer(), list[Demuxed]()
    for message in read_messages(clip):
        expected += demuxer.push(message)
    file, out = MappedFlv(clip, block_bytes), list[Demuxed]()
    while (demuxed := file.read(0.0)) is not None:
        out += demuxed
    assert out
    assert out == expected


def test_a_file_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    whole = CLIPS[0].read_bytes()
    cut = tmp_path / "cut.flv"
    cut.write_bytes(whole[: len(whole) // 2])
    demuxer, expected = FlvDemuxer(), list[Demuxed]()
    for message in read_messages(cut):
        expected += demuxer.push(message)
    file, out = MappedFlv(cut), list[Demuxed]()
    while (demuxed := file.read(0.0)) is not None:
        out += demuxed
    assert out
    assert out == expected
