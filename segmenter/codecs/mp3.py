"""MP3: what the heads of frames say (ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3). Canonical samples
are frames.

There is no codec configuration: each frame says all. The half sampling rates of MPEG-2 and the
quarter ones that Fraunhofer added to them (MPEG-2.5, of no standard) are taken, too. All functions
take a peer's bytes and raise MediaError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.errors import MediaError

HEADER_BYTES = 4
MPEG1_FRAME = 1_152
"""Samples of each channel in a frame."""
LOWER_RATES_FRAME = 576
"""Of MPEG-2 and 2.5, whose frames have one granule instead of two."""

_MPEG25, _RESERVED_VERSION, _MPEG2, _MPEG1 = 0, 1, 2, 3
_LAYERS = {1: "III", 2: "II", 3: "I"}
_LAYER_III = 1
_RATES = (44_100, 48_000, 32_000)
_DIVIDED_BY = {_MPEG1: 1, _MPEG2: 2, _MPEG25: 4}
_LOWEST_MPEG1_RATE = 32_000
_FREE_FORMAT, _FORBIDDEN = 0, 15
_MPEG1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOWER_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MONO = 3


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The header of one frame."""

    sample_rate: int
    channels: int
    """1 or 2; stereo may be coded jointly or as two languages."""
    frame_bytes: int
    """Header and data."""
    samples: int
    """Of each channel."""


def samples_per_frame(sample_rate: int) -> int:
    """How long frames of this rate are: no two versions share one."""
    return MPEG1_FRAME if sample_rate >= _LOWEST_MPEG1_RATE else LOWER_RATES_FRAME


def parse_frame_header(data: bytes | memoryview, offset: int = 0) -> FrameHeader:
    """Parse the header at ``offset``. Raises MediaError; the data may end in its frame.

    A free format (2.4.2.3, bit rate index 0) is no frame here: how long it is only the next one
    tells, and decoders need not take it.
    """
    head = bytes(data[offset : offset + HEADER_BYTES])
    if len(head) < HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        raise MediaError(f"no MP3 header: {head.hex()}")
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if version == _RESERVED_VERSION or layer != _LAYER_III:
        raise MediaError(f"MPEG audio version {version}, layer {_LAYERS.get(layer, layer)}")
    bitrate_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if bitrate_index in (_FREE_FORMAT, _FORBIDDEN) or rate_index >= len(_RATES):
        raise MediaError(f"MP3 bit rate index {bitrate_index}, sampling rate index {rate_index}")
    sample_rate = _RATES[rate_index] // _DIVIDED_BY[version]
    kbps = (_MPEG1_KBPS if version == _MPEG1 else _LOWER_KBPS)[bitrate_index]
    samples = samples_per_frame(sample_rate)
    return FrameHeader(
        sample_rate=sample_rate,
        channels=1 if head[3] >> 6 == _MONO else 2,
        frame_bytes=samples // 8 * kbps * 1000 // sample_rate + (head[2] >> 1 & 1),
        samples=samples,
    )


def split_frames(data: bytes) -> list[tuple[FrameHeader, memoryview]]:
    """Whole frames that follow each other, as views into ``data``; one is the usual number.

    What follows the last one and is none is left out: some encoders pad. Raises MediaError when
    there is no whole frame at the beginning.
    """
    view = memoryview(data)
    frames: list[tuple[FrameHeader, memoryview]] = []
    position = 0
    while not frames or position < len(view):
        try:
            header = parse_frame_header(view, position)
            end = position + header.frame_bytes
            if end > len(view):
                left = len(view) - position
                raise MediaError(f"MP3 frame of {header.frame_bytes} bytes, {left} left")
        except MediaError:
            if frames:
                break
            raise
        frames.append((header, view[position:end]))
        position = end
    return frames
