"""The formats that an HLS playlist lists, and what it gives up for players that lack one.

The multivariant playlist names every format of what a media playlist lists (RFC 8216bis 4.4.6.2,
CODECS), and players leave a variant alone of which they lack one. So once there is enough of
what another decoder takes, what came before it is listed no longer: whoever has that decoder may
join then, rather than when the window has passed. It stays downloadable, and in DASH, where each
period names its own format.
"""

from __future__ import annotations

from segmenter.codecs.decoders import decoder_of
from segmenter.segment import Segment

ENOUGH_TARGETS = 3
"""Target durations of media: a playlist is never shorter (RFC 8216bis 6.2.2), and who plays at
its hold-back has loaded what came before."""


class ListedFormats:
    """Owns what is known of one rendition's formats; its rendition tells it of each segment."""

    def __init__(self) -> None:
        self.first_msn = -1
        """Segments before this number are listed no longer, for what decodes them."""
        self._last_msns: dict[str, int] = {}
        """Codecs -> the last segment of theirs, in the order of these."""
        self._latest = self._decoder = ""
        """Codecs of the latest segment, and what decodes them."""
        self._changed_msn = -1
        """The last segment of another decoder than the latest."""
        self._since_s = 0.0
        """Media since then."""

    def add(self, segment: Segment, target_duration: int) -> None:
        """The next segment with media."""
        codecs = segment.init.codecs
        if codecs != self._latest:
            self._take_up(codecs)
        self._last_msns[codecs] = segment.msn
        self._since_s += segment.duration_s
        if self._since_s >= ENOUGH_TARGETS * target_duration:
            self.first_msn = self._changed_msn + 1
            self.remove_before(self.first_msn)

    def _take_up(self, codecs: str) -> None:
        """What comes is of another format than before."""
        decoder = decoder_of(codecs)
        if decoder != self._decoder:
            self._changed_msn = max(self._last_msns.values(), default=-1)
            self._decoder, self._since_s = decoder, 0.0
        self._last_msns.pop(codecs, None)
        self._latest = codecs

    def remove_before(self, msn: int) -> None:
        """Nothing before this segment is listed any more."""
        for codecs in [codecs for codecs, last in self._last_msns.items() if last < msn]:
            del self._last_msns[codecs]

    @property
    def codecs(self) -> list[str]:
        """Those that are listed, each once, the newest first."""
        return [*reversed(self._last_msns)]
