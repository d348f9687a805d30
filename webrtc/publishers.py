"""Who publishes, and what has been received of all who ever did."""

from __future__ import annotations

from webrtc.publisher import PublishedCounts, Publisher


class Publishers:
    """Owns the publishers that are connected, by their sessions' ids; Signalling's alone."""

    def __init__(self) -> None:
        self._connected: dict[str, Publisher] = {}
        self._gone = PublishedCounts()

    def __len__(self) -> int:
        """How many are connected."""
        return len(self._connected)

    def connect(self, session_id: str, publisher: Publisher) -> None:
        """Its media may come."""
        self._connected[session_id] = publisher

    def remove(self, session_id: str) -> None:
        """It has gone, if it ever was there."""
        publisher = self._connected.pop(session_id, None)
        if publisher is not None:
            self._gone += publisher.counts()

    def handle_timer(self, now: float) -> None:
        """Let each send what is due."""
        for publisher in list(self._connected.values()):
            publisher.handle_timer(now)

    def counts(self) -> PublishedCounts:
        """Of all, those who have gone included."""
        return sum((one.counts() for one in self._connected.values()), self._gone)
