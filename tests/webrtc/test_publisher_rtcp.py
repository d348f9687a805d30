"""What publishers are told, read by aiortc and by our own reader of viewers' reports."""

from __future__ import annotations

import struct

from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket
from hypothesis import given
from hypothesis import strategies as st

from webrtc.arrival_recorder import MAX_PACKETS, ArrivalRecorder
from webrtc.publisher_rtcp import (
    SenderReport,
    parse_sender_reports,
    render_arrivals,
    render_nack,
    render_picture_loss,
    render_receiver_report,
)
from webrtc.reference_time import read_round_trip_s, render_reference_time
from webrtc.rtcp import Arrivals, Nack, ReportBlock, parse_rtcp, render_sender_report


def arrivals(packet: bytes) -> Arrivals:
    (read,) = parse_rtcp(packet)
    assert isinstance(read, Arrivals)
    return read


def test_a_receiver_report_is_read_by_aiortc() -> None:
    report = ReportBlock(7, 64, -3, 0x1FFFF, 90, 0x12345678, 65_536)
    (read,) = RtcpPacket.parse(render_receiver_report(1, [report]))
    assert isinstance(read, RtcpRrPacket)
    (block,) = read.reports
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (7, 64, -3)
    assert (block.highest_sequence, block.jitter, block.lsr, block.dlsr) == (
        0x1FFFF, 90, 0x12345678, 65_536
    )  # fmt: skip


def test_who_does_not_know_reference_times_reads_the_report_before_them() -> None:
    report = render_receiver_report(1, [ReportBlock(7, 0, 0, 1, 0, 0, 0)])
    (read,) = RtcpPacket.parse(report + render_reference_time(1, 100.0))
    assert isinstance(read, RtcpRrPacket)


@given(st.binary(max_size=64))
def test_hostile_answers_to_reference_times_are_read_to_their_end(data: bytes) -> None:
    head = b"\x80\xcf" + (len(data) // 4 + 1).to_bytes(2, "big") + bytes(4)
    read_round_trip_s(head + data, 0, 100.0)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40, unique=True))
def test_every_missing_packet_is_named(sequences: list[int]) -> None:
    packet = render_nack(1, 2, sequences)
    (read,) = RtcpPacket.parse(packet)
    assert isinstance(read, RtcpRtpfbPacket)
    assert {each & 0xFFFF for each in read.lost} == set(sequences), "aiortc does not wrap"
    (ours,) = parse_rtcp(packet)
    assert isinstance(ours, Nack)
    assert set(ours.sequences) == set(sequences)


def test_neighbours_are_one_item_even_over_the_wrap() -> None:
    assert len(render_nack(1, 2, [65_530, 65_535, 0, 10])) == 16


def test_a_request_for_a_key_frame_is_read_by_aiortc() -> None:
    (read,) = RtcpPacket.parse(render_picture_loss(1, 2))
    assert isinstance(read, RtcpPsfbPacket)
    assert (read.fmt, read.media_ssrc) == (1, 2)


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.none() | st.floats(0, 4, allow_nan=False), min_size=1, max_size=300),
    st.floats(0, 1e6),
)
def test_arrivals_are_told_as_they_were(
    first: int, times: list[float | None], start: float
) -> None:
    times = [None if each is None else start + each for each in times]
    times[0] = start
    read = arrivals(render_arrivals(1, 2, first, times, 0))
    assert read.first_sequence == first
    assert [each is None for each in read.times] == [each is None for each in times]
    origin = read.times[0]
    assert origin is not None
    for told, was in zip(read.times, times, strict=True):
        if told is not None and was is not None:
            assert abs((told - origin) - (was - start) / 250e-6) <= 1.01


def test_what_is_too_far_from_its_neighbour_counts_as_not_there() -> None:
    read = arrivals(render_arrivals(1, 2, 0, [0.0, 20.0, 0.001], 0))
    assert [each is None for each in read.times] == [False, True, False]


def test_feedback_comes_every_tenth_of_a_second_and_leaves_nothing_out() -> None:
    recorder = ArrivalRecorder(1)
    assert recorder.take_feedback(2, 0.0) is None
    for number in (65_534, 65_535, 1):
        recorder.record(number, 0.001)
    first = recorder.take_feedback(2, 0.0)
    assert first is not None
    told = arrivals(first)
    assert told.first_sequence == 65_534
    assert [each is None for each in told.times] == [False, False, True, False]
    recorder.record(2, 0.05)
    assert recorder.take_feedback(2, 0.05) is None
    second = recorder.take_feedback(2, 0.1)
    assert second is not None
    assert arrivals(second).first_sequence == 2
    recorder.record(0, 0.11)
    assert recorder.take_feedback(2, 0.3) is None, "it has been told as lost"


def test_a_jump_does_not_make_feedback_large() -> None:
    recorder = ArrivalRecorder(1)
    recorder.record(0, 0.0)
    recorder.record(30_000, 0.0)
    feedback = recorder.take_feedback(2, 0.1)
    assert feedback is not None
    assert len(arrivals(feedback).times) == MAX_PACKETS


def test_sender_reports_and_goodbyes_are_read() -> None:
    report = render_sender_report(5, "cname", 0x1122334455667788, 90_000, 1, 2)
    bye = struct.pack("!BBHI", 0x81, 203, 1, 5)
    assert parse_sender_reports(report) == ([SenderReport(5, 0x1122334455667788, 90_000)], False)
    assert parse_sender_reports(report + bye)[1]


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data: bytes) -> None:
    parse_sender_reports(b"\x80\xc8" + data)
