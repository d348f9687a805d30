"""VP8 in RTP (RFC 7741), one layer.

There is no picture id: receivers then follow the sequence numbers, which have no gap where a
viewer is switched to another rendition, whereas picture ids would jump there.
"""

from __future__ import annotations

from segmenter.errors import MediaError
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES, fragment_bytes

_BEGINS = b"\x10"
"""S: the first packet of partition 0 (4.2)."""
_GOES_ON = b"\x00"


class Vp8Packetizer:
    """Frames of one track."""

    def __init__(self, track: Track) -> None:
        del track  # everything is in the frames

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one frame, in order. Raises MediaError."""
        data = memoryview(sample.data)
        if not data:
            raise MediaError("VP8 frame of nothing")
        step = fragment_bytes(len(data), MAX_PAYLOAD_BYTES - 1)
        payloads = [_BEGINS + data[:step]]
        payloads += [_GOES_ON + data[at : at + step] for at in range(step, len(data), step)]
        return payloads
