"""The error tree of the peers.

WebRtcError
├── LocalError                 our caller's mistake: a call out of order, an impossible argument
└── RemoteError                the peer's mistake, or what we cannot give it now
    ├── StunError              a datagram that claims to be STUN and is not
    ├── MediaPacketError       RTP, RTCP or a payload that cannot be read
    ├── MalformedSdp           400: an offer or fragment that cannot be read or breaks a limit
    ├── UnacceptableOffer      422: readable, but not what this endpoint can answer
    ├── NoCommonCodec          406: the peer takes nothing of what there is
    ├── NotLive                409: nobody publishes there; try again
    ├── SessionNotFound        404: no such session (any more)
    ├── PreconditionMissing    428: a PATCH without If-Match
    ├── PreconditionFailed     412: a PATCH that speaks of an ICE session which is over
    └── TooManySessions        503: a bound is reached; try again

Raise deep, translate once at the edge: ``http_status`` is what an HTTP edge answers with and the
message is fit to be shown to whoever sent the request.
"""

from __future__ import annotations


class WebRtcError(Exception):
    """Base of all errors raised by this package; ``value`` is the offending value, if any."""

    http_status = 500
    retry_after_s: int | None = None
    """For Retry-After: when another attempt makes sense."""

    def __init__(self, message: str, *, value: object = None) -> None:
        super().__init__(message)
        self.value = value


class LocalError(WebRtcError):
    """The caller broke the contract of a class in this package."""


class RemoteError(WebRtcError):
    """The peer sent something that we refuse; the message says what."""

    http_status = 400


class StunError(RemoteError):
    """Bytes that are not a STUN message, or more of one than we read."""


class MediaPacketError(RemoteError):
    """An RTP or RTCP packet, or the payload of one, that breaks its specification."""


class MalformedSdp(RemoteError):
    """An SDP offer or trickle fragment that cannot be read, or is larger than we read."""


class UnacceptableOffer(RemoteError):
    """A readable offer that this endpoint cannot answer, such as one that will not receive."""

    http_status = 422


class NoCommonCodec(RemoteError):
    """The offer has no codec of those that there are."""

    http_status = 406


class NotLive(RemoteError):
    """There is nothing to watch, for now."""

    http_status = 409
    retry_after_s = 2


class SessionNotFound(RemoteError):
    """The session has ended or never was."""

    http_status = 404


class PreconditionMissing(RemoteError):
    """RFC 9725 4.3.1: a PATCH must say by If-Match which ICE session it means."""

    http_status = 428


class PreconditionFailed(RemoteError):
    """The If-Match of a PATCH names an ICE session that has been restarted since."""

    http_status = 412


class TooManySessions(RemoteError):
    """A bound on sessions is reached."""

    http_status = 503
    retry_after_s = 10
