"""Whether a publisher sends media, and not more of them than it may. Sans-IO."""

from __future__ import annotations

from streaming.ingest.rtmp import commands
from streaming.ingest.rtmp.limits import BITRATE_WINDOW_S, RtmpLimits
from streaming.publish_codes import REJECTED

_IDLE_CHECKS = 4
"""Looks at a publisher per idle time-out, so a silent one goes at most a quarter late."""


class PublisherWatch:
    """Owns what is known of a connection's publisher; the connection is its only caller."""

    def __init__(self, limits: RtmpLimits) -> None:
        self.heard_media = False
        """Since the last look."""
        self.check_s = min(limits.idle_timeout_s / _IDLE_CHECKS, BITRATE_WINDOW_S / 2)
        """How long from one look to the next."""
        self._limits = limits
        self._silence_s = 0.0
        self._quiet_since = 0.0
        self._rate_since = 0.0
        self._rate_from_bytes = 0

    def begin(self) -> None:
        """A publisher has been let in, and may take some time to begin."""
        self.heard_media = False
        self._silence_s = self._limits.first_media_timeout_s

    def start_clock(self, now: float, received_bytes: int) -> None:
        """Count time and bytes from here."""
        self._quiet_since = self._rate_since = now
        self._rate_from_bytes = received_bytes

    def check(self, now: float, received_bytes: int) -> tuple[str, str] | None:
        """The look: code and description where the publisher has to go."""
        return self._check_silence(now) or self._check_bitrate(now, received_bytes)

    def _check_silence(self, now: float) -> tuple[str, str] | None:
        if self.heard_media:
            self.heard_media = False
            self._silence_s = self._limits.idle_timeout_s
            self._quiet_since = now
        elif now - self._quiet_since >= self._silence_s:
            return commands.CONNECT_CLOSED, f"no media for {self._silence_s:g} s"
        return None

    def _check_bitrate(self, now: float, received_bytes: int) -> tuple[str, str] | None:
        elapsed_s = now - self._rate_since
        if elapsed_s < BITRATE_WINDOW_S:
            return None
        bitrate = (received_bytes - self._rate_from_bytes) * 8 / elapsed_s
        self._rate_since, self._rate_from_bytes = now, received_bytes
        if bitrate <= self._limits.max_bitrate:
            return None
        limit = self._limits.max_bitrate / 1e6
        return (
            REJECTED,
            f"{bitrate / 1e6:.1f} Mb/s is over the limit of {limit:g} Mb/s",
        )
