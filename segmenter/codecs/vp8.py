"""VP8: what the head of a frame says (RFC 6386 9.1). Canonical samples are frames.

There is no codec configuration: a key frame says all. All functions take a peer's bytes and raise
MediaError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.codecs.picture import check_size
from segmenter.errors import MediaError

_TAG_BYTES = 3
_KEY_HEAD_BYTES = 10
_START_CODE = b"\x9d\x01\x2a"
_SIZE_MASK = 0x3FFF
"""The two bits above are how the picture is to be scaled up, which nobody does."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The frame tag and, of a key frame, the size; else 0."""

    is_key: bool
    width: int
    height: int


def is_sync(frame: bytes) -> bool:
    """Whether decoding can begin with it."""
    return bool(frame) and not frame[0] & 1


def parse_frame_header(frame: bytes) -> FrameHeader:
    """Read the head of a frame, which must hold its first partition."""
    if len(frame) < _TAG_BYTES:
        raise MediaError(f"VP8 frame of {len(frame)} bytes")
    first_partition_bytes = int.from_bytes(frame[:_TAG_BYTES], "little") >> 5
    head = _KEY_HEAD_BYTES if is_sync(frame) else _TAG_BYTES
    if head + first_partition_bytes > len(frame):
        raise MediaError(f"VP8 frame of {len(frame)} bytes is cut off")
    if not is_sync(frame):
        return FrameHeader(False, 0, 0)
    if frame[_TAG_BYTES : _TAG_BYTES + len(_START_CODE)] != _START_CODE:
        raise MediaError("VP8 key frame without its start code")
    width = int.from_bytes(frame[6:8], "little") & _SIZE_MASK
    height = int.from_bytes(frame[8:10], "little") & _SIZE_MASK
    check_size(width, height)
    return FrameHeader(True, width, height)
