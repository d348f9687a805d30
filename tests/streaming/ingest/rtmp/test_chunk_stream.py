from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import RtmpError
from streaming.ingest.rtmp.chunk_stream import ChunkReader, ChunkWriter
from streaming.ingest.rtmp.limits import (
    MAX_CHUNK_STREAMS,
    MAX_COMMAND_BYTES,
    MAX_EMPTY_MESSAGES,
    MIN_CHUNK_BYTES,
)
from streaming.ingest.rtmp.messages import Message
from tests.streaming.ingest.rtmp.wire import AUDIO, COMMAND, VIDEO, header, message, read_answers

Seen = tuple[int, int, int, bytes]


def seen(messages: list[Message]) -> list[Seen]:
    return [(m.type_id, m.timestamp, m.stream_id, bytes(m.payload)) for m in messages]


def read(data: bytes) -> list[Seen]:
    return seen(ChunkReader().push(data))


def times(data: bytes) -> list[int]:
    return [time for _, time, _, _ in read(data)]


BODY = bytes(range(256)) * 4
SET_CHUNK_4096 = message(1, (4096).to_bytes(4, "big"), chunk_stream=2)


# -- headers ---------------------------------------------------------------------------------------


def test_a_type_0_chunk_says_everything() -> None:
    data = header(0, 6, time=1234, length=3, type_id=VIDEO, stream_id=0x01020304) + b"abc"
    assert read(data) == [(VIDEO, 1234, 0x01020304, b"abc")]


def test_a_type_1_chunk_keeps_the_stream_and_adds_to_the_time() -> None:
    first = header(0, 6, time=1000, length=1, type_id=VIDEO, stream_id=1) + b"a"
    second = header(1, 6, time=40, length=2, type_id=AUDIO) + b"bc"
    assert read(first + second)[1] == (AUDIO, 1040, 1, b"bc")


def test_a_type_2_chunk_keeps_length_and_type_too() -> None:
    first = header(0, 6, time=1000, length=2, type_id=VIDEO, stream_id=1) + b"ab"
    assert read(first + header(2, 6, time=40) + b"cd")[1] == (VIDEO, 1040, 1, b"cd")


def test_a_type_3_chunk_repeats_the_last_delta() -> None:
    first = header(0, 6, time=1000, length=1, type_id=VIDEO, stream_id=1) + b"a"
    second = header(2, 6, time=40) + b"b"
    third = header(3, 6) + b"c"
    assert times(first + second + third + third) == [1000, 1040, 1080, 1120]


def test_a_type_3_chunk_after_type_0_takes_its_time_as_the_delta() -> None:
    first = header(0, 6, time=20, length=1, type_id=AUDIO, stream_id=1) + b"a"
    assert times(first + header(3, 6) + b"b") == [20, 40]


@pytest.mark.parametrize("chunk_stream", [2, 3, 63, 64, 319, 320, 65_599])
def test_chunk_stream_ids_of_one_two_and_three_bytes(chunk_stream: int) -> None:
    data = message(VIDEO, BODY, time=7, chunk_stream=chunk_stream)
    assert read(data) == [(VIDEO, 7, 1, BODY)]


def test_a_stream_may_open_with_type_1_as_some_encoders_do() -> None:
    data = header(1, 4, time=5, length=2, type_id=AUDIO) + b"ab"
    assert read(data) == [(AUDIO, 5, 0, b"ab")]


@pytest.mark.parametrize("form", [2, 3])
def test_a_stream_cannot_open_without_a_length(form: int) -> None:
    with pytest.raises(RtmpError, match=f"starts with a type {form}"):
        read(header(form, 4) + b"ab")


def test_a_new_message_cannot_start_inside_another() -> None:
    data = message(VIDEO, BODY)[: 12 + 128]
    with pytest.raises(RtmpError, match="inside a message"):
        read(data + header(0, 6, length=1, type_id=VIDEO) + b"a")


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [0xFFFFFE, 0xFFFFFF, 0x1000000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_time_of_more_than_24_bits_is_extended(time: int) -> None:
    assert read(message(VIDEO, b"abc", time=time)) == [(VIDEO, time, 1, b"abc")]


@pytest.mark.parametrize("repeat_extended", [True, False])
def test_continuations_may_repeat_the_extended_timestamp_or_not(repeat_extended: bool) -> None:
    data = message(VIDEO, BODY, time=0x7FFFFFFF, repeat_extended=repeat_extended)
    assert read(data) == [(VIDEO, 0x7FFFFFFF, 1, BODY)]


def test_a_continuation_without_extended_timestamp_is_not_waited_for() -> None:
    data = message(VIDEO, BODY[:130], time=0x7FFFFFFF, repeat_extended=False)
    assert times(data) == [0x7FFFFFFF]


def test_a_31_bit_clock_wraps_by_a_new_type_0_chunk() -> None:
    data = message(VIDEO, BODY, time=0x7FFFFFF0) + message(VIDEO, BODY, time=0x10)
    assert times(data) == [0x7FFFFFF0, 0x10]


def test_a_32_bit_clock_wraps_within_deltas() -> None:
    first = header(0, 6, time=0xFFFFFFF0, length=1, type_id=VIDEO, stream_id=1) + b"a"
    assert times(first + header(2, 6, time=0x20) + b"b") == [0xFFFFFFF0, 0x10]


def test_a_delta_may_be_extended_to_go_back() -> None:
    first = header(0, 6, time=100, length=1, type_id=VIDEO, stream_id=1) + b"a"
    back = header(1, 6, time=2**32 - 40, length=1, type_id=VIDEO) + b"b"
    assert times(first + back) == [100, 60]


# -- chunks ----------------------------------------------------------------------------------------


def test_set_chunk_size_holds_for_what_follows() -> None:
    data = SET_CHUNK_4096 + message(VIDEO, BODY * 8, chunk_bytes=4096)
    assert read(data) == [(VIDEO, 0, 1, BODY * 8)]


def test_set_chunk_size_may_come_between_the_chunks_of_a_message() -> None:
    whole = message(VIDEO, BODY, chunk_bytes=128)
    rest = header(3, 6) + BODY[128:]
    assert read(whole[: 12 + 128] + SET_CHUNK_4096 + rest) == [(VIDEO, 0, 1, BODY)]


def test_the_highest_bit_of_a_chunk_size_is_ignored() -> None:
    data = message(1, (0x80000000 | 4096).to_bytes(4, "big"), chunk_stream=2)
    assert read(data + message(VIDEO, BODY, chunk_bytes=4096)) == [(VIDEO, 0, 1, BODY)]


@pytest.mark.parametrize("size", [0, 1, MIN_CHUNK_BYTES - 1])
def test_tiny_chunks_are_refused(size: int) -> None:
    with pytest.raises(RtmpError, match="chunk size"):
        read(message(1, size.to_bytes(4, "big"), chunk_stream=2))


def test_messages_of_several_streams_interleave() -> None:
    video = [(header(0, 6, length=300, type_id=VIDEO, stream_id=1), BODY[:128])]
    video += [(header(3, 6), BODY[128:256]), (header(3, 6), BODY[256:300])]
    audio = [(header(0, 4, time=5, length=200, type_id=AUDIO, stream_id=1), BODY[:128])]
    audio += [(header(3, 4), BODY[128:200])]
    order = [video[0], audio[0], video[1], audio[1], video[2]]
    data = b"".join(head + body for head, body in order)
    assert read(data) == [(AUDIO, 5, 1, BODY[:200]), (VIDEO, 0, 1, BODY[:300])]


def test_a_long_run_of_small_chunks_is_one_message() -> None:
    body = BODY * 300
    assert read(message(VIDEO, body)) == [(VIDEO, 0, 1, body)]


def test_a_run_may_be_interrupted_by_another_stream_anywhere() -> None:
    whole = message(VIDEO, BODY)
    ping = message(AUDIO, b"sound", chunk_stream=4)
    for chunk in range(1, 8):
        at = 12 + 128 * chunk + (chunk - 1)
        assert read(whole[:at] + ping + whole[at:]) == [
            (AUDIO, 0, 1, b"sound"),
            (VIDEO, 0, 1, BODY),
        ]


def test_an_aborted_message_is_forgotten() -> None:
    begun = message(VIDEO, BODY)[: 12 + 128]
    abort = message(2, (6).to_bytes(4, "big"), chunk_stream=2)
    assert read(begun + abort + message(VIDEO, b"next")) == [(VIDEO, 0, 1, b"next")]


def test_aborting_a_stream_that_never_was_does_nothing() -> None:
    abort = message(2, (60).to_bytes(4, "big"), chunk_stream=2)
    assert read(abort + message(VIDEO, b"next")) == [(VIDEO, 0, 1, b"next")]


def test_many_messages_of_one_read_come_in_order() -> None:
    data = b"".join(message(AUDIO, bytes((index,)), time=index) for index in range(100))
    assert read(data) == [(AUDIO, index, 1, bytes((index,))) for index in range(100)]


lengths = st.integers(1, 700)
streams = st.sampled_from([(4, AUDIO), (6, VIDEO), (80, VIDEO)])
clocks = st.sampled_from([0, 1, 0xFFFFFF, 0x7FFFFFFF])


@given(
    st.lists(st.tuples(streams, lengths, clocks, st.booleans()), max_size=12),
    st.lists(st.integers(0, 400), max_size=20),
)
def test_however_the_bytes_are_cut_the_messages_are_the_same(
    sent: list[tuple[tuple[int, int], int, int, bool]], cuts: list[int]
) -> None:
    data = b"".join(
        message(kind, BODY[:length], time=time, chunk_stream=stream, repeat_extended=repeat)
        for (stream, kind), length, time, repeat in sent
    )
    # Where a continuation could be the extended timestamp, the next message decides.
    data += message(AUDIO, b"end", chunk_stream=10)
    reader = ChunkReader()
    got: list[Message] = []
    for cut in cuts:
        got += reader.push(data[:cut])
        data = data[cut:]
    got += reader.push(data)
    expected = [(kind, time, 1, BODY[:length]) for (_, kind), length, time, _ in sent]
    assert seen(got) == [*expected, (AUDIO, 0, 1, b"end")]


# -- limits ----------------------------------------------------------------------------------------


def test_a_media_message_over_the_limit_is_refused_at_its_header() -> None:
    reader = ChunkReader(max_media_bytes=1000)
    reader.push(header(0, 6, length=1000, type_id=VIDEO))
    with pytest.raises(RtmpError, match="1001 bytes, over 1000"):
        ChunkReader(max_media_bytes=1000).push(header(0, 6, length=1001, type_id=VIDEO))


def test_a_command_over_its_limit_is_refused_at_its_header() -> None:
    with pytest.raises(RtmpError, match=f"over {MAX_COMMAND_BYTES}"):
        read(header(0, 3, length=MAX_COMMAND_BYTES + 1, type_id=COMMAND))
    with pytest.raises(RtmpError, match=f"over {MAX_COMMAND_BYTES}"):
        read(header(0, 3, length=MAX_COMMAND_BYTES + 1, type_id=18))


def test_a_message_cannot_grow_past_the_limit_by_a_change_of_type() -> None:
    opened = header(0, 6, length=MAX_COMMAND_BYTES + 1, type_id=VIDEO) + bytes(128)
    with pytest.raises(RtmpError):
        read(opened + header(1, 6, length=MAX_COMMAND_BYTES + 1, type_id=COMMAND))


def test_unfinished_messages_are_bounded_together() -> None:
    reader = ChunkReader(max_media_bytes=1000)
    reader.push(message(1, (999).to_bytes(4, "big"), chunk_stream=2))
    for stream in range(4, 6):
        reader.push(header(0, stream, length=1000, type_id=VIDEO) + bytes(999))
    with pytest.raises(RtmpError, match="unfinished"):
        reader.push(header(0, 6, length=1000, type_id=VIDEO) + bytes(999))


def test_finished_messages_do_not_count_as_unfinished() -> None:
    reader = ChunkReader(max_media_bytes=1000)
    for index in range(50):
        half = message(VIDEO, bytes(900), time=index)
        reader.push(half[:500])
        assert len(reader.push(half[500:])) == 1


def test_there_is_a_limit_to_chunk_streams() -> None:
    fits = b"".join(message(AUDIO, b"a", chunk_stream=3 + i) for i in range(MAX_CHUNK_STREAMS))
    assert len(read(fits)) == MAX_CHUNK_STREAMS
    with pytest.raises(RtmpError, match="chunk streams"):
        read(fits + message(AUDIO, b"a", chunk_stream=400))


def test_empty_messages_are_ignored_up_to_a_limit() -> None:
    empty = header(0, 6, length=0, type_id=VIDEO)
    assert read(empty * MAX_EMPTY_MESSAGES + message(VIDEO, b"a")) == [(VIDEO, 0, 1, b"a")]
    with pytest.raises(RtmpError, match="empty messages"):
        read(empty * (MAX_EMPTY_MESSAGES + 1))


@given(st.binary(max_size=400))
def test_garbage_costs_an_rtmp_error_at_most(data: bytes) -> None:
    with suppress(RtmpError):
        ChunkReader().push(data)


# -- writing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 127, 128, 129, 256, 1000])
def test_what_the_writer_writes_has_chunks_of_its_size(size: int) -> None:
    data = ChunkWriter().write(3, COMMAND, BODY[:size], 1)
    assert data == message(COMMAND, BODY[:size], chunk_stream=3)
    assert [answer.payload for answer in read_answers(data)] == [BODY[:size]]


def test_the_writer_follows_its_own_chunk_size() -> None:
    writer = ChunkWriter()
    writer.chunk_bytes = 1000
    assert len(writer.write(3, COMMAND, BODY[:1000])) == 12 + 1000
