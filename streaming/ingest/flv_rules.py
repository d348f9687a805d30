"""How the messages begin that make up nearly all of a publication, as rules for TagReader.

A rule covers frames of the main tracks that become samples as they are: no configuration, no key
frame of video (it may change the track), nothing that another form of the codec would need.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from segmenter.media import Codec
from streaming.ingest.flv_lane import FlvLane
from streaming.ingest.rtmp import messages

Rule: TypeAlias = tuple[int, bytes, int, int, str, bool, int, bytes]
"""See segmenter/_samples.pyi."""

_NO_OFFSET = -1
_INTER, _DISPOSABLE = 2, 3
_AVC, _CODED = 7, 1
_CODED_FRAMES, _CODED_FRAMES_X = 1, 3
_ENHANCED = 0x80
_FOURCC = {Codec.H264: b"avc1", Codec.H265: b"hvc1"}


def ordinary_rules(lanes: Iterable[FlvLane]) -> list[Rule]:
    """The rules for main tracks that are known by now."""
    return [rule for lane in lanes for rule in _rules(lane)]


def _rules(lane: FlvLane) -> list[Rule]:
    plain = lane.plain_units
    if plain is None or lane.codec is None:
        return []
    if lane.codec is Codec.AAC:
        rest = (lane.name, True, plain.judged_at, plain.special)
        return [
            (messages.AUDIO, b"\xaf\x01", 2, _NO_OFFSET, *rest),
            (messages.AUDIO, b"\x91mp4a", 5, _NO_OFFSET, *rest),
        ]
    rest = (lane.name, False, plain.judged_at, plain.special)
    rules: list[Rule] = []
    for frame_type in (_INTER, _DISPOSABLE):
        high = frame_type << 4
        if lane.codec is Codec.H264:
            rules.append((messages.VIDEO, bytes((high | _AVC, _CODED)), 5, 2, *rest))
        fourcc = _FOURCC[lane.codec]
        with_offset = bytes((_ENHANCED | high | _CODED_FRAMES,)) + fourcc
        without = bytes((_ENHANCED | high | _CODED_FRAMES_X,)) + fourcc
        rules.append((messages.VIDEO, with_offset, 8, 5, *rest))
        rules.append((messages.VIDEO, without, 5, _NO_OFFSET, *rest))
    return rules
