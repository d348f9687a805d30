"""Access units of silence: what stands for sound that was lost.

A hole in the times of an audio track stalls players that wait for its buffer to be whole. AAC-LC
and Opus can say silence in a few bytes that any decoder takes in the place of any access unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.codecs.aac import OBJECT_LC, parse_audio_specific_config
from segmenter.errors import MediaError
from segmenter.media import Codec, Sample, Track

AAC_FRAME = 1024
OPUS_FRAME = 960
"""20 ms at 48 kHz, the only rate of an Opus track."""

_SCE, _CPE, _LFE, _END = "000", "001", "011", "111"
_ELEMENTS = {
    1: (_SCE,),
    2: (_CPE,),
    3: (_SCE, _CPE),
    4: (_SCE, _CPE, _SCE),
    5: (_SCE, _CPE, _CPE),
    6: (_SCE, _CPE, _CPE, _LFE),
}
"""Syntactic elements by channels (ISO/IEC 14496-3 table 1.19). Not 8: FFmpeg crashes."""

_GAIN = "0" * 8
_ICS_INFO = "0" * 11
"""A long window without any scale factor band (4.4.2.1, max_sfb 0): nothing is coded."""
_NO_TOOLS = "0" * 3
_STREAM = _GAIN + _ICS_INFO + _NO_TOOLS
_PAIR = "1" + _ICS_INFO + "00" + 2 * (_GAIN + _NO_TOOLS)
"""common_window, ics_info, ms_mask_present 0, and two streams (4.4.2.7)."""

_OPUS_MONO = b"\xf8\xff\xfe"
_OPUS_STEREO = b"\xfc\xff\xfe"
"""CELT, full band, 20 ms; what libopus itself makes of digital silence."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silent access unit of one track, and how long it lasts."""

    data: bytes
    ticks: int

    def samples(self, track: str, start: int, end: int) -> list[Sample]:
        """As many whole frames from ``start`` on as come nearest to ``end``."""
        count = round((end - start) / self.ticks)
        times = range(start, start + count * self.ticks, self.ticks)
        return [Sample(track, at, at, self.data, True, self.ticks) for at in times]


def silence_of(track: Track) -> Silence | None:
    """The silence of ``track``; None for video, and for sound that has none here (HE-AAC)."""
    if track.codec is Codec.OPUS and track.channels in (1, 2):
        return Silence(_OPUS_STEREO if track.channels == 2 else _OPUS_MONO, OPUS_FRAME)
    if track.codec is not Codec.AAC:
        return None
    try:
        config = parse_audio_specific_config(track.codec_config)
    except MediaError:
        return None
    elements = _ELEMENTS.get(config.channels)
    is_plain = config.object_type == OBJECT_LC and config.samples_per_frame == AAC_FRAME
    if elements is None or not is_plain or track.timescale != config.sample_rate:
        return None
    return Silence(_raw_data_block(elements), AAC_FRAME)


def _raw_data_block(elements: tuple[str, ...]) -> bytes:
    """4.4.2.1: the elements, each kind numbered from 0, and the end."""
    bits = ""
    seen: dict[str, int] = {}
    for element in elements:
        tag = seen[element] = seen.get(element, -1) + 1
        bits += f"{element}{tag:04b}{_PAIR if element is _CPE else _STREAM}"
    bits += _END
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
