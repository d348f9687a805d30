"""C and Python do the very same: every datagram, every event, every figure."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webrtc.fanout_stage import (
    AUDIO,
    AUDIO_SSRC,
    RTX_SSRC,
    VIDEO,
    VIDEO_SSRC,
    VIEWER_SSRC,
    Stage,
    check_of,
    loopback,
    nack,
    open_stage,
)
from webrtc.errors import LocalError
from webrtc.fanout_events import ViewerSummary
from webrtc.native_choice import native
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES
from webrtc.viewer_settings import SrtpProfile

pytestmark = pytest.mark.skipif(native is None, reason="no compiler was at hand")

Operation = tuple[Any, ...]

PLAIN = dataclasses.replace(
    VIDEO, rtx_ssrc=0, rtx_payload_type=0, abs_send_time_extension=0, transport_cc_extension=0
)
BARE = dataclasses.replace(
    AUDIO, mid=b"", mid_extension=0, abs_send_time_extension=0, transport_cc_extension=0
)
WRAPPING = dataclasses.replace(VIDEO, first_sequence=0xFFF0, rtx_first_sequence=0xFFFF)
VIEWERS = (
    (SrtpProfile.AEAD_AES_128_GCM, WRAPPING, AUDIO, 1_000_000_000),
    (SrtpProfile.AES128_CM_SHA1_80, PLAIN, BARE, 2_000_000),
    (SrtpProfile.AEAD_AES_256_GCM, VIDEO, None, 200_000),
)

RINGS = ((90_000, 1_000_000, 1_000), (90_000, 60_000, 200), (48_000, 60_000, 200))

viewers = st.integers(0, 2)
rings = st.integers(0, 2)
videos = st.sampled_from([0, 1])
sizes = st.integers(1, MAX_PAYLOAD_BYTES + 1)
numbers = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)
some_bytes = st.binary(max_size=60)


def compound(kind: int, count: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    head = struct.pack("!BBHI", 0x80 | count, kind, 1 + len(body) // 4, VIEWER_SSRC)
    return head + body


sources = st.sampled_from([VIDEO_SSRC, AUDIO_SSRC, RTX_SSRC, 1])
report_blocks = st.builds(
    lambda ssrc, fraction, rest: struct.pack("!IB3xIIII", ssrc, fraction, *rest),
    sources, st.integers(0, 255), st.tuples(words, words, words, words),
)  # fmt: skip
feedback = st.builds(
    lambda first, count, chunks, deltas: struct.pack("!IHH3sB", VIDEO_SSRC, first, count, b"abc", 0)
    + b"".join(struct.pack("!H", chunk) for chunk in chunks)
    + deltas,
    st.integers(0, 40), st.integers(0, 60), st.lists(numbers, max_size=5), some_bytes,
)  # fmt: skip


def in_time(first: int, count: int, gap: int) -> bytes:
    """Packets that all came, `gap` quarters of a millisecond apart."""
    head = struct.pack("!IHH3sBH", VIDEO_SSRC, first, count, b"abc", 0, 0x2000 | count)
    return head + bytes((gap,)) * count


remb = st.builds(
    lambda high, low: struct.pack("!I4sBBH", 0, b"REMB", 1, high, low), st.integers(0, 255), numbers
)
messages = st.one_of(
    st.builds(lambda blocks: compound(201, len(blocks), b"".join(blocks)),
              st.lists(report_blocks, max_size=3)),
    st.builds(lambda body: compound(205, 15, body), feedback),
    st.builds(lambda body: compound(206, 15, body), remb),
    st.builds(lambda ssrc, format_: compound(206, format_, struct.pack("!III", ssrc, ssrc, 0)),
              sources, st.sampled_from([1, 4])),
    st.builds(lambda ssrc, pairs: compound(205, 1, struct.pack("!I", ssrc)
              + b"".join(struct.pack("!HH", *pair) for pair in pairs)),
              sources, st.lists(st.tuples(numbers, numbers), max_size=4)),
    st.builds(lambda first, count: nack(VIDEO_SSRC, *range(first, first + count)),
              st.integers(1000, 1100), st.integers(0, 20)),
    st.builds(lambda back: nack(VIDEO_SSRC, *(n & 0xFFFF for n in range(0xFFF0, 0xFFF0 + back))),
              st.integers(0, 40)),
    st.just(compound(203, 1, b"")),
    st.builds(compound, st.integers(199, 207), st.integers(0, 31), some_bytes),
)  # fmt: skip

operations = st.one_of(
    st.tuples(st.just("write"), videos, st.lists(sizes, max_size=40),
              st.sampled_from([False, False, True])),
    st.tuples(st.just("write"), st.just(2), st.lists(st.integers(1, 300), max_size=2),
              st.just(True)),
    st.tuples(st.just("flow"), st.integers(1, 30), st.integers(1, 12)),
    st.tuples(st.just("tick"), st.sampled_from([0.0, 0.0005, 0.01, 0.033, 0.3, 1.1, 11.0])),
    st.tuples(st.just("play"), viewers, st.just("video"), videos, st.sampled_from(["key", "live"])),
    st.tuples(st.just("play"), viewers, st.just("audio"), st.just(2),
              st.sampled_from(["key", "live"])),
    st.tuples(st.just("pause"), viewers, st.sampled_from(["video", "audio"])),
    st.tuples(st.just("rtcp"), viewers, st.lists(messages, min_size=1, max_size=3)),
    st.tuples(st.just("raw"), viewers, st.binary(max_size=60)),
    st.tuples(st.just("check"), viewers, st.booleans(), st.booleans()),
    st.tuples(st.just("poll")),
    st.tuples(st.just("renew"), rings),
    st.tuples(st.just("remove"), viewers),
)  # fmt: skip

beginning: list[Operation] = [
    ("play", 0, "video", 0, "key"),
    ("play", 1, "video", 1, "key"),
    ("play", 2, "video", 0, "live"),
    ("play", 0, "audio", 2, "live"),
    ("play", 1, "audio", 2, "live"),
    ("tick", 0.0),
]


def join_late(gap: int | None, is_lowered: bool) -> list[Operation]:
    """Somebody begins behind; what comes next is paced by bitrate, or by feedback."""
    work: list[Operation] = [("flow", 30, 40), ("pause", 0, "video")]
    for number in range(24):
        work += [("write", 0, [1100] * (48 if number == 0 else 20), number == 0), ("tick", 0.033)]
    work += [("play", 0, "video", 0, "key"), ("tick", 0.0), ("tick", 0.04)]
    if gap is not None:
        said = compound(205, 15, in_time(60, 60, gap))
        work += [("rtcp", 0, [said]), ("tick", 0.04), ("tick", 0.04)]
    if is_lowered:
        again = nack(VIDEO_SSRC, *range(50, 66))
        work += [("play", 0, "video", 1, "key"), ("tick", 0.1), ("write", 0, [1100] * 30, False)]
        work += [("tick", 0.0), ("rtcp", 0, [again]), ("write", 1, [500], True), ("tick", 0.4)]
        work += [("rtcp", 0, [again]), ("tick", 0.01)]
    return work


beginnings = st.just([]) | st.builds(join_late, st.none() | st.integers(0, 60), st.booleans())


class Actor:
    """Carries operations out on one twin and writes down all that comes of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.transcript: list[Any] = []
        self.frames = 0
        self.rings = [stage.fanout.add_ring(*ring) for ring in RINGS]
        self.viewers = [stage.join(*viewer) for viewer in VIEWERS]

    def perform(self, operation: Operation) -> None:
        name, *arguments = operation
        with suppress(LocalError):
            self.transcript.append((name, getattr(self, name)(*arguments)))
        for viewer in self.viewers:
            self.transcript.append(viewer.datagrams())

    def write(self, ring: int, sizes: list[int], is_key: bool) -> bool:
        self.frames += 1
        payloads = [bytes((self.frames + n & 0xFF,)) * size for n, size in enumerate(sizes)]
        ticks = self.frames * (1600 if ring == 2 else 3000) & 0xFFFFFFFF
        utc_s, now_s = self.stage.now_s + 5.5, self.stage.now_s
        stored = self.stage.fanout.write(
            self.rings[ring], payloads, ticks, is_key, utc_s, now_s=now_s
        )
        self.stage.step()
        return stored

    def flow(self, count: int, group: int) -> None:
        for number in range(count):
            for ring in (0, 1):
                self.write(ring, [700 * (ring + 1) % 1100, 200], number % group == 0)
                self.frames -= ring == 0
            self.stage.step(0.033)

    def tick(self, seconds: float) -> float:
        return self.stage.step(seconds)

    def play(self, viewer: int, kind: Any, ring: int, since: Any) -> None:
        self.stage.fanout.play(self.viewers[viewer].number, kind, self.rings[ring], since)

    def pause(self, viewer: int, kind: Any) -> None:
        self.stage.fanout.pause(self.viewers[viewer].number, kind)

    def rtcp(self, viewer: int, parts: list[bytes]) -> Any:
        sealed = self.viewers[viewer].seal(b"".join(parts))
        passed = self.stage.send(self.viewers[viewer], sealed)
        self.stage.step()
        return passed

    def raw(self, viewer: int, data: bytes) -> Any:
        return self.stage.send(self.viewers[viewer], data)

    def check(self, viewer: int, nominates: bool, is_true: bool) -> Any:
        sender = self.viewers[viewer]
        password = sender.settings.ice_password if is_true else "false"
        elsewhere = self.viewers[2] if nominates else sender
        data = check_of(sender, password=password, nominates=nominates)
        return self.stage.send(elsewhere, data)

    def poll(self) -> Any:
        events = self.stage.fanout.poll(now_s=self.stage.now_s)
        return sorted(events, key=lambda event: isinstance(event, ViewerSummary) * event.viewer)

    def renew(self, ring: int) -> int:
        self.stage.fanout.remove_ring(self.rings[ring])
        self.rings[ring] = self.stage.fanout.add_ring(*RINGS[ring])
        return self.rings[ring]

    def remove(self, viewer: int) -> None:
        self.stage.fanout.remove_viewer(self.viewers[viewer].number)


class SharedSockets(Stage):
    """A stage whose viewers have the sockets, and so the addresses, of the other twin's."""

    sockets: Iterator[Any]

    def open_socket(self) -> Any:
        return next(self.sockets)


def transcript_of(work: list[Operation], sockets: list[Any], *, pure_python: bool) -> list[Any]:
    with open_stage(pure_python=pure_python, own=sockets[-1]) as stage:
        stage.__class__ = SharedSockets
        stage.sockets = iter(sockets)  # type: ignore[attr-defined]
        actor = Actor(stage)
        for operation in (*beginning, *work, ("tick", 1.2), ("poll",)):
            actor.perform(operation)
        figures = dataclasses.asdict(stage.fanout.statistics())
        for name in ("native", "crypto", "gso", "calls"):
            del figures[name]
        for lateness in (figures["sound_lateness"], figures["picture_lateness"]):
            lateness["sum_s"] = round(lateness["sum_s"], 6)
        return [*actor.transcript, figures]


@settings(max_examples=120, deadline=None)
@given(
    st.just([]) | st.builds(join_late, st.none() | st.integers(0, 60), st.booleans()),
    st.lists(operations, max_size=25),
)
def test_both_send_and_tell_the_very_same(before: list[Operation], drawn: list[Operation]) -> None:
    work = [*before, *drawn]
    sockets = [loopback() for _ in range(4)]
    try:
        said = transcript_of(work, sockets, pure_python=True)
        ours = transcript_of(work, sockets, pure_python=False)
    finally:
        for opened in sockets:
            opened.close()
    for mine, theirs in zip(ours, said, strict=True):
        assert mine == theirs
