"""What a viewer who comes now needs to see a picture at once: each video's newest key frame on."""

from __future__ import annotations

from collections.abc import Iterable

from segmenter.media import Sample

KEPT_BYTES = 16 << 20
"""Ten seconds of 12 Mb/s; viewers of longer groups of pictures wait for the next key frame."""


class RecentGop:
    """Owned by the tap of one path, for one of its video tracks."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._bytes = 0

    def push(self, sample: Sample) -> None:
        """Keeps a sample; a sync sample begins anew."""
        if sample.is_sync:
            self._samples, self._bytes = [], 0
        elif not self._samples:
            return
        self._samples.append(sample)
        self._bytes += sample.size_bytes
        if self._bytes > KEPT_BYTES:
            self._samples, self._bytes = [], 0

    @property
    def samples(self) -> Iterable[Sample]:
        """From the newest sync sample on; nothing where there is none, or too much."""
        return self._samples
