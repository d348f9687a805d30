"""Our DTLS certificate, which lives for some days."""

from __future__ import annotations

from webrtc.dtls import Certificate

_LIFE_S = 7 * 86_400.0
"""aiortc's are valid for 30 days from a day ago; sessions that outlive one do not notice."""


class Certificates:
    """Makes a certificate when one is needed and the last is a week old."""

    def __init__(self) -> None:
        self._certificate: Certificate | None = None
        self._made_at = 0.0

    def current(self, now: float) -> Certificate:
        """For a session that begins now."""
        if self._certificate is None or now - self._made_at > _LIFE_S:
            self._certificate = Certificate.generateCertificate()
            self._made_at = now
        return self._certificate
