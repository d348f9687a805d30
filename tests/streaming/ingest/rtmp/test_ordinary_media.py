"""Media that C takes from their chunks are those that messages and the demuxer would give."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import SegmenterError
from segmenter.native_choice import native
from streaming.errors import StreamingError
from streaming.ingest.flv import Demuxed, FlvDemuxer
from streaming.ingest.rtmp.chunk_stream import ChunkReader
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    AUDIO_CONFIG_TAG,
    COMMAND,
    FRAME_TAG,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    VIDEO_CONFIG_TAG,
    header,
    message,
)

LONG_FRAME_TAG = bytes.fromhex("2701000021 00000258 41") + bytes(599)
OTHER_CONFIG_TAG = bytes.fromhex("af00 1210")
"""AAC of another rate: what follows is of another track."""

CHUNK_BYTES = 512
OPENING = (
    message(1, CHUNK_BYTES.to_bytes(4, "big"), chunk_stream=2)
    + b"".join(
        header(0, stream, length=len(tag), type_id=type_id, stream_id=1) + tag
        for stream, type_id, tag in (
            (4, AUDIO, AUDIO_CONFIG_TAG),
            (6, VIDEO, VIDEO_CONFIG_TAG),
            (6, VIDEO, KEY_TAG),
            (4, AUDIO, SOUND_TAG),
        )
    )
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """One message as a publisher might send it; a form that cannot be becomes one that can."""

    stream: int
    form: int
    type_id: int
    payload: bytes
    time: int


sent = st.builds(
    lambda kind, stream, form, time: Sent(stream, form, *kind, time),
    st.sampled_from(
        [
            (VIDEO, FRAME_TAG), (VIDEO, FRAME_TAG), (VIDEO, LONG_FRAME_TAG), (AUDIO, SOUND_TAG),
            (AUDIO, SOUND_TAG), (AUDIO, SOUND_TAG), (VIDEO, KEY_TAG), (AUDIO, OTHER_CONFIG_TAG),
            (AUDIO, AUDIO_CONFIG_TAG), (COMMAND, b"\2\0\1x"), (VIDEO, b""), (VIDEO, b"\x27"),
            (1, (CHUNK_BYTES * 2).to_bytes(4, "big")), (2, (6).to_bytes(4, "big")),
        ]
    ),
    st.sampled_from([4, 6, 6, 70]),
    st.integers(0, 3),
    st.one_of(st.integers(0, 50), st.sampled_from([0xFFFFFE, 0xFFFFFF, 0x1000000])),
)  # fmt: skip


def written(script: list[Sent]) -> bytes:
    """The chunks; Set Chunk Size is obeyed, as `OPENING` says the first one."""
    out, size = b"", CHUNK_BYTES
    last: dict[int, Sent] = {}
    for one in script:
        before = last.get(one.stream)
        form = one.form if before is not None else 0
        same = before is not None and (before.type_id, len(before.payload)) == (
            one.type_id,
            len(one.payload),
        )
        form = form if same else min(form, 1)
        time = 0 if form == 3 else one.time
        out += header(form, one.stream, time=time, length=len(one.payload), type_id=one.type_id,
                      stream_id=1)  # fmt: skip
        last[one.stream] = one
        rest = header(3, one.stream, time=time if form < 3 else 0)
        chunks = [one.payload[at : at + size] for at in range(0, len(one.payload), size)] or [b""]
        out += rest.join(chunks)
        if one.type_id == 1:
            size = int.from_bytes(one.payload, "big")
    return out


def outcome(blocks: list[bytes], *, ordinary: bool) -> tuple[list[Demuxed], list[object], str]:
    """What a publication gives; all that is known of its chunk streams; the error at its end."""
    chunks, demuxer, out = ChunkReader(), FlvDemuxer(), list[Demuxed]()
    count = 0
    error = ""
    try:
        for now, block in enumerate(blocks):
            run = demuxer.begin_run(float(now)) if ordinary else None
            try:
                messages = chunks.push(block, run)
            finally:
                if run is not None:
                    count += run.count
                    out += demuxer.end_run(run)
            count += len(messages)
            demuxer.push_all([m for m in messages if m.type_id != COMMAND], float(now), out)
    except (StreamingError, SegmenterError) as reason:
        error = f"{type(reason).__name__}: {reason}"
    known: list[object] = [
        (id_, [getattr(stream, name) for name in stream.__slots__])
        for id_, stream in chunks._streams.items()
    ]
    left = chunks._chunk_left if chunks._current is not None else 0
    state = (left, chunks._tail, chunks._unfinished_bytes, chunks._empty_messages)
    return out, [*known, state, count, repr(demuxer.statistics())], error


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    blocks = []
    turn = 0
    while data:
        size = sizes[turn % len(sizes)]
        blocks.append(data[:size])
        data = data[size:]
        turn += 1
    return blocks


def compare(blocks: list[bytes]) -> None:
    """Of a read that ends in an error messages give nothing, and runs what came before it."""
    with_runs, without = outcome(blocks, ordinary=True), outcome(blocks, ordinary=False)
    assert with_runs[2] == without[2]
    if not with_runs[2]:
        assert with_runs == without
    else:
        assert with_runs[0][: len(without[0])] == without[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(sent, max_size=40), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_what_is_taken_in_runs_is_what_messages_give(script: list[Sent], sizes: list[int]) -> None:
    compare(cut(OPENING + written(script), sizes))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(sent, max_size=20),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
)
def test_the_same_of_hostile_bytes(
    script: list[Sent], damage: list[tuple[int, int]], sizes: list[int]
) -> None:
    data = bytearray(written(script))
    for at, byte in damage:
        if data:
            data[at % len(data)] = byte
    compare([OPENING, *cut(bytes(data), sizes)])


@pytest.mark.skipif(native is None, reason="no compiler was at hand")
def test_frames_in_one_chunk_each_are_taken_and_lie_where_they_were_received() -> None:
    chunks, demuxer = ChunkReader(), FlvDemuxer()
    demuxer.push_all(chunks.push(OPENING), 0.0, [])
    pair = [(6, VIDEO, FRAME_TAG), (4, AUDIO, SOUND_TAG)]
    block = b"".join(
        header(1, stream, time=20, length=len(tag), type_id=type_id) + tag
        for stream, type_id, tag in pair * 5
    )
    run = demuxer.begin_run(1.0)
    assert run is not None
    assert chunks.push(block, run) == []
    assert run.count == 10
    payloads = [sample.payload for sample in run.samples]  # type: ignore[union-attr]
    assert all(isinstance(payload, memoryview) for payload in payloads)
    assert [bytes(payload) for payload in payloads] == [FRAME_TAG[5:], SOUND_TAG[2:]] * 5
