"""ADTS, the self-framing of AAC in transport streams and files (ISO/IEC 14496-3 1.A.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.codecs.aac import SAMPLING_RATES, write_audio_specific_config
from segmenter.errors import MediaError

_FIXED_HEADER_BYTES = 7
_CRC_BYTES = 2


@dataclass(frozen=True, slots=True)
class AdtsHeader:
    """One ADTS header; a frame is the header and ``raw_blocks`` raw data blocks."""

    object_type: int
    """Audio object type of the core: 1 Main, 2 LC, 3 SSR, 4 LTP."""
    sample_rate: int
    channel_configuration: int
    """1 to 7 as in table 1.19; 0 when a program config element in the data says it."""
    header_bytes: int
    """7, or 9 with a checksum."""
    frame_bytes: int
    """Header and data."""
    raw_blocks: int


def parse_adts_header(data: bytes | memoryview, offset: int = 0) -> AdtsHeader:
    """Parse the ADTS header at ``offset``. Raises MediaError; the data may end in its frame."""
    head = data[offset : offset + _FIXED_HEADER_BYTES]
    if len(head) < _FIXED_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        raise MediaError(f"no ADTS header: {bytes(head).hex()}")
    rate_index = (head[2] >> 2) & 0xF
    if rate_index >= len(SAMPLING_RATES):
        raise MediaError(f"ADTS sampling frequency index {rate_index}")
    header_bytes = _FIXED_HEADER_BYTES + (0 if head[1] & 1 else _CRC_BYTES)
    frame_bytes = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if frame_bytes <= header_bytes:
        raise MediaError(f"ADTS frame of {frame_bytes} bytes")
    return AdtsHeader(
        object_type=(head[2] >> 6) + 1,
        sample_rate=SAMPLING_RATES[rate_index],
        channel_configuration=(head[2] & 1) << 2 | head[3] >> 6,
        header_bytes=header_bytes,
        frame_bytes=frame_bytes,
        raw_blocks=(head[6] & 3) + 1,
    )


def audio_specific_config(header: AdtsHeader) -> bytes:
    """The AudioSpecificConfig that a header stands for.

    Raises MediaError for channel configuration 0, whose channels only the data tell.
    """
    configuration = header.channel_configuration
    channels = 8 if configuration == 7 else configuration
    return write_audio_specific_config(header.sample_rate, channels, header.object_type)


def split_adts(data: bytes) -> list[memoryview]:
    """Raw data blocks of whole ADTS frames that follow each other, as views into ``data``.

    Raises MediaError when a frame is cut off, or holds several raw data blocks: they cannot be
    told apart without decoding unless a checksum is there, and no live encoder writes them.
    """
    view = memoryview(data)
    size = len(view)
    frames: list[memoryview] = []
    position = 0
    while position < size:
        header = parse_adts_header(view, position)
        end = position + header.frame_bytes
        if end > size:
            raise MediaError(f"ADTS frame of {header.frame_bytes} bytes, {size - position} left")
        if header.raw_blocks != 1:
            raise MediaError(f"ADTS frame with {header.raw_blocks} raw data blocks")
        frames.append(view[position + header.header_bytes : end])
        position = end
    return frames
