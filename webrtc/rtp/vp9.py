"""VP9 in RTP (RFC 9628), one layer, non-flexible mode.

There is no picture id: receivers then follow the sequence numbers, which have no gap where a
viewer is switched to another rendition, whereas picture ids would jump there.
"""

from __future__ import annotations

from segmenter.codecs.vp9 import parse_frame_header
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES, fragment_bytes

_PREDICTED = 0x40
_BEGIN = 0x08
_END = 0x04
_STRUCTURE = 0x02
_ONE_LAYER_WITH_SIZE = 0x10


class Vp9Packetizer:
    """Frames or superframes of one track."""

    def __init__(self, track: Track) -> None:
        self._size = (track.width, track.height)

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one frame, in order. Raises MediaError."""
        data = memoryview(sample.data)
        size = len(data)
        structure = self._structure(data) if sample.is_sync else b""
        flags = 0 if sample.is_sync else _PREDICTED
        step = fragment_bytes(size + len(structure), MAX_PAYLOAD_BYTES - 1)
        end = max(step - len(structure), 1)
        first = bytes((flags | _BEGIN | (_STRUCTURE if structure else 0),)) + structure
        payloads = [first + data[:end]]
        plain = bytes((flags,))
        payloads += [plain + data[start : start + step] for start in range(end, size, step)]
        last = payloads[-1]
        payloads[-1] = bytes((last[0] | _END,)) + last[1:]
        return payloads

    def _structure(self, data: memoryview) -> bytes:
        """The scalability structure (4.2.1): the size alone."""
        header = parse_frame_header(data)
        width, height = (header.width, header.height) if header.is_key else self._size
        return bytes((_ONE_LAYER_WITH_SIZE,)) + width.to_bytes(2, "big") + height.to_bytes(2, "big")
