"""The error tree of the server.

StreamingError
├── LocalError             our own side's mistake: a call out of order, an impossible argument
│   ├── ConfigError        the configuration says something impossible
│   └── LinkBrokenError    another process of ours has gone or speaks nonsense
└── RemoteError            the peer's mistake: bytes, requests or credentials that we refuse
    ├── RtmpError          the bytes of an RTMP connection break the protocol or a limit
    ├── MalformedTag       an FLV tag that cannot be read; some are tolerated
    ├── UnsupportedMedia   media in a codec or form that we do not package
    ├── PublishRejected    a publish request that its path does not accept
    ├── MessageRefused     metadata or chat that its path does not accept
    └── TokenRefused       a viewing token that is not good, or not any more

Raise deep, translate once at the edge: a RemoteError costs the peer its connection, never the
path, never the process. ``http_status`` is what an HTTP edge answers with.
"""

from __future__ import annotations


class StreamingError(Exception):
    """Base of all errors raised by this package.

    ``value`` is the offending value where one can be named, ``http_status`` the answer of an
    HTTP edge where one makes sense.
    """

    def __init__(
        self, message: str, *, value: object = None, http_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.value = value
        self.http_status = http_status


class LocalError(StreamingError):
    """The caller broke the contract of a class in this package."""


class ConfigError(LocalError):
    """The configuration is impossible; the message names file, key and what would be right."""


class LinkBrokenError(LocalError):
    """Another process of ours has gone, or sent what is not a message."""


class RemoteError(StreamingError):
    """The peer sent something that we refuse; the message says what."""


class RtmpError(RemoteError):
    """An RTMP peer broke the protocol or one of our limits."""


class MalformedTag(RemoteError):
    """An FLV tag (the payload of an RTMP media message) that cannot be read."""


class UnsupportedMedia(RemoteError):
    """Media that we do not package; the message is fit to be shown to whoever publishes."""


class PublishRejected(RemoteError):
    """A publish request was turned down.

    ``code`` is the RTMP reason code (``NetStream.Publish.BadName``), the message is fit to be
    shown to whoever publishes.
    """

    def __init__(self, code: str, description: str, *, http_status: int = 403) -> None:
        super().__init__(description, value=code, http_status=http_status)
        self.code = code
        self.description = description


class MessageRefused(RemoteError):
    """Metadata or chat that is not sent; the message says why, `http_status` in which way."""


class TokenRefused(RemoteError):
    """A viewing token was turned down; the message is fit to be shown to whoever brings it.

    ``is_final`` where neither time nor other keys can change that.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason, http_status=401)
        self.is_final = is_final
